//! What a seller sold, without I/O: single orders, what they come to, and how that spreads over time.

use contracts::{CancelReason, OrderStatus};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use kernel::{Instant, Money, OrderId, PaymentId, TicketId};

/// An order as its seller sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sale {
    /// The order.
    pub order_id: OrderId,
    /// What was sold.
    pub ticket_id: TicketId,
    /// Its title at the time.
    pub title: String,
    /// How many units.
    pub quantity: i64,
    /// For all of them.
    pub amount: Money,
    /// Where the order stands.
    pub status: OrderStatus,
    /// Why it was cancelled, if it was.
    pub reason: Option<CancelReason>,
    /// Its payment.
    pub payment_id: Option<PaymentId>,
    /// When it was made.
    pub created_at: Instant,
    /// When it was completed, even if the money went back later.
    pub completed_at: Option<Instant>,
}

impl Sale {
    /// Why it came to nothing, as its seller counts it: what was paid once and is over was refunded, whoever
    /// asked for it.
    pub fn end(&self) -> Option<CancelReason> {
        match self.status {
            OrderStatus::Cancelled if self.completed_at.is_some() => Some(CancelReason::Refunded),
            OrderStatus::Cancelled => self.reason.or(Some(CancelReason::Buyer)),
            _ => None,
        }
    }
}

/// What orders come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Units of complete orders.
    pub sold: i64,
    /// What was paid for them.
    pub takings: Money,
    /// Units that are held and not paid yet.
    pub held: i64,
    /// What was paid for orders that were cancelled afterwards.
    pub refunded: Money,
}

impl Figures {
    /// No orders at all.
    pub const NONE: Self =
        Self { sold: 0, takings: Money::from_minor(0), held: 0, refunded: Money::from_minor(0) };
}

/// What the orders of one ticket come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketFigures {
    /// The ticket.
    pub id: TicketId,
    /// Its title, as it is now.
    pub title: String,
    /// How many units there are in all.
    pub capacity: i64,
    /// What its orders come to.
    pub figures: Figures,
}

/// A stretch of time up to now, and the steps that it is shown in. All of it in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// 24 hours, the one that runs among them.
    Day,
    /// 30 days, today among them.
    Month,
    /// 12 months, the present one among them.
    Year,
}

/// What was sold in one step of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// When it begins. It ends where the next one begins.
    pub from: Instant,
    /// Units of orders that were completed in it and still are.
    pub sold: i64,
    /// What was paid for them.
    pub takings: Money,
}

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Year];

    /// The width of what is added up by the database, in milliseconds. Each slot is made of whole ones.
    pub fn grain(self) -> i64 {
        if self == Self::Day { HOUR } else { DAY }
    }

    /// The slots up to the one that `now` is in, the oldest first, with nothing in them yet.
    pub fn slots(self, now: Instant) -> Vec<Slot> {
        let now = now.as_millis();
        let starts: Vec<i64> = match self {
            Self::Day => (0..24).rev().map(|back| now - now.rem_euclid(HOUR) - back * HOUR).collect(),
            Self::Month => (0..30).rev().map(|back| now - now.rem_euclid(DAY) - back * DAY).collect(),
            Self::Year => (0..12).rev().map(|back| month(now, back)).collect(),
        };
        let slot = |at| Slot { from: Instant::from_millis(at), sold: 0, takings: Money::from_minor(0) };
        starts.into_iter().map(slot).collect()
    }

    /// The slots with what the database added up: the start of each grain, units, and what they brought in.
    pub fn filled(self, now: Instant, grains: &[(Instant, i64, Money)]) -> Vec<Slot> {
        let mut slots = self.slots(now);
        for (at, sold, takings) in grains {
            let after = slots.partition_point(|slot| slot.from <= *at);
            let Some(slot) = after.checked_sub(1).and_then(|place| slots.get_mut(place)) else { continue };
            slot.sold = slot.sold.saturating_add(*sold);
            slot.takings = Money::from_minor(slot.takings.minor().saturating_add(takings.minor()));
        }
        slots
    }
}

/// A moment on the calendar of UTC.
pub fn calendar(at: Instant) -> Zoned {
    Timestamp::from_millisecond(at.as_millis()).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC)
}

/// When the month began that was `back` months before that of `now`, in milliseconds.
fn month(now: i64, back: i64) -> i64 {
    let day = calendar(Instant::from_millis(now)).date().first_of_month();
    let months = i64::from(day.year()) * 12 + i64::from(day.month()) - 1 - back;
    let year = i16::try_from(months.div_euclid(12)).unwrap_or(1970);
    let month = i8::try_from(months.rem_euclid(12) + 1).unwrap_or(1);
    let first = jiff::civil::Date::new(year, month, 1).and_then(|day| day.to_zoned(TimeZone::UTC));
    first.map_or(0, |first| first.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    #[test]
    fn periods_end_with_what_runs_now_and_have_no_gaps() {
        let now = at("2026-03-01T00:00:00.000Z");
        for (period, first, last, many) in [
            (Period::Day, "2026-02-28T01:00Z", "2026-03-01T00:00Z", 24),
            (Period::Month, "2026-01-31T00:00Z", "2026-03-01T00:00Z", 30),
            (Period::Year, "2025-04-01T00:00Z", "2026-03-01T00:00Z", 12),
        ] {
            let slots = period.slots(now);
            assert_eq!((slots.len(), slots[0].from, slots[many - 1].from), (many, at(first), at(last)));
            assert!(slots.windows(2).all(|pair| pair[0].from < pair[1].from));
            assert!(slots.iter().all(|slot| slot.from.as_millis() % period.grain() == 0));
            // A millisecond earlier everything is one step further back.
            let before = period.slots(at("2026-02-28T23:59:59.999Z"));
            assert_eq!(before[1..], slots[..many - 1]);
        }
    }

    #[test]
    fn each_grain_falls_into_its_slot() {
        let now = at("2026-03-10T12:00Z");
        let grains = [
            (at("2025-03-31T00:00Z"), 9, Money::from_minor(900)), // before the period
            (at("2025-04-01T00:00Z"), 1, Money::from_minor(100)),
            (at("2026-02-28T00:00Z"), 2, Money::from_minor(200)),
            (at("2026-03-01T00:00Z"), 4, Money::from_minor(400)),
            (at("2026-03-10T00:00Z"), 8, Money::from_minor(800)),
        ];
        let sold: Vec<i64> = Period::Year.filled(now, &grains).iter().map(|slot| slot.sold).collect();
        assert_eq!(sold, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 12]);
        let month = Period::Month.filled(now, &grains[2..]);
        assert_eq!(
            (month[29].sold, month[29].takings.minor(), month[20].sold, month[19].sold),
            (8, 800, 4, 2)
        );
    }
}
