//! What `marquee verify` asks of counters: that the sums of sales are those of the orders that were counted, and which
//! orders these are.

use db::{Db, from_row};
use kernel::{Instant, OrderId, Result, TicketId};

use crate::store::check;

/// An order whose units were counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    /// The order.
    pub order_id: OrderId,
    /// What it is for.
    pub ticket_id: TicketId,
    /// How many units were counted as sold.
    pub quantity: i64,
    /// Whether they were counted as refunded as well.
    pub refunded: bool,
}
from_row!(Sold { order_id, ticket_id, quantity, refunded });

/// How many orders were counted, and a sentence for each counter of sales, in all or of a ticket, that is not what they
/// add up to.
///
/// # Errors
/// As the database says.
pub async fn sums(db: &Db) -> Result<(i64, Vec<String>)> {
    let (orders,): (i64,) = db.one(check::ORDERS, &[]).await?;
    let wrong: Vec<(String, i64, i64)> = db.all(check::SUMS, &[]).await?;
    let sentence = |(key, is, sum)| format!("counter {key} is {is}, its orders add up to {sum}");
    Ok((orders, wrong.into_iter().map(sentence).collect()))
}

/// Orders that were counted, after `after` and up to `until` in order of their ids, at most `limit`.
///
/// # Errors
/// As the database says.
pub async fn sold_between(
    db: &Db,
    after: Option<OrderId>,
    until: Option<OrderId>,
    limit: i64,
) -> Result<Vec<Sold>> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    // No id comes after this.
    let until = until.map_or_else(|| "g".to_owned(), |id| id.to_string());
    db.all(check::SOLD, &[&after, &until, &limit]).await
}

/// When the first sale was counted, if one was. What was completed after that was to be counted too; before, there may
/// have been no counters.
///
/// # Errors
/// As the database says.
pub async fn began(db: &Db) -> Result<Option<Instant>> {
    let first: Option<(Instant,)> = db.optional(check::BEGAN, &[]).await?;
    Ok(first.map(|(at,)| at))
}
