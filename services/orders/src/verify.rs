//! What `marquee verify` asks of orders: capacity (I1), histories (I3), and its side of the copies (I4).

use contracts::{CancelReason, OrderStatus};
use db::{Db, from_row};
use kernel::{Instant, Money, OrderId, PaymentId, Result, TicketId, UserId, VideoId};

use crate::model::may_follow;
use crate::store::check;

/// An order as the check reads it.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The order.
    pub id: OrderId,
    /// Its version.
    pub version: i64,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it was cancelled.
    pub reason: Option<CancelReason>,
    /// What it costs.
    pub amount: Money,
    /// Its payment.
    pub payment_id: Option<PaymentId>,
    /// One `status@milliseconds` per version.
    pub history: String,
    /// How many units it is for.
    pub quantity: i64,
    /// Of what.
    pub ticket_id: TicketId,
    /// When it was completed first, if it was and that is known.
    pub completed_at: Option<Instant>,
    /// How many units it admits.
    pub admissions: i64,
}
from_row!(Checked {
    id,
    version,
    status,
    reason,
    amount,
    payment_id,
    history,
    quantity,
    ticket_id,
    completed_at,
    admissions
});

/// The copy of a ticket that orders keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct TicketCopy {
    /// The ticket.
    pub id: TicketId,
    /// Its version.
    pub version: i64,
    /// Its seller.
    pub seller_id: UserId,
    /// Its title.
    pub title: String,
    /// Its price.
    pub price: Money,
    /// Whether it is withdrawn.
    pub withdrawn: bool,
    /// When it begins.
    pub starts_at: Option<Instant>,
    /// The video that it admits to.
    pub video_id: Option<VideoId>,
    /// From when that may be watched.
    pub opens_at: Option<Instant>,
    /// Until when it may.
    pub closes_at: Option<Instant>,
    /// What capacity it has.
    pub capacity: i64,
    /// How much of it orders hold.
    pub taken: i64,
}
from_row!(TicketCopy {
    id,
    version,
    seller_id,
    title,
    price,
    withdrawn,
    starts_at,
    video_id,
    opens_at,
    closes_at,
    capacity,
    taken
});

/// I1: how many tickets were looked at, and a sentence for each whose capacity does not add up.
///
/// # Errors
/// As the database says.
pub async fn capacity(db: &Db) -> Result<(i64, Vec<String>)> {
    let (tickets,): (i64,) = db.one(check::TICKETS, &[]).await?;
    let broken: Vec<(TicketId, i64, i64, i64)> = db.all(check::STOCK, &[]).await?;
    let sentence = |(id, capacity, taken, held): (TicketId, i64, i64, i64)| {
        format!("ticket {id}: capacity {capacity}, taken {taken}, held by orders {held}")
    };
    Ok((tickets, broken.into_iter().map(sentence).collect()))
}

/// Orders after `after` in order of their ids, at most `limit`.
///
/// # Errors
/// As the database says.
pub async fn orders_after(db: &Db, after: Option<OrderId>, limit: i64) -> Result<Vec<Checked>> {
    db.all(check::ORDERS, &[&after.map_or_else(String::new, |id| id.to_string()), &limit]).await
}

/// Copies of tickets after `after` in order of their ids, at most `limit`.
///
/// # Errors
/// As the database says.
pub async fn ticket_copies_after(db: &Db, after: Option<TicketId>, limit: i64) -> Result<Vec<TicketCopy>> {
    db.all(check::COPIES, &[&after.map_or_else(String::new, |id| id.to_string()), &limit]).await
}

/// Where an order stands and what paid for it, if it is known.
///
/// # Errors
/// As the database says.
pub async fn standing(db: &Db, id: OrderId) -> Result<Option<(OrderStatus, Option<PaymentId>)>> {
    db.optional(check::PAYMENT, &[&id]).await
}

impl Checked {
    /// I3: what is wrong with the order's path, if anything is.
    pub fn fault(&self) -> Option<String> {
        let mut path = Vec::new();
        for entry in self.history.split(',') {
            let status = entry.split_once('@').and_then(|(status, _)| OrderStatus::parse(status));
            let Some(status) = status else { return Some(format!("order {}: unreadable history", self.id)) };
            path.push(status);
        }
        let steps = path.windows(2).all(|pair| may_follow(pair[0], pair[1]));
        let whole = path.len() as i64 == self.version + 1;
        let ends = path.first() == Some(&OrderStatus::Created) && path.last() == Some(&self.status);
        (!steps || !whole || !ends).then(|| {
            format!("order {}: version {} is {}, path {}", self.id, self.version, self.status, self.history)
        })
    }
}
