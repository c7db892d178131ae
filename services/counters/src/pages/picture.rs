//! What a counter did in its last minutes as a picture: a line of what was added in each ten seconds. The drawing is
//! stretched to the room there is, so everything that is read stands beside it as text.

use std::fmt::Write as _;

use kernel::Instant;
use serde_json::{Map, Value};
use web::{grouped, top_of_scale};

use crate::history::{BINS, Bin};

/// The width of ten seconds and the height of the drawing, in its own units.
const STEP: i64 = 10;
const HEIGHT: i64 = 1000;
/// The width of the drawing.
pub(super) const WIDTH: i64 = (BINS + 1) * STEP;
/// What is there but little is seen all the same.
const LOWEST: i64 = 12;
/// A minute's ten seconds.
const MINUTE: i64 = 60_000;

/// The value, the drawing, and the same in figures.
pub(super) struct Picture {
    pub(super) value: String,
    /// Whether it is known for all of the time what was added.
    pub(super) is_known: bool,
    /// What was added in all, as far as it is known.
    pub(super) total: String,
    /// The ends of the scale.
    pub(super) top: String,
    pub(super) bottom: String,
    /// The paths: what was added, as a line and what is below it; the same of the ten seconds that still run; the
    /// line of nothing; and the times of which nothing is known.
    pub(super) line: String,
    pub(super) area: String,
    pub(super) running: String,
    pub(super) ground: String,
    pub(super) unknown: String,
    /// What there is to see, for whoever does not.
    pub(super) words: String,
    /// By the minute, the latest first.
    pub(super) minutes: Vec<Minute>,
}

/// One line of the table.
pub(super) struct Minute {
    pub(super) when: String,
    pub(super) added: String,
}

impl Picture {
    pub(super) fn new(value: i64, bins: &[Bin]) -> Self {
        let known = || bins.iter().filter_map(|bin| bin.added);
        let scale = Scale::of(known());
        let total = known().fold(0i64, i64::saturating_add);
        let is_known = bins.iter().all(|bin| bin.added.is_some());
        let (finished, running) = bins.split_at(bins.len().saturating_sub(1));
        let mut picture = Self {
            value: grouped(value),
            is_known,
            total: grouped(total),
            top: short(scale.top),
            bottom: short(scale.bottom),
            line: String::new(),
            area: String::new(),
            running: String::new(),
            ground: format!("M0 {y}H{WIDTH}", y = scale.y(0)),
            unknown: String::new(),
            words: words(bins, total, is_known),
            minutes: minutes(bins),
        };
        picture.draw(&scale, finished);
        if let [Bin { added: Some(added), .. }] = running
            && *added != 0
        {
            let x = finished.len() as i64 * STEP;
            picture.running = format!("M{x} {}V{}H{}V{}Z", scale.y(0), scale.y(*added), x + STEP, scale.y(0));
        }
        if let [Bin { added: None, .. }] = running {
            picture.blank(finished.len() as i64 * STEP, STEP);
        }
        picture
    }

    /// Draws what is finished, from one stretch of which nothing is known to the next.
    fn draw(&mut self, scale: &Scale, bins: &[Bin]) {
        let mut x = 0;
        for stretch in bins.chunk_by(|a, b| a.added.is_some() == b.added.is_some()) {
            let width = stretch.len() as i64 * STEP;
            let known: Vec<i64> = stretch.iter().filter_map(|bin| bin.added).collect();
            match known.first().copied() {
                None => self.blank(x, width),
                Some(first) => {
                    let mut line = String::new();
                    let (mut at, mut level) = (x, first);
                    for added in known {
                        if added != level {
                            let _ = write!(line, "H{at}V{}", scale.y(added));
                            level = added;
                        }
                        at += STEP;
                    }
                    let _ = write!(line, "H{at}");
                    let (start, ground) = (scale.y(first), scale.y(0));
                    let _ = write!(self.line, "M{x} {start}{line}");
                    let _ = write!(self.area, "M{x} {ground}V{start}{line}V{ground}Z");
                }
            }
            x += width;
        }
    }

    fn blank(&mut self, x: i64, width: i64) {
        let _ = write!(self.unknown, "M{x} 0h{width}v{HEIGHT}h-{width}Z");
    }

    /// What changes while the page is open, as the script is told.
    pub(super) fn state(&self) -> Map<String, Value> {
        let mut state = Map::new();
        let all = [
            ("status", self.status()),
            ("value", &self.value),
            ("label", self.label()),
            ("total", &self.total),
            ("top", &self.top),
            ("bottom", &self.bottom),
            ("line", &self.line),
            ("area", &self.area),
            ("running", &self.running),
            ("ground", &self.ground),
            ("unknown", &self.unknown),
            ("words", &self.words),
        ];
        for (name, text) in all {
            state.insert(name.to_owned(), text.into());
        }
        for (n, minute) in self.minutes.iter().enumerate() {
            state.insert(format!("when{n}"), minute.when.as_str().into());
            state.insert(format!("added{n}"), minute.added.as_str().into());
        }
        state
    }

    /// What the total is of. That of what is known may be more or less than that of all the time.
    pub(super) fn label(&self) -> &'static str {
        if self.is_known { "Added" } else { "Added, of what is known" }
    }

    pub(super) fn status(&self) -> &'static str {
        if self.is_known { "known" } else { "unknown" }
    }
}

/// The scale of a drawing. Nothing is always on it.
struct Scale {
    top: i64,
    bottom: i64,
}

impl Scale {
    fn of(values: impl Iterator<Item = i64> + Clone) -> Self {
        let end = |most: i64| if most == 0 { 0 } else { top_of_scale(most) };
        let (top, bottom) = (values.clone().max().unwrap_or(0).max(0), values.min().unwrap_or(0).min(0));
        let bottom = -end(bottom.saturating_neg());
        Self { top: if bottom == 0 { top_of_scale(top) } else { end(top) }, bottom }
    }

    /// Where a value is, from the top.
    fn y(&self, value: i64) -> i64 {
        let span = (i128::from(self.top) - i128::from(self.bottom)).max(1);
        let height = |value: i64| i128::from(value) * i128::from(HEIGHT) / span;
        let ground = height(self.top);
        let tall = match value {
            0 => 0,
            value if value > 0 => height(value).max(LOWEST.into()),
            value => height(value).min((-LOWEST).into()),
        };
        i64::try_from(ground - tall).unwrap_or(HEIGHT)
    }
}

/// A round number in few letters: scales are short.
fn short(number: i64) -> String {
    let units = [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3)];
    let unit = units.into_iter().find(|(_, power)| number.unsigned_abs() >= 10u64.pow(*power));
    match unit.filter(|_| number.unsigned_abs() >= 10_000) {
        None => grouped(number),
        Some((unit, power)) => {
            let tenths = number / 10i64.pow(power - 1);
            match tenths % 10 {
                0 => format!("{}{unit}", tenths / 10),
                tenth => format!("{}.{}{unit}", tenths / 10, tenth.abs()),
            }
        }
    }
}

/// The time of a moment, in UTC: `19:30:10`.
fn time(at: Instant, letters: usize) -> String {
    at.to_string().get(11..11 + letters).unwrap_or_default().to_owned()
}

fn words(bins: &[Bin], total: i64, is_known: bool) -> String {
    let most = bins.iter().filter_map(|bin| Some((bin.added?.unsigned_abs(), bin.added?, bin.from)));
    let most = most.max_by_key(|(size, ..)| *size).filter(|(size, ..)| *size > 0);
    let told = match most {
        None => "Nothing was added.".to_owned(),
        Some((_, added, from)) => {
            format!(
                "{} in all; the most in ten seconds is {}, at {} UTC.",
                grouped(total),
                grouped(added),
                time(from, 8)
            )
        }
    };
    match (is_known, most) {
        (true, _) => told,
        (false, None) => "Nothing is known to be added; for a part of the time it is not known.".to_owned(),
        (false, Some(_)) => format!("Of what is known: {told} For a part of the time it is not known."),
    }
}

/// What was added by the minute, the latest first; not known if it is not for a part of it.
fn minutes(bins: &[Bin]) -> Vec<Minute> {
    let of = |bin: &Bin| bin.from.as_millis().div_euclid(MINUTE);
    let minute = |bins: &[Bin]| {
        let added = bins.iter().try_fold(0i64, |sum, bin| Some(sum.saturating_add(bin.added?)));
        let from = bins.first().map_or(0, of) * MINUTE;
        Minute {
            when: time(Instant::from_millis(from), 5),
            added: added.map_or_else(|| "not known".to_owned(), grouped),
        }
    };
    let mut minutes: Vec<Minute> = bins.chunk_by(|a, b| of(a) == of(b)).map(minute).collect();
    minutes.reverse();
    minutes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(added: &[Option<i64>]) -> Vec<Bin> {
        // Three seconds into a minute that a period of fifteen ends in.
        let from = |n: usize| Instant::parse("2026-11-21T19:30:00Z").unwrap().as_millis() + n as i64 * 10_000;
        let bin =
            |(n, added): (usize, &Option<i64>)| Bin { from: Instant::from_millis(from(n)), added: *added };
        added.iter().enumerate().map(bin).collect()
    }

    fn picture(added: &[Option<i64>]) -> Picture {
        Picture::new(7, &bins(added))
    }

    #[test]
    fn what_was_added_is_a_line_of_steps() {
        let drawn = picture(&[Some(0), Some(500), Some(500), Some(1000), Some(250)]);
        assert_eq!(drawn.line, "M0 1000H10V500H30V0H40");
        assert_eq!(drawn.area, "M0 1000V1000H10V500H30V0H40V1000Z");
        assert_eq!(drawn.running, "M40 1000V750H50V1000Z");
        assert_eq!((drawn.top.as_str(), drawn.bottom.as_str()), ("1,000", "0"));
        assert_eq!((drawn.total.as_str(), drawn.status()), ("2,250", "known"));
        assert_eq!(drawn.words, "2,250 in all; the most in ten seconds is 1,000, at 19:30:30 UTC.");
    }

    #[test]
    fn nothing_is_a_flat_line() {
        let drawn = picture(&[Some(0); 91]);
        assert_eq!(
            (drawn.line.as_str(), drawn.running.as_str(), drawn.unknown.as_str()),
            ("M0 1000H900", "", "")
        );
        assert_eq!((drawn.words.as_str(), drawn.total.as_str()), ("Nothing was added.", "0"));
        assert_eq!((drawn.top.as_str(), drawn.bottom.as_str()), ("2", "0"));
    }

    #[test]
    fn what_is_not_known_is_not_drawn() {
        let drawn = picture(&[Some(2), None, None, Some(1), None]);
        assert_eq!(drawn.line, "M0 0H10M30 500H40");
        assert_eq!(drawn.unknown, "M10 0h20v1000h-20ZM40 0h10v1000h-10Z");
        assert_eq!((drawn.status(), drawn.minutes[0].added.as_str()), ("unknown", "not known"));
        assert!(
            drawn.words.starts_with("Of what is known: 3 in all;")
                && drawn.words.ends_with("it is not known."),
            "{}",
            drawn.words
        );
    }

    #[test]
    fn what_was_taken_away_is_below_the_ground() {
        let drawn = picture(&[Some(4), Some(-4), Some(0), Some(0)]);
        assert_eq!((drawn.line.as_str(), drawn.ground.as_str()), ("M0 0H10V1000H20V500H30", "M0 500H910"));
        assert_eq!((drawn.top.as_str(), drawn.bottom.as_str()), ("4", "-4"));
        let drawn = picture(&[Some(-3), Some(0), Some(0)]);
        assert_eq!(
            (drawn.line.as_str(), drawn.top.as_str(), drawn.bottom.as_str()),
            ("M0 750H10V0H20", "0", "-4")
        );
    }

    #[test]
    fn both_ends_of_64_bits_fit_and_little_is_seen() {
        let drawn = picture(&[Some(i64::MAX), Some(i64::MIN), Some(1), Some(-1), Some(0)]);
        assert_eq!(drawn.line, "M0 0H10V1000H20V488H30V512H40");
        assert_eq!((drawn.top.as_str(), drawn.bottom.as_str()), ("9.2E", "-9.2E"));
        assert_eq!(
            drawn.words,
            "-1 in all; the most in ten seconds is -9,223,372,036,854,775,808, at 19:30:10 UTC."
        );
    }

    #[test]
    fn figures_are_by_the_minute() {
        let mut added = vec![Some(1); 91];
        added[20] = None;
        let minutes = picture(&added).minutes;
        let told: Vec<(&str, &str)> = minutes.iter().map(|m| (m.when.as_str(), m.added.as_str())).collect();
        assert_eq!(
            (told.len(), told[0], told[1], told[12], told[15]),
            (16, ("19:45", "1"), ("19:44", "6"), ("19:33", "not known"), ("19:30", "6"))
        );
    }

    #[test]
    fn scales_are_short() {
        for (number, text) in [
            (0, "0"),
            (8000, "8,000"),
            (10_000, "10k"),
            (160_000, "160k"),
            (-2_000_000, "-2M"),
            (1_200_000_000, "1.2G"),
            (i64::MIN, "-9.2E"),
        ] {
            assert_eq!(short(number), text);
        }
    }
}
