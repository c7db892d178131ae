//! All of this service's SQL.

pub mod search;
pub mod sellers;
pub mod videos;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use contracts::{Event, OrderState, OrderStatus, StockState};
use db::{Db, Many, Param, Tx, from_row};
use futures_util::future::try_join_all;
use kernel::{Error, Instant, OrderId, Result, TicketId, UserId};

use crate::fold::fold;
use crate::model::Ticket;

const INSERT: &str =
    "INSERT INTO tickets (id, version, user_id, title, price, capacity, withdrawn, starts_at, video_id,
        opens_at, closes_at, taken, title_key, key_version)
    VALUES ($1, 0, $2, $3, $4, $5, FALSE, $6, $7, $8, $9, 0, $10, 0)";
const UPDATE: &str = "UPDATE tickets SET version = $2, title = $3, price = $4, capacity = $5, withdrawn = $6,
        starts_at = $7, video_id = $8, opens_at = $9, closes_at = $10, title_key = $11, key_version = $2
    WHERE id = $1 AND version = $2 - 1";
const BY_ID: &str =
    "SELECT id, version, user_id, title, price, capacity, withdrawn, starts_at, video_id, opens_at,
        closes_at, taken, order_id FROM tickets WHERE id = $1";
const ON_SALE: &str =
    "SELECT id, version, user_id, title, price, capacity, withdrawn, starts_at, video_id, opens_at,
        closes_at, taken, order_id FROM tickets
    WHERE NOT withdrawn AND taken < capacity AND (closes_at IS NULL OR closes_at > $3) AND id > $1
    ORDER BY id LIMIT $2";
const ON_SALE_LATEST: &str =
    "SELECT id, version, user_id, title, price, capacity, withdrawn, starts_at, video_id,
        opens_at, closes_at, taken, order_id FROM tickets
    WHERE NOT withdrawn AND taken < capacity AND (closes_at IS NULL OR closes_at > $3) AND id < $1
    ORDER BY id DESC LIMIT $2";
const OF_USER: &str =
    "SELECT id, version, user_id, title, price, capacity, withdrawn, starts_at, video_id, opens_at,
        closes_at, taken, order_id FROM tickets WHERE user_id = $3 AND id > $1 ORDER BY id LIMIT $2";
const OF_USER_LATEST: &str = "SELECT id, version, user_id, title, price, capacity, withdrawn, starts_at, video_id,
        opens_at, closes_at, taken, order_id FROM tickets WHERE user_id = $3 AND id < $1 ORDER BY id DESC LIMIT $2";
const ALL: &str =
    "SELECT id, version, user_id, title, price, capacity, withdrawn, starts_at, video_id, opens_at,
        closes_at, taken, order_id FROM tickets WHERE id > $1 ORDER BY id LIMIT $2";
static BY_IDS: Many = Many::new(
    "SELECT id, version, user_id, title, price, capacity, withdrawn, starts_at, video_id, opens_at, closes_at, taken,
        order_id FROM tickets WHERE id IN (",
    "?",
    ")",
);
const ANY: &str = "SELECT 1 FROM tickets LIMIT 1";
static HELD: Many = Many::new("SELECT order_id, quantity FROM holds WHERE order_id IN (", "?", ")");
static HOLD: Many = Many::new(
    "INSERT INTO holds (order_id, ticket_id, quantity) VALUES",
    "(?, ?, ?)",
    "ON CONFLICT (order_id) DO UPDATE SET quantity = excluded.quantity",
);
const TAKEN: &str = "UPDATE tickets SET taken = taken + $2, order_id = CASE
        WHEN capacity = 1 AND $2 > 0 THEN $3 WHEN taken + $2 <= 0 THEN NULL ELSE order_id END
    WHERE id = $1";
const UNFOLDED: &str =
    "SELECT id, version, title FROM tickets WHERE key_version <> version ORDER BY id LIMIT $1";
const FOLD: &str = "UPDATE tickets SET title_key = $3, key_version = $2 WHERE id = $1 AND version = $2";
const KEPT: &str = "UPDATE tickets SET capacity = $3 WHERE id = $1 AND version = $2";

from_row!(Ticket {
    id,
    version,
    user_id,
    title,
    price,
    capacity,
    withdrawn,
    starts_at,
    video_id,
    opens_at,
    closes_at,
    taken,
    order_id
});

/// Which part of a list is wanted.
pub type Span = web::Span<TicketId>;

/// Writes a new ticket and announces it.
pub async fn insert(tx: &Tx, ticket: &Ticket) -> Result<()> {
    let Ticket { id, user_id, title, price, capacity, starts_at, video_id, opens_at, closes_at, .. } = ticket;
    let key = fold(title);
    tx.execute(
        INSERT,
        &[id, user_id, title, price, capacity, starts_at, video_id, opens_at, closes_at, &key],
    )
    .await?;
    tx.emit(&Event::TicketCreated(ticket.state())).await
}

/// Writes a ticket's next version and announces it.
///
/// # Errors
/// Contended if the ticket changed under our hands; the transaction is run again then.
pub async fn update(tx: &Tx, next: &Ticket) -> Result<()> {
    let Ticket {
        id,
        version,
        title,
        price,
        capacity,
        withdrawn,
        starts_at,
        video_id,
        opens_at,
        closes_at,
        ..
    } = next;
    let key = fold(title);
    let updated = tx
        .execute(
            UPDATE,
            &[id, version, title, price, capacity, withdrawn, starts_at, video_id, opens_at, closes_at, &key],
        )
        .await?;
    if updated != 1 {
        return Err(Error::contended("the ticket changed meanwhile"));
    }
    tx.emit(&Event::TicketUpdated(next.state())).await
}

/// A ticket inside a transaction.
pub async fn find(tx: &Tx, id: TicketId) -> Result<Ticket> {
    tx.optional(BY_ID, &[&id]).await?.ok_or_else(Error::not_found)
}

/// A ticket.
pub async fn read(db: &Db, id: TicketId) -> Result<Ticket> {
    db.optional(BY_ID, &[&id]).await?.ok_or_else(Error::not_found)
}

/// Those of some tickets that are there, in no order.
pub async fn some(db: &Db, ids: &[TicketId]) -> Result<Vec<Ticket>> {
    let Some(last) = ids.last() else { return Ok(Vec::new()) };
    // Up to a power of two, so that all of them are one statement; who is asked for twice answers once.
    let again = std::iter::repeat_n(last, ids.len().next_power_of_two() - ids.len());
    let ids: Vec<&dyn Param> = ids.iter().chain(again).map(|id| id as &dyn Param).collect();
    db.all_many(&BY_IDS, &ids).await
}

/// Tickets that can be bought at `now`.
pub async fn on_sale(db: &Db, span: &Span, now: Instant) -> Result<Vec<Ticket>> {
    let sql = if span.descending { ON_SALE_LATEST } else { ON_SALE };
    db.all(sql, &[&span.start(), &span.limit, &now]).await
}

/// All tickets of a seller.
pub async fn of_user(db: &Db, user: UserId, span: &Span) -> Result<Vec<Ticket>> {
    let sql = if span.descending { OF_USER_LATEST } else { OF_USER };
    db.all(sql, &[&span.start(), &span.limit, &user]).await
}

/// All tickets.
pub async fn all(db: &Db, span: &Span) -> Result<Vec<Ticket>> {
    db.all(ALL, &[&span.start(), &span.limit]).await
}

/// Whether there is any ticket at all.
pub async fn any(db: &Db) -> Result<bool> {
    Ok(db.optional::<(i64,)>(ANY, &[]).await?.is_some())
}

/// How much more, or less, an order holds of a ticket than it did.
pub struct Change {
    ticket: TicketId,
    order: OrderId,
    by: i64,
}

/// Notes what orders hold, each after versions of it that follow each other; answers what that changes.
pub async fn hold(tx: &Tx, orders: &BTreeMap<OrderId, Vec<&OrderState>>) -> Result<Vec<Change>> {
    let known = orders.values().filter_map(|versions| versions.first()).filter(|first| first.version > 0);
    let known: Vec<&dyn Param> = known.map(|first| &first.id as &dyn Param).collect();
    let held: Vec<(OrderId, i64)> = tx.all_many(&HELD, &known).await?;
    let held: BTreeMap<OrderId, i64> = held.into_iter().collect();
    let changes: Vec<(Change, i64)> =
        orders.values().filter_map(|versions| change(versions.last()?, &held)).collect();
    let rows: Vec<&dyn Param> = changes
        .iter()
        .flat_map(|(Change { ticket, order, .. }, holds)| [order as &dyn Param, ticket, holds])
        .collect();
    tx.execute_many(&HOLD, &rows).await?;
    Ok(changes.into_iter().map(|(change, _)| change).collect())
}

/// What an order changes that `held` so much, and what it holds now. `None` if that is as before.
fn change(order: &OrderState, held: &BTreeMap<OrderId, i64>) -> Option<(Change, i64)> {
    let holds = if order.status == OrderStatus::Cancelled { 0 } else { order.quantity };
    let by = holds - held.get(&order.id).copied().unwrap_or(0);
    (by != 0).then_some((Change { ticket: order.ticket.id, order: order.id, by }, holds))
}

/// Counts what orders hold more or less: for each ticket first what was let go, then what was taken.
pub async fn count(tx: &Tx, changes: Vec<Change>) -> Result<()> {
    let mut sums: BTreeMap<(TicketId, bool), Change> = BTreeMap::new();
    for change in changes {
        match sums.entry((change.ticket, change.by > 0)) {
            Entry::Vacant(first) => {
                first.insert(change);
            }
            Entry::Occupied(mut sum) => {
                let by = sum.get().by + change.by;
                sum.insert(Change { by, ..change });
            }
        }
    }
    let all = sums.values().map(|Change { ticket, order, by }| async move {
        tx.execute(TAKEN, &[ticket, by, order]).await.map(drop)
    });
    try_join_all(all).await.map(drop)
}

/// Keeps the capacity that orders kept, unless the owner has edited the ticket since.
pub async fn keep_capacity(tx: &Tx, stock: &StockState) -> Result<()> {
    tx.execute(KEPT, &[&stock.ticket_id, &stock.ticket_version, &stock.capacity]).await.map(drop)
}

/// Folds the titles of tickets that a Marquee wrote which did not, at most `limit`; answers how many there were.
pub async fn fold_titles(db: &Db, limit: i64) -> Result<usize> {
    let unfolded: Vec<(TicketId, i64, String)> = db.all(UNFOLDED, &[&limit]).await?;
    let keys: &Vec<_> = &unfolded.iter().map(|(id, version, title)| (id, version, fold(title))).collect();
    if !keys.is_empty() {
        db.write(|tx| async move {
            let all = keys.iter().map(|(id, version, key)| {
                let tx = &tx;
                async move { tx.execute(FOLD, &[*id, *version, key]).await.map(drop) }
            });
            try_join_all(all).await.map(drop)
        })
        .await?;
    }
    Ok(keys.len())
}

#[cfg(test)]
mod tests;
