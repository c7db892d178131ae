//! What the lists show, in the words in which they show it.

use askama::Template;
use kernel::{Instant, TicketId};
use serde::Serialize;
use web::{Moment, Page, grouped};

use super::view::badge;
use crate::model::{Status, Ticket};
use crate::search::{LONGEST, Sort};
use crate::store::search::COUNTED;

/// A price with more characters than this is set smaller.
const SHORT_PRICE: usize = 7;
/// A title with more characters than this is set smaller.
const SHORT_TITLE: usize = 60;

/// What is on sale.
#[derive(Template)]
#[template(path = "home.html")]
pub struct HomePage {
    pub page: Page,
    pub list: List,
    /// How long a hold lasts: `15 minutes`.
    pub hold: String,
}

/// What one sells oneself.
#[derive(Template)]
#[template(path = "mine.html")]
pub struct MinePage {
    pub page: Page,
    pub list: List,
}

/// Why there is nothing to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// There is nothing at all.
    All,
    /// Nothing is like what was looked for.
    Match,
    /// Nothing comes after what was shown before.
    Further,
}

/// What a list says of how many tickets are like what was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// So many, up to one more than [`COUNTED`].
    Of(i64),
    /// More than those before; only the first part says how many.
    More,
}

/// A part of a list, and what to do with the list.
pub struct List {
    /// Where it is.
    pub path: &'static str,
    pub rows: Vec<Row>,
    pub empty: Option<Empty>,
    /// How many tickets are like what was looked for, if anything was.
    pub count: Option<Count>,
    /// The address of the next part.
    pub next: Option<String>,
    /// The address of the first part, if this is another one.
    pub first: Option<String>,
    /// What was looked for, as it was typed.
    pub text: String,
    pub sort: Sort,
}

impl List {
    /// Whether there is something to look for.
    fn is_searchable(&self) -> bool {
        self.empty != Some(Empty::All)
    }

    fn is(&self, empty: Empty) -> bool {
        self.empty == Some(empty)
    }

    /// Each order: its word in the address, its name, and whether it is this one.
    fn sorts(&self) -> [(&'static str, &'static str, bool); 4] {
        Sort::ALL.map(|sort| {
            let name = match sort {
                Sort::Newest => "Newest first",
                Sort::Soonest => "Soonest first",
                Sort::Cheapest => "Price, low to high",
                Sort::Dearest => "Price, high to low",
            };
            (sort.as_str(), name, sort == self.sort)
        })
    }

    fn longest(&self) -> usize {
        LONGEST
    }

    /// What was found, if anything was looked for.
    fn found(&self) -> Option<String> {
        Some(match self.count? {
            Count::More => "More tickets".to_owned(),
            Count::Of(1) => "1 ticket".to_owned(),
            Count::Of(n) if n > COUNTED => format!("More than {} tickets", grouped(COUNTED)),
            Count::Of(n) => format!("{} tickets", grouped(n)),
        })
    }
}

/// What of a ticket in a list changes by itself while the list is open.
#[derive(Serialize)]
pub struct Left {
    pub status: &'static str,
    /// The status in a word.
    pub word: &'static str,
    /// What is left, in words.
    pub left: String,
}

impl Left {
    pub fn of(ticket: &Ticket, now: Instant) -> Self {
        let status = ticket.status(now);
        let left = match (status, ticket.available()) {
            (Status::Withdrawn, _) => "Off sale".to_owned(),
            (Status::Over, _) => "Closed".to_owned(),
            (Status::SoldOut, _) => "None left".to_owned(),
            (Status::OnSale, 1) => "Last one".to_owned(),
            (Status::OnSale, left) => format!("{} left", grouped(left)),
        };
        Self { status: status.as_str(), word: badge(status).1, left }
    }
}

/// A ticket in a list.
pub struct Row {
    pub id: TicketId,
    pub title: String,
    pub is_title_long: bool,
    pub when: Option<Moment>,
    /// Whether it admits to a video.
    pub is_film: bool,
    pub price: String,
    pub is_price_long: bool,
    pub now: Left,
}

impl Row {
    pub fn new(page: &Page, ticket: &Ticket, now: Instant) -> Self {
        let price = page.price(ticket.price);
        Self {
            id: ticket.id,
            title: ticket.title.clone(),
            is_title_long: ticket.title.chars().count() > SHORT_TITLE,
            when: ticket.starts_at.map(Moment::from),
            is_film: ticket.video_id.is_some(),
            is_price_long: price.chars().count() > SHORT_PRICE,
            price,
            now: Left::of(ticket, now),
        }
    }

    fn is_on_sale(&self) -> bool {
        self.now.status == Status::OnSale.as_str()
    }
}
