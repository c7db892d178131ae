//! What the pages show, in the words in which they show it.

use std::ops::RangeInclusive;
use std::time::Duration;

use askama::Template;
use kernel::{Instant, TicketId};
use web::{FormView, Moment, Page, grouped};

use super::film::Film;
use crate::model::{Status, Ticket, Video};

/// A title with more characters than this is set smaller.
const SHORT_TITLE: usize = 40;

/// The form of a ticket: a new one, or one that is edited.
#[derive(Template)]
#[template(path = "sell.html")]
pub struct SellPage {
    pub page: Page,
    pub editing: Option<TicketId>,
    pub values: FormView,
    /// What stands before the price: a currency without a sign of its own by its code.
    pub prefix: String,
    /// The videos that it may admit to.
    pub offered: Vec<Video>,
}

impl SellPage {
    pub fn new(page: Page, editing: Option<TicketId>, values: FormView, offered: Vec<Video>) -> Self {
        let prefix = if page.currency == "usd" { "$".to_owned() } else { page.currency.to_uppercase() };
        Self { page, editing, values, prefix, offered }
    }

    fn is_chosen(&self, video: &Video) -> bool {
        self.values.value("videoId").trim().parse() == Ok(video.id)
    }
}

/// One ticket.
#[derive(Template)]
#[template(path = "ticket.html")]
pub struct TicketPage {
    pub page: Page,
    pub ticket: Shown,
    /// How long a hold lasts: `15 minutes`.
    pub hold: String,
    pub values: FormView,
}

/// How a status is shown: the class of its badge, and its words.
pub fn badge(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::OnSale => ("badge--done", "On sale"),
        Status::SoldOut => ("badge--off", "Sold out"),
        Status::Over => ("badge--off", "Over"),
        Status::Withdrawn => ("badge--off", "Withdrawn"),
    }
}

/// A ticket on its own page.
pub struct Shown {
    pub id: TicketId,
    pub title: String,
    pub is_title_long: bool,
    pub when: Option<Moment>,
    /// Until when it is sold.
    pub closes: Option<Moment>,
    pub price: String,
    /// Whether it is the reader's.
    pub own: bool,
    pub is_editable: bool,
    pub status: &'static str,
    pub badge: (&'static str, &'static str),
    pub available: i64,
    pub capacity: i64,
    /// How many may be held at once.
    pub quantities: RangeInclusive<i64>,
    /// What it admits to, if that is a video.
    pub film: Option<Film>,
}

impl Shown {
    /// `most` is how many units one order may hold; `video` is what is known of the one that the ticket admits to.
    pub fn new(
        page: &Page,
        (ticket, video): (&Ticket, Option<&Video>),
        own: bool,
        most: i64,
        now: Instant,
    ) -> Self {
        let status = ticket.status(now);
        Self {
            id: ticket.id,
            title: ticket.title.clone(),
            is_title_long: ticket.title.chars().count() > SHORT_TITLE,
            when: ticket.starts_at.map(Moment::from),
            closes: ticket.closes_at.filter(|_| !ticket.withdrawn).map(Moment::from),
            price: page.price(ticket.price),
            own,
            is_editable: ticket.is_editable(),
            status: status.as_str(),
            badge: badge(status),
            available: ticket.available(),
            capacity: ticket.capacity,
            quantities: 1..=ticket.available().min(most),
            film: ticket.video_id.map(|id| Film::new(id, video, ticket, own)),
        }
    }

    fn is_off(&self) -> bool {
        self.status != Status::OnSale.as_str()
    }

    fn available_text(&self) -> String {
        grouped(self.available)
    }

    fn capacity_text(&self) -> String {
        grouped(self.capacity)
    }
}

/// The form of an edit as it is first shown. Where nothing is `offered` that it could admit to, nobody is asked when it
/// opens either, and what is known of that goes back as exactly as it came.
pub fn filled(ticket: &Ticket, offered: &[Video]) -> FormView {
    // To the minute, as such a field holds it: 2026-11-24T19:30.
    let moment = |at: Option<Instant>| {
        at.map(|at| at.to_string().chars().take(16).collect::<String>()).unwrap_or_default()
    };
    let opens = match ticket.opens_at {
        Some(at) if offered.is_empty() => at.to_string(),
        at => moment(at),
    };
    FormView::default()
        .with("title", &ticket.title)
        .with("price", ticket.price.to_string())
        .with("capacity", ticket.capacity.to_string())
        .with("startsAt", moment(ticket.starts_at))
        .with("videoId", ticket.video_id.map(|id| id.to_string()).unwrap_or_default())
        .with("opensAt", opens)
        .with("closesAt", moment(ticket.closes_at))
}

/// A length of time in the largest unit that it is a whole number of: `15 minutes`, `90 seconds`, `1 hour`.
pub fn lasting(time: Duration) -> String {
    let seconds = time.as_secs();
    let (n, unit) = match seconds {
        s if s >= 3600 && s.is_multiple_of(3600) => (s / 3600, "hour"),
        s if s >= 60 && s.is_multiple_of(60) => (s / 60, "minute"),
        s => (s, "second"),
    };
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_for_people() {
        for (seconds, text) in [
            (900, "15 minutes"),
            (60, "1 minute"),
            (90, "90 seconds"),
            (1, "1 second"),
            (3600, "1 hour"),
            (5400, "90 minutes"),
            (86_400, "24 hours"),
        ] {
            assert_eq!(lasting(Duration::from_secs(seconds)), text);
        }
    }
}
