//! Tickets and orders as streaming knows them: who may watch what.

use contracts::{OrderState, OrderStatus, TicketState};
use db::{Db, Tx, from_row};
use kernel::{Instant, OrderId, Result, TicketId, UserId, VideoId};

/// A newer version replaces an older one, in whatever order they come.
const TICKET: &str = "INSERT INTO tickets (id, version, seller_id, title, video_id, withdrawn, opens_at, closes_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, title = excluded.title, video_id = excluded.video_id,
        withdrawn = excluded.withdrawn, opens_at = excluded.opens_at, closes_at = excluded.closes_at
    WHERE tickets.version < excluded.version";
const ORDER: &str = "INSERT INTO orders (id, version, user_id, ticket_id, status) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, status = excluded.status
    WHERE orders.version < excluded.version";
/// A ticket admits to a video of its seller's own, and to nobody else's.
const ADMITTING: &str =
    "SELECT o.id, t.opens_at, t.closes_at FROM orders o JOIN tickets t ON t.id = o.ticket_id
    WHERE o.user_id = $1 AND o.status = 'complete' AND t.video_id = $2 AND t.seller_id = $3
    ORDER BY o.id LIMIT 1000";
const SOLD: &str = "SELECT o.id FROM orders o JOIN tickets t ON t.id = o.ticket_id
    WHERE t.video_id = $1 AND t.seller_id = $2 AND o.status <> 'cancelled'
        AND (t.closes_at IS NULL OR t.closes_at > $3) LIMIT 1";
const ON_SALE: &str = "SELECT id FROM tickets WHERE video_id = $1 AND seller_id = $2 AND NOT withdrawn
        AND (closes_at IS NULL OR closes_at > $3) LIMIT 1";
const TO_VIDEO: &str = "SELECT id, title, opens_at, closes_at FROM tickets
    WHERE video_id = $1 AND seller_id = $2 AND NOT withdrawn AND (closes_at IS NULL OR closes_at > $3)
    ORDER BY id LIMIT 20";
const HELD: &str = "SELECT DISTINCT t.video_id FROM orders o JOIN tickets t ON t.id = o.ticket_id
    JOIN videos v ON v.id = t.video_id AND v.owner_id = t.seller_id
    WHERE o.user_id = $1 AND o.status = 'complete' AND (t.closes_at IS NULL OR t.closes_at > $2)
    ORDER BY t.video_id LIMIT 1000";

const TICKETS: &str =
    "SELECT id, version, seller_id, title, video_id, withdrawn, opens_at, closes_at FROM tickets
    WHERE id > $1 ORDER BY id LIMIT $2";
const ORDERS: &str =
    "SELECT id, version, user_id, ticket_id, status FROM orders WHERE id > $1 ORDER BY id LIMIT $2";

/// A ticket as streaming knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketCopy {
    /// The ticket.
    pub id: TicketId,
    /// Its version.
    pub version: i64,
    /// Its seller.
    pub seller_id: UserId,
    /// Its title.
    pub title: String,
    /// What it admits to.
    pub video_id: Option<VideoId>,
    /// Whether it is withdrawn.
    pub withdrawn: bool,
    /// From when it admits.
    pub opens_at: Option<Instant>,
    /// Until when.
    pub closes_at: Option<Instant>,
}
from_row!(TicketCopy { id, version, seller_id, title, video_id, withdrawn, opens_at, closes_at });

/// An order as streaming knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderCopy {
    /// The order.
    pub id: OrderId,
    /// Its version.
    pub version: i64,
    /// Whose it is.
    pub user_id: UserId,
    /// For what.
    pub ticket_id: TicketId,
    /// Where it stands.
    pub status: OrderStatus,
}
from_row!(OrderCopy { id, version, user_id, ticket_id, status });

/// Copies of tickets after `after` in order of their ids, at most `limit`.
pub async fn tickets_after(db: &Db, after: Option<TicketId>, limit: i64) -> Result<Vec<TicketCopy>> {
    db.all(TICKETS, &[&after.map_or_else(String::new, |id| id.to_string()), &limit]).await
}

/// Copies of orders after `after` in order of their ids, at most `limit`.
pub async fn orders_after(db: &Db, after: Option<OrderId>, limit: i64) -> Result<Vec<OrderCopy>> {
    db.all(ORDERS, &[&after.map_or_else(String::new, |id| id.to_string()), &limit]).await
}

/// An order that admits, in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitting {
    /// The order.
    pub order: OrderId,
    /// From when.
    pub opens_at: Option<Instant>,
    /// Until when.
    pub closes_at: Option<Instant>,
}
from_row!(Admitting { order, opens_at, closes_at });

/// A ticket that admits to a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The ticket.
    pub id: TicketId,
    /// Its title.
    pub title: String,
    /// From when it admits.
    pub opens_at: Option<Instant>,
    /// Until when.
    pub closes_at: Option<Instant>,
}
from_row!(Offer { id, title, opens_at, closes_at });

/// Keeps a ticket, unless a newer version is known.
pub async fn ticket(tx: &Tx, ticket: &TicketState) -> Result<()> {
    let TicketState { id, version, user_id, title, video_id, withdrawn, opens_at, closes_at, .. } = ticket;
    tx.execute(TICKET, &[id, version, user_id, title, video_id, withdrawn, opens_at, closes_at])
        .await
        .map(drop)
}

/// Keeps an order, unless a newer version is known.
pub async fn order(tx: &Tx, order: &OrderState) -> Result<()> {
    let OrderState { id, version, user_id, status, ticket, .. } = order;
    tx.execute(ORDER, &[id, version, user_id, &ticket.id, status]).await.map(drop)
}

/// Complete orders by which `user` may watch a video of `owner`, whatever the time is.
pub async fn admitting(db: &Db, user: UserId, video: VideoId, owner: UserId) -> Result<Vec<Admitting>> {
    db.all(ADMITTING, &[&user, &video, &owner]).await
}

/// Whether somebody holds or has bought a ticket that admits to a video, or will.
pub async fn is_sold(tx: &Tx, video: VideoId, owner: UserId) -> Result<bool> {
    Ok(tx.optional::<(OrderId,)>(SOLD, &[&video, &owner, &tx.clock().now()]).await?.is_some())
}

/// Whether its owner sells tickets that admit to a video, or will again where they are sold out.
pub async fn is_on_sale(tx: &Tx, video: VideoId, owner: UserId) -> Result<bool> {
    Ok(tx.optional::<(TicketId,)>(ON_SALE, &[&video, &owner, &tx.clock().now()]).await?.is_some())
}

/// Tickets that admit to a video and are not over.
pub async fn offers(db: &Db, video: VideoId, owner: UserId) -> Result<Vec<Offer>> {
    db.all(TO_VIDEO, &[&video, &owner, &db.clock().now()]).await
}

/// Videos to which somebody has a ticket that is not over, 1,000 at most.
pub async fn held(db: &Db, user: UserId) -> Result<Vec<VideoId>> {
    let rows: Vec<(VideoId,)> = db.all(HELD, &[&user, &db.clock().now()]).await?;
    Ok(rows.into_iter().map(|(video,)| video).collect())
}
