//! A ticket and the rules of listing one, pure.

use contracts::TicketState;
use kernel::{Error, Instant, Money, OrderId, Result, TicketId, UserId, VideoId};
use web::Fields;

mod video;

pub use video::Video;

/// The highest capacity (contract, Conventions).
pub const MAX_CAPACITY: i64 = 1_000_000;

/// A ticket as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticket {
    /// The ticket.
    pub id: TicketId,
    /// Grows by one with each act of the owner.
    pub version: i64,
    /// Its seller.
    pub user_id: UserId,
    /// What it admits to, in words.
    pub title: String,
    /// For one unit.
    pub price: Money,
    /// How many units there are.
    pub capacity: i64,
    /// Whether it was taken from sale.
    pub withdrawn: bool,
    /// When it begins.
    pub starts_at: Option<Instant>,
    /// The video that it admits to.
    pub video_id: Option<VideoId>,
    /// From when the video may be watched.
    pub opens_at: Option<Instant>,
    /// Until when it may.
    pub closes_at: Option<Instant>,
    /// How many units orders hold, as far as is known here.
    pub taken: i64,
    /// Who holds a ticket of capacity 1.
    pub order_id: Option<OrderId>,
}

/// Whether a ticket can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It can.
    OnSale,
    /// All of it is held or sold.
    SoldOut,
    /// What it admits to has closed.
    Over,
    /// Its seller took it from sale.
    Withdrawn,
}

impl Status {
    /// The word for it in pages and their live streams.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnSale => "on-sale",
            Self::SoldOut => "sold-out",
            Self::Over => "over",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// What a seller asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Trimmed, 1–200 characters.
    pub title: String,
    /// Above zero.
    pub price: Money,
    /// The rest; what is absent keeps its value.
    pub changes: Changes,
}

/// Members that may be left out; `Some(None)` clears one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[allow(missing_docs)] // named as in [`Ticket`]
pub struct Changes {
    pub capacity: Option<i64>,
    pub starts_at: Option<Option<Instant>>,
    pub video_id: Option<Option<VideoId>>,
    pub opens_at: Option<Option<Instant>>,
    pub closes_at: Option<Option<Instant>>,
}

impl Draft {
    /// Reads a form or a JSON body.
    ///
    /// # Errors
    /// 400 with a sentence per field.
    pub fn read(mut fields: Fields) -> Result<Self> {
        let title = fields.text("title", "Title is required", 1..=200);
        let price = fields.price("price");
        let capacity =
            fields.optional_integer("capacity", "Capacity must be between 1 and 1000000", 1..=MAX_CAPACITY);
        let starts_at = fields.optional_instant("startsAt", "StartsAt must be a date and time");
        let video_id = fields.optional_id("videoId", "VideoId must be the id of a video");
        let opens_at = fields.optional_instant("opensAt", "OpensAt must be a date and time");
        let closes_at = fields.optional_instant("closesAt", "ClosesAt must be a date and time");
        if let (Some(opens), Some(closes)) = (opens_at, closes_at) {
            fields.require(opens < closes, "closesAt", "ClosesAt must be after opensAt");
        }
        let changes = Changes {
            capacity,
            starts_at: fields.has("startsAt").then_some(starts_at),
            video_id: fields.has("videoId").then_some(video_id),
            opens_at: fields.has("opensAt").then_some(opens_at),
            closes_at: fields.has("closesAt").then_some(closes_at),
        };
        fields.finish()?;
        let required = || Error::invalid("Title is required").at("title");
        Ok(Self { title: title.ok_or_else(required)?, price: price.ok_or_else(required)?, changes })
    }

    /// Clears the times and the video that are absent: in the form of an edit, which shows them all, a blank one was
    /// emptied.
    #[must_use]
    pub fn with_all_shown(mut self) -> Self {
        let Changes { starts_at, video_id, opens_at, closes_at, .. } = &mut self.changes;
        for time in [starts_at, opens_at, closes_at] {
            *time = Some(time.flatten());
        }
        *video_id = Some(video_id.flatten());
        self
    }

    /// A new ticket.
    pub fn create(self, id: TicketId, user_id: UserId) -> Ticket {
        let Changes { capacity, starts_at, video_id, opens_at, closes_at } = self.changes;
        Ticket {
            id,
            version: 0,
            user_id,
            title: self.title,
            price: self.price,
            capacity: capacity.unwrap_or(1),
            withdrawn: false,
            starts_at: starts_at.flatten(),
            video_id: video_id.flatten(),
            opens_at: opens_at.flatten(),
            closes_at: closes_at.flatten(),
            taken: 0,
            order_id: None,
        }
    }
}

impl Ticket {
    /// Units that can be had.
    pub fn available(&self) -> i64 {
        if self.withdrawn { 0 } else { (self.capacity - self.taken).max(0) }
    }

    /// Whether it can be had at `now`.
    pub fn status(&self, now: Instant) -> Status {
        if self.withdrawn {
            Status::Withdrawn
        } else if self.closes_at.is_some_and(|closes| closes <= now) {
            Status::Over
        } else if self.available() == 0 {
            Status::SoldOut
        } else {
            Status::OnSale
        }
    }

    /// Whether its owner may edit it, in some way at least.
    pub fn is_editable(&self) -> bool {
        !self.withdrawn && !self.is_reserved()
    }

    /// Whether somebody holds or has bought the only unit.
    fn is_reserved(&self) -> bool {
        self.capacity == 1 && self.taken > 0
    }

    /// The ticket after its owner's edit.
    ///
    /// # Errors
    /// 400 for a reserved ticket of capacity 1 and for a withdrawn one; 409 if the capacity would be below what is
    /// taken, and if what is taken would admit to another video or to none; 400 if it would close before it opens.
    pub fn edited(&self, draft: Draft) -> Result<Self> {
        if self.withdrawn {
            return Err(Error::invalid("Cannot edit a withdrawn ticket"));
        }
        if self.is_reserved() {
            return Err(Error::invalid("Cannot edit a reserved ticket"));
        }
        let Changes { capacity, starts_at, video_id, opens_at, closes_at } = draft.changes;
        let next = Self {
            version: self.version + 1,
            title: draft.title,
            price: draft.price,
            capacity: capacity.unwrap_or(self.capacity),
            starts_at: starts_at.unwrap_or(self.starts_at),
            video_id: video_id.unwrap_or(self.video_id),
            opens_at: opens_at.unwrap_or(self.opens_at),
            closes_at: closes_at.unwrap_or(self.closes_at),
            ..self.clone()
        };
        if next.opens_at.zip(next.closes_at).is_some_and(|(opens, closes)| opens >= closes) {
            return Err(Error::invalid("ClosesAt must be after opensAt").at("closesAt"));
        }
        if next.capacity < self.taken {
            return Err(Error::conflict(format!("{} are taken already", self.taken)).at("capacity"));
        }
        if self.taken > 0 && self.video_id.is_some() && next.video_id != self.video_id {
            return Err(Error::conflict("Units of it are taken: what it admits to stays").at("videoId"));
        }
        Ok(next)
    }

    /// The ticket taken from sale; `None` if it is already.
    pub fn withdrawn(&self) -> Option<Self> {
        (!self.withdrawn).then(|| Self { version: self.version + 1, withdrawn: true, ..self.clone() })
    }

    /// The state that its events carry.
    pub fn state(&self) -> TicketState {
        TicketState {
            id: self.id,
            version: self.version,
            user_id: self.user_id,
            title: self.title.clone(),
            price: self.price,
            capacity: self.capacity,
            withdrawn: self.withdrawn,
            starts_at: self.starts_at,
            video_id: self.video_id,
            opens_at: self.opens_at,
            closes_at: self.closes_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Clock, Kind};

    fn ticket(capacity: i64, taken: i64) -> Ticket {
        let clock = Clock::system();
        let changes = Changes { capacity: Some(capacity), ..Changes::default() };
        let draft = Draft { title: "Metropolis".into(), price: Money::from_minor(2000), changes };
        Ticket { taken, ..draft.create(TicketId::new(&clock), UserId::new(&clock)) }
    }

    fn draft(capacity: Option<i64>) -> Draft {
        let changes = Changes { capacity, ..Changes::default() };
        Draft { title: "Nosferatu".into(), price: Money::from_minor(2500), changes }
    }

    #[test]
    fn an_edit_is_one_version_and_keeps_what_is_absent() {
        let edited = ticket(50, 3).edited(draft(None)).unwrap();
        assert_eq!((edited.version, edited.capacity, edited.title.as_str()), (1, 50, "Nosferatu"));
    }

    #[test]
    fn a_reserved_ticket_and_a_capacity_below_what_is_taken_are_refused() {
        assert_eq!(
            ticket(1, 1).edited(draft(None)).unwrap_err().to_string(),
            "Cannot edit a reserved ticket"
        );
        assert_eq!(ticket(50, 3).edited(draft(Some(2))).unwrap_err().kind, Kind::Conflict);
        assert_eq!(ticket(50, 3).edited(draft(Some(3))).unwrap().available(), 0);
    }

    #[test]
    fn withdrawing_twice_is_once() {
        let gone = ticket(5, 0).withdrawn().unwrap();
        assert_eq!((gone.version, gone.available(), gone.withdrawn()), (1, 0, None));
    }
}
