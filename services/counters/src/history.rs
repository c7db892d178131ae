//! What a counter did in its last minutes, worked out of its samples: pure.
//!
//! A change that was noted has a sample at most ten seconds before it (what the counter was) and one soon after it.
//! So the difference of two neighbours belongs to the ten seconds before the second of them. Where they are further
//! apart and differ, or some counters were changed without a note in between, somebody changed this one without a
//! note (there were too many to note, or a process was killed before it could take its notes down), and when that was
//! in between is not known.

use std::iter::once;

use kernel::Instant;

/// Samples are taken at the full ten seconds, in milliseconds.
pub(crate) const PERIOD: i64 = 10_000;
/// How far the picture goes back: fifteen minutes.
pub(crate) const BINS: i64 = 90;
/// Neighbours that are further apart have a gap between them. Steps may be late by some seconds.
const APART: i64 = 3 * PERIOD;

/// What a counter was at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) at: Instant,
    pub(crate) value: i64,
}

/// What is there of a counter.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) value: i64,
    /// Before that it was not there: nothing was added.
    pub(crate) created: Instant,
    /// In the order of time.
    pub(crate) points: Vec<Point>,
    /// Up to when changes of some counters, and nobody knows which, were not noted.
    pub(crate) missed: Vec<Instant>,
}

impl Seen {
    /// Adds what is not in a sample yet.
    pub(crate) fn add(&mut self, point: Point) {
        let place = self.points.partition_point(|known| known.at < point.at);
        if self.points.get(place).is_none_or(|known| known.at != point.at) {
            self.points.insert(place, point);
        }
    }
}

/// Ten seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bin {
    pub(crate) from: Instant,
    /// What was added, or below 0 taken away; `None` if that is not known.
    pub(crate) added: Option<i64>,
}

/// The full ten seconds before a moment.
pub(crate) fn full(at: Instant) -> Instant {
    let at = at.as_millis();
    Instant::from_millis(at - at.rem_euclid(PERIOD))
}

/// Since when samples have to be known for the picture.
pub(crate) fn since(now: Instant) -> Instant {
    Instant::from_millis(full(now).as_millis() - BINS * PERIOD - APART)
}

/// The last [`BINS`] ten seconds, the oldest first, and at their end those that still run.
pub(crate) fn bins(seen: &Seen, now: Instant) -> Vec<Bin> {
    let running = full(now).as_millis();
    let (first, end) = (running - BINS * PERIOD, running + PERIOD);
    let mut bins: Vec<Bin> =
        (0..=BINS).map(|n| Bin { from: Instant::from_millis(first + n * PERIOD), added: Some(0) }).collect();
    let present = Point { at: Instant::from_millis(end), value: seen.value };
    // A sample that a process left at its end may be of a moment that is still to come.
    let points: Vec<Point> =
        seen.points.iter().copied().filter(|point| point.at < present.at).chain(once(present)).collect();
    // Before its first sample it was what that says, unless it may be one of those that were not noted, and before it
    // was there it was nothing.
    let (created, known) =
        (full(seen.created).as_millis(), points.first().map_or(end, |point| point.at.as_millis()));
    if let Some(missed) = seen.missed.iter().map(|at| at.as_millis()).filter(|at| *at <= known).max() {
        forget(&mut bins, created, missed);
    }
    let steps = points.windows(2).filter_map(|pair| match pair {
        [before, after] if before.value != after.value => Some((before, after)),
        _ => None,
    });
    for (before, after) in steps {
        let (from, to) = (before.at.as_millis(), after.at.as_millis());
        let missed = || seen.missed.iter().any(|at| *at > before.at && *at < after.at);
        if to - from > APART || missed() {
            forget(&mut bins, from, to);
        } else if let Some(bin) = bins.iter_mut().find(|bin| bin.from.as_millis() == to - PERIOD) {
            let more = after.value.saturating_sub(before.value);
            bin.added = bin.added.map(|added| added.saturating_add(more));
        }
    }
    bins
}

fn forget(bins: &mut [Bin], from: i64, to: i64) {
    for bin in bins.iter_mut().filter(|bin| (from..to).contains(&bin.from.as_millis())) {
        bin.added = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three seconds after the full ten.
    const NOW: i64 = 1_800_000_003_000;

    fn ago(tens: i64) -> Instant {
        Instant::from_millis(1_800_000_000_000 - tens * PERIOD)
    }

    fn seen(value: i64, points: &[(i64, i64)], missed: &[i64]) -> Seen {
        let points = points.iter().map(|(tens, value)| Point { at: ago(*tens), value: *value }).collect();
        let missed = missed.iter().map(|tens| ago(*tens)).collect();
        Seen { value, created: Instant::from_millis(0), points, missed }
    }

    /// What is not 0: how many tens ago it began, and what was added.
    fn history(seen: &Seen) -> Vec<(i64, Option<i64>)> {
        let bins = bins(seen, Instant::from_millis(NOW));
        assert_eq!((bins.len(), bins[0].from, bins[90].from), (91, ago(90), ago(0)));
        let told = bins.iter().filter(|bin| bin.added != Some(0));
        told.map(|bin| ((ago(0).as_millis() - bin.from.as_millis()) / PERIOD, bin.added)).collect()
    }

    fn unknown(from: i64, to: i64) -> Vec<(i64, Option<i64>)> {
        (to..from).rev().map(|tens| (tens, None)).collect()
    }

    #[test]
    fn nothing_happened_is_a_flat_line() {
        assert_eq!(history(&seen(7, &[], &[])), []);
        assert_eq!(history(&seen(7, &[(95, 7)], &[])), []);
        assert_eq!(history(&seen(7, &[(50, 7), (20, 7)], &[40])), [], "whatever others were not noted");
    }

    #[test]
    fn each_difference_belongs_to_the_ten_seconds_before_it_was_seen() {
        let points = [(93, 1), (92, 5), (91, 9), (90, 10), (60, 10), (59, 30), (58, 28), (1, 28), (0, 29)];
        let told = [(60, Some(20)), (59, Some(-2)), (1, Some(1)), (0, Some(3))];
        assert_eq!(history(&seen(32, &points, &[])), told);
        assert_eq!(
            history(&seen(32, &points[4..], &[])),
            told,
            "what was before all samples is not invented"
        );
        assert_eq!(history(&seen(5, &[(2, 0)], &[])), [(0, Some(5))], "a step that is late");
        assert_eq!(
            history(&seen(5, &[(1, 2), (-1, 9)], &[])),
            [(0, Some(3))],
            "a sample for a moment to come"
        );
    }

    #[test]
    fn when_a_change_was_that_nobody_noted_is_not_known() {
        assert_eq!(history(&seen(9, &[(40, 1), (30, 9)], &[])), unknown(41, 31));
        assert_eq!(history(&seen(9, &[(4, 1)], &[])), unknown(5, 0));
    }

    #[test]
    fn what_was_not_noted_is_not_put_where_it_was_seen() {
        assert_eq!(history(&seen(9, &[(40, 1), (38, 9)], &[39])), unknown(41, 39));
        assert_eq!(history(&seen(9, &[(40, 1), (39, 9)], &[39])), [(40, Some(8))]);
    }

    #[test]
    fn what_was_before_the_first_sample_is_not_known_while_some_were_not_noted() {
        assert_eq!(history(&seen(9, &[], &[80, 70])), unknown(91, 71));
        assert_eq!(history(&seen(9, &[(75, 9)], &[80, 70])), unknown(91, 81));
        assert_eq!(history(&seen(9, &[(75, 9), (74, 9)], &[70])), []);
    }

    #[test]
    fn before_a_counter_was_there_nothing_was_added() {
        let begun =
            |tens, seen| Seen { created: Instant::from_millis(ago(tens).as_millis() + 9_999), ..seen };
        assert_eq!(history(&begun(73, seen(9, &[], &[80, 70]))), unknown(74, 71));
        assert_eq!(history(&begun(73, seen(9, &[(70, 9)], &[80, 70]))), unknown(74, 71));
        assert_eq!(history(&begun(73, seen(9, &[(73, 0), (72, 9)], &[80, 70]))), [(73, Some(9))]);
        assert_eq!(history(&begun(60, seen(9, &[], &[80, 70]))), [], "those that were not noted were others");
    }

    #[test]
    fn both_ends_of_64_bits_fit() {
        let told = history(&seen(i64::MAX, &[(2, i64::MIN), (1, i64::MIN)], &[]));
        assert_eq!(told, [(0, Some(i64::MAX))]);
    }
}
