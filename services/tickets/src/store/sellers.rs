//! Who may list, and what they leave when they are gone.

use std::collections::BTreeSet;

use db::{Db, Many, Param, Tx};
use futures_util::future::try_join_all;
use kernel::{Instant, Result, TicketId, UserId};

use super::update;
use crate::model::Ticket;

/// How many tickets are withdrawn at once.
pub const BATCH: usize = 256;

/// Takes the row, whether it is new or not, so that nobody departs while they list.
const LISTS: &str = "INSERT INTO sellers (user_id, leaving) VALUES ($1, FALSE)
    ON CONFLICT (user_id) DO UPDATE SET leaving = sellers.leaving RETURNING departed_at";
static DEPART: Many = Many::new(
    "INSERT INTO sellers (user_id, departed_at, leaving) VALUES",
    "(?, ?, TRUE)",
    "ON CONFLICT (user_id) DO UPDATE SET departed_at = excluded.departed_at, leaving = TRUE",
);
const LEAVING: &str = "SELECT user_id FROM sellers WHERE leaving ORDER BY user_id LIMIT 1";
const LEFT: &str =
    "SELECT id, version, user_id, title, price, capacity, withdrawn, starts_at, video_id, opens_at,
        closes_at, taken, order_id FROM tickets WHERE user_id = $1 AND NOT withdrawn ORDER BY id LIMIT $2";
const HAS_LEFT: &str = "UPDATE sellers SET leaving = FALSE WHERE user_id = $1";

/// Whether somebody may list: nobody may who is deleted. Until this transaction ends they stay as they are.
pub async fn may_list(tx: &Tx, user: UserId) -> Result<bool> {
    let (departed_at,): (Option<Instant>,) = tx.one(LISTS, &[&user]).await?;
    Ok(departed_at.is_none())
}

/// Remembers that these are deleted, and takes their rows in their order.
pub async fn depart(tx: &Tx, users: &BTreeSet<UserId>) -> Result<()> {
    let now = tx.clock().now();
    let rows: Vec<&dyn Param> = users.iter().flat_map(|user| [user as &dyn Param, &now]).collect();
    tx.execute_many(&DEPART, &rows).await.map(drop)
}

/// Somebody who is deleted and may have something left for sale.
pub async fn leaving(db: &Db) -> Result<Option<UserId>> {
    Ok(db.optional::<(UserId,)>(LEAVING, &[]).await?.map(|(user,)| user))
}

/// Withdraws what somebody left for sale, [`BATCH`] of it at most, and notes when that was all. Answers the tickets.
pub async fn withdraw_left(tx: &Tx, user: UserId) -> Result<Vec<TicketId>> {
    let left: Vec<Ticket> = tx.all(LEFT, &[&user, &(BATCH as i64)]).await?;
    let next: Vec<Ticket> = left.iter().filter_map(Ticket::withdrawn).collect();
    try_join_all(next.iter().map(|ticket| update(tx, ticket))).await?;
    if left.len() < BATCH {
        tx.execute(HAS_LEFT, &[&user]).await?;
    }
    Ok(next.into_iter().map(|ticket| ticket.id).collect())
}
