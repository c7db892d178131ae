//! Sales and takings over time as a picture: a row of bars for each. The drawing is stretched to the room there is,
//! so everything that is read stands beside it as text.

use kernel::{Instant, Money};
use web::{Page, grouped, top_of_scale};

use crate::model::{Period, Slot, calendar};

/// The picture and what goes with it.
pub(in crate::pages) struct Picture {
    /// The periods to choose from.
    pub choices: Vec<Choice>,
    /// In words: `the last 30 days`.
    pub stretch: &'static str,
    /// What a bar stands for: `day`.
    pub step: &'static str,
    /// What the last bar stands for, which still grows.
    pub present: &'static str,
    /// The width of the drawing, in its own units.
    pub width: usize,
    /// Takings, then tickets; none where nothing was sold.
    pub panels: Vec<Panel>,
    /// Below the bars, a label or nothing for each.
    pub labels: Vec<String>,
    /// The same in figures.
    pub rows: Vec<Line>,
}

/// A period that can be chosen.
pub(in crate::pages) struct Choice {
    pub text: &'static str,
    pub query: &'static str,
    pub chosen: bool,
}

/// One row of bars.
pub(in crate::pages) struct Panel {
    pub name: &'static str,
    pub title: &'static str,
    pub total: String,
    /// The scale, from the top to nothing.
    pub marks: [String; 3],
    /// What there is to see, for whoever does not.
    pub words: String,
    pub bars: Vec<Bar>,
}

/// One bar, in units of the drawing.
pub(in crate::pages) struct Bar {
    pub x: usize,
    pub y: i64,
    pub height: i64,
    pub words: String,
}

/// One line of the table.
pub(in crate::pages) struct Line {
    pub when: String,
    pub sold: i64,
    pub takings: String,
}

/// The width of a bar and the gap beside it, and the height of the drawing, as the template has them.
const STEP: usize = 10;
const HEIGHT: i64 = 1000;
/// What is there but little is seen all the same.
const LOWEST: i64 = 12;

/// How moments of a period are written.
struct Words {
    text: &'static str,
    query: &'static str,
    stretch: &'static str,
    step: &'static str,
    present: &'static str,
    /// Below each so many bars.
    every: usize,
    label: &'static str,
    full: &'static str,
}

fn words(period: Period) -> Words {
    match period {
        Period::Day => Words {
            text: "24 hours",
            query: "24h",
            stretch: "the last 24 hours",
            step: "hour",
            present: "This hour",
            every: 6,
            label: "%H:%M",
            full: "%-d %b, %H:%M",
        },
        Period::Month => Words {
            text: "30 days",
            query: "30d",
            stretch: "the last 30 days",
            step: "day",
            present: "Today",
            every: 8,
            label: "%-d %b",
            full: "%-d %b %Y",
        },
        Period::Year => Words {
            text: "12 months",
            query: "12m",
            stretch: "the last 12 months",
            step: "month",
            present: "This month",
            every: 4,
            label: "%b %Y",
            full: "%B %Y",
        },
    }
}

/// The period that an address asks for; 30 days if it asks for none that there is.
pub(in crate::pages) fn asked(query: &str) -> Period {
    let asks = |period: &Period| {
        query.split('&').any(|pair| pair.strip_prefix("period=") == Some(words(*period).query))
    };
    Period::ALL.into_iter().find(asks).unwrap_or(Period::Month)
}

impl Picture {
    pub(in crate::pages) fn new(page: &Page, period: Period, slots: &[Slot]) -> Self {
        let said = words(period);
        let choices = Period::ALL.map(|other| {
            let Words { text, query, .. } = words(other);
            Choice { text, query, chosen: other == period }
        });
        let written = |at: Instant, how: &str| calendar(at).strftime(how).to_string();
        let rows: Vec<Line> = slots
            .iter()
            .map(|slot| Line {
                when: written(slot.from, said.full),
                sold: slot.sold,
                takings: page.price(slot.takings),
            })
            .collect();
        let labels = slots.iter().enumerate().map(|(place, slot)| {
            if place % said.every == 0 { written(slot.from, said.label) } else { String::new() }
        });
        let takings: Vec<i64> = slots.iter().map(|slot| slot.takings.minor()).collect();
        let sold: Vec<i64> = slots.iter().map(|slot| slot.sold).collect();
        let price = |minor: i64| page.price(Money::from_minor(minor));
        let panels = if sold.iter().all(|sold| *sold == 0) {
            Vec::new()
        } else {
            vec![
                panel(("takings", "Taken in"), &takings, &rows, &said, price, price),
                panel(("sold", "Tickets sold"), &sold, &rows, &said, tickets, grouped),
            ]
        };
        Self {
            choices: choices.into(),
            stretch: said.stretch,
            step: said.step,
            present: said.present,
            width: slots.len() * STEP,
            panels,
            labels: labels.collect(),
            rows,
        }
    }
}

fn panel(
    (name, title): (&'static str, &'static str),
    values: &[i64],
    rows: &[Line],
    said: &Words,
    text: impl Fn(i64) -> String,
    bare: impl Fn(i64) -> String,
) -> Panel {
    let most = values.iter().copied().max().unwrap_or_default();
    let top = top_of_scale(most);
    let total = values.iter().fold(0i64, |sum, value| sum.saturating_add(*value));
    let best = values.iter().position(|value| *value == most).and_then(|place| rows.get(place));
    let best = best.map_or("", |row| row.when.as_str());
    let bar = |(place, value): (usize, &i64)| {
        let height = match *value {
            0 => 0,
            value => scaled(value, top).max(LOWEST),
        };
        let when = rows.get(place).map_or("", |row| row.when.as_str());
        Bar { x: place * STEP, y: HEIGHT - height, height, words: format!("{when}: {}", text(*value)) }
    };
    Panel {
        name,
        title,
        total: bare(total),
        marks: [whole(&bare(top)), whole(&bare(top / 2)), whole(&bare(0))],
        words: format!(
            "{} bars, one for each {}. {} in all; the highest is {}, {}.",
            values.len(),
            said.step,
            text(total),
            best,
            text(most)
        ),
        bars: values.iter().enumerate().map(bar).collect(),
    }
}

fn tickets(count: i64) -> String {
    if count == 1 { "1 ticket".to_owned() } else { format!("{} tickets", grouped(count)) }
}

/// An amount without its decimals, where they are zeros: scales are short.
fn whole(price: &str) -> String {
    price.replacen(".00", "", 1)
}

fn scaled(value: i64, top: i64) -> i64 {
    i64::try_from(i128::from(value) * i128::from(HEIGHT) / i128::from(top.max(1))).unwrap_or(HEIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_none_overflows() {
        assert_eq!((scaled(i64::MAX, i64::MAX), scaled(0, 2), scaled(1, 2)), (1000, 0, 500));
    }

    #[test]
    fn an_address_asks_for_a_period() {
        for (query, period) in [
            ("", Period::Month),
            ("period=24h", Period::Day),
            ("limit=3&period=12m", Period::Year),
            ("period=30d", Period::Month),
            ("period=", Period::Month),
            ("period=7d", Period::Month),
        ] {
            assert_eq!(asked(query), period, "{query}");
        }
    }
}
