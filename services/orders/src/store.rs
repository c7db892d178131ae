//! All of this service's SQL.

use std::collections::{BTreeMap, HashMap};

use contracts::{CancelReason, Event, OrderStatus, OrderTicket};
use db::{Db, Many, Param, Tx, from_row};
use futures_util::future::{try_join, try_join_all};
use kernel::{Error, Instant, Money, OrderId, PaymentId, Result, TicketId, UserId};

use crate::meters::Tally;
use crate::model::{Admission, Capacity, Cause, Order, Step};
use crate::reserve::Guard;

mod copy;
mod seller;
mod showing;
mod unpaid;

pub use copy::copy_ticket;
pub use seller::{date, figures, sales, sold};
pub use showing::{showing, showing_in, watch};
pub use unpaid::unpaid;

const TAKE: &str = "UPDATE stock SET taken = taken + $2
    WHERE ticket_id = $1 AND taken + $2 <= capacity AND NOT withdrawn AND (closes_at IS NULL OR closes_at > $3)
    RETURNING version, seller_id, title, price";
/// Negative control only: as if nobody had thought of the last unit.
const TAKE_UNGUARDED: &str = "UPDATE stock SET taken = taken + $2
    WHERE ticket_id = $1 AND NOT withdrawn AND (closes_at IS NULL OR closes_at > $3)
    RETURNING version, seller_id, title, price";
const RETAKE: &str =
    "UPDATE stock SET taken = taken + $2 WHERE ticket_id = $1 AND taken + $2 <= capacity RETURNING taken";
const RELEASE: &str = "UPDATE stock SET taken = taken - $2 WHERE ticket_id = $1";
const ON_SALE: &str = "SELECT withdrawn, closes_at, capacity - taken FROM stock WHERE ticket_id = $1";
const STARTS_AT: &str = "SELECT starts_at FROM stock WHERE ticket_id = $1";
static INSERT: Many = Many::new(
    "INSERT INTO orders (id, version, user_id, status, quantity, amount, expires_at, expired,
        ticket_id, ticket_title, ticket_price, ticket_version, seller_id, history) VALUES",
    "(?, 0, ?, 'created', ?, ?, ?, FALSE, ?, ?, ?, ?, ?, ?)",
    "",
);
static ADVANCE: Many = Many::new(
    "WITH next (id, version, status, reason, expired, payment_id, entry, completed_at) AS (VALUES",
    "(?, CAST(? AS BIGINT), ?, ?, CAST(? AS BOOLEAN), ?, ?, CAST(? AS BIGINT))",
    ") UPDATE orders SET version = next.version, status = next.status, reason = next.reason,
        expired = next.expired, payment_id = next.payment_id, history = orders.history || next.entry,
        completed_at = COALESCE(orders.completed_at, next.completed_at)
    FROM next WHERE orders.id = next.id AND orders.version = next.version - 1",
);
const BY_ID: &str =
    "SELECT id, version, user_id, status, reason, quantity, amount, expires_at, expired, payment_id,
        ticket_id, ticket_title, ticket_price, ticket_version, seller_id
    FROM orders WHERE id = $1";
static BY_IDS: Many = Many::new(
    "SELECT id, version, user_id, status, reason, quantity, amount, expires_at, expired, payment_id,
        ticket_id, ticket_title, ticket_price, ticket_version, seller_id
    FROM orders WHERE id IN (",
    "?",
    ")",
);
const OF_USER: &str =
    "SELECT id, version, user_id, status, reason, quantity, amount, expires_at, expired, payment_id,
        ticket_id, ticket_title, ticket_price, ticket_version, seller_id
    FROM orders WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const OF_USER_LATEST: &str =
    "SELECT id, version, user_id, status, reason, quantity, amount, expires_at, expired,
        payment_id, ticket_id, ticket_title, ticket_price, ticket_version, seller_id
    FROM orders WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
const STARTS_OF_USER: &str =
    "SELECT o.id, s.starts_at FROM orders o JOIN stock s ON s.ticket_id = o.ticket_id
    WHERE o.user_id = $1 AND o.id >= $2 AND o.id <= $3 AND s.starts_at IS NOT NULL";
static ADMIT: Many = Many::new(
    "INSERT INTO admissions (code, order_id, unit) VALUES",
    "(?, ?, ?)",
    "ON CONFLICT (order_id, unit) DO NOTHING",
);
const ADMISSIONS: &str = "SELECT code, redeemed_at FROM admissions WHERE order_id = $1 ORDER BY unit";
const ADMISSIONS_OF_USER: &str = "SELECT a.order_id, a.code, a.redeemed_at
    FROM admissions a JOIN orders o ON o.id = a.order_id
    WHERE o.user_id = $1 AND o.id >= $2 AND o.id <= $3 ORDER BY a.order_id, a.unit LIMIT 20000";
const ADMISSION: &str = "SELECT order_id, unit, redeemed_at FROM admissions WHERE code = $1";
const REDEEM: &str = "UPDATE admissions SET redeemed_at = $2 WHERE code = $1 AND redeemed_at IS NULL";

/// An order as its row holds it.
struct OrderRow {
    id: OrderId,
    version: i64,
    user_id: UserId,
    status: OrderStatus,
    reason: Option<CancelReason>,
    quantity: i64,
    amount: Money,
    expires_at: Instant,
    expired: bool,
    payment_id: Option<PaymentId>,
    ticket_id: TicketId,
    ticket_title: String,
    ticket_price: Money,
    ticket_version: i64,
    seller_id: UserId,
}
from_row!(OrderRow {
    id,
    version,
    user_id,
    status,
    reason,
    quantity,
    amount,
    expires_at,
    expired,
    payment_id,
    ticket_id,
    ticket_title,
    ticket_price,
    ticket_version,
    seller_id
});

impl From<OrderRow> for Order {
    fn from(row: OrderRow) -> Self {
        let OrderRow {
            id,
            version,
            user_id,
            status,
            reason,
            quantity,
            amount,
            expires_at,
            expired,
            payment_id,
            ..
        } = row;
        let ticket = OrderTicket {
            id: row.ticket_id,
            title: row.ticket_title,
            price: row.ticket_price,
            version: row.ticket_version,
            seller_id: row.seller_id,
        };
        Self {
            id,
            version,
            user_id,
            status,
            reason,
            quantity,
            amount,
            expires_at,
            expired,
            payment_id,
            ticket,
        }
    }
}

from_row!(Admission { code, redeemed_at });

/// Which part of a list is wanted.
pub type Span = web::Span<OrderId>;

/// Takes capacity of a ticket and answers what it is then.
///
/// # Errors
/// 404 if orders has not heard of the ticket; 400 if it is not on sale or has not enough left.
pub async fn take(tx: &Tx, guard: Guard, ticket: TicketId, quantity: i64) -> Result<OrderTicket> {
    let now = tx.clock().now();
    let sql = match guard {
        Guard::On => TAKE,
        Guard::Off => TAKE_UNGUARDED,
    };
    let taken: Option<(i64, UserId, String, Money)> = tx.optional(sql, &[&ticket, &quantity, &now]).await?;
    if let Some((version, seller_id, title, price)) = taken {
        return Ok(OrderTicket { id: ticket, title, price, version, seller_id });
    }
    let (withdrawn, closes_at, left): (bool, Option<Instant>, i64) =
        tx.optional(ON_SALE, &[&ticket]).await?.ok_or_else(Error::not_found)?;
    if withdrawn || closes_at.is_some_and(|at| at <= now) {
        return Err(Error::invalid("Ticket is no longer on sale"));
    }
    if left >= quantity {
        // Between the two statements its copy arrived, or somebody let go.
        return Err(Error::contended("the ticket changed meanwhile"));
    }
    Err(Error::invalid("Ticket is already reserved"))
}

/// Writes new orders and announces them.
pub async fn insert(tx: &Tx, orders: &[&Order]) -> Result<()> {
    let history = entry(OrderStatus::Created, tx.clock().now());
    let mut rows: Vec<&dyn Param> = Vec::with_capacity(11 * orders.len());
    for order in orders {
        let Order { id, user_id, quantity, amount, expires_at, ticket, .. } = order;
        let OrderTicket { id: ticket_id, title, price, version, seller_id } = ticket;
        let row: [&dyn Param; 11] = [
            id, user_id, quantity, amount, expires_at, ticket_id, title, price, version, seller_id, &history,
        ];
        rows.extend(row);
    }
    let mut tally = Tally::default();
    tally.created(orders.len());
    tally.count(tx);
    let events: Vec<Event> = orders.iter().map(|order| Event::OrderCreated(order.state(None))).collect();
    try_join(tx.execute_many(&INSERT, &rows), tx.emit_all(&events)).await.map(drop)
}

/// [`advance_all`] for one order.
pub async fn advance(tx: &Tx, order: &Order, cause: Cause) -> Result<Option<Order>> {
    Ok(advance_all(tx, vec![(order.clone(), cause)]).await?.pop())
}

/// Lets something happen to each of several orders: the one way in which orders change. Answers those from
/// which anything followed, as they are afterwards.
///
/// # Errors
/// `Unavailable` (and the transaction is run again) if one changed under our hands.
pub async fn advance_all(tx: &Tx, changes: Vec<(Order, Cause)>) -> Result<Vec<Order>> {
    let mut steps = Vec::with_capacity(changes.len());
    for (order, cause) in changes {
        if let Some(step) = step(tx, &order, cause).await? {
            steps.push((order, step));
        }
    }
    // Capacity before orders, and tickets in the order of their ids: everybody locks them like this.
    let mut released: BTreeMap<TicketId, i64> = BTreeMap::new();
    for (order, _) in steps.iter().filter(|(_, step)| step.capacity == Capacity::Release) {
        *released.entry(order.ticket.id).or_default() += order.quantity;
    }
    let releases = released
        .iter()
        .map(|(ticket, quantity)| async move { tx.execute(RELEASE, &[ticket, quantity]).await });
    try_join_all(releases).await?;

    let now = tx.clock().now();
    // What is written down beside each: its entry in the history, and the moment if it is complete by this.
    let notes: Vec<(String, Option<Instant>)> = steps
        .iter()
        .map(|(_, step)| (format!(",{}", entry(step.next.status, now)), step.admits.then_some(now)))
        .collect();
    let mut rows: Vec<&dyn Param> = Vec::with_capacity(8 * steps.len());
    for ((_, Step { next, .. }), (entry, complete)) in steps.iter().zip(&notes) {
        let Order { id, version, status, reason, expired, payment_id, .. } = next;
        let row: [&dyn Param; 8] = [id, version, status, reason, expired, payment_id, entry, complete];
        rows.extend(row);
    }
    if tx.execute_many(&ADVANCE, &rows).await? != steps.len() as u64 {
        return Err(Error::contended("an order changed meanwhile"));
    }
    let admitting = steps.iter().filter(|(_, step)| step.admits);
    let codes: Vec<(String, OrderId, i64)> = admitting
        .flat_map(|(order, _)| (0..order.quantity).map(|unit| (kernel::random_code(), order.id, unit)))
        .collect();
    let rows: Vec<&dyn Param> =
        codes.iter().flat_map(|(code, order, unit)| [code as &dyn Param, order, unit]).collect();
    tx.execute_many(&ADMIT, &rows).await?;
    let mut tally = Tally::default();
    steps.iter().for_each(|(order, step)| tally.step(order, step));
    tally.count(tx);
    let events: Vec<Event> = steps.iter().map(|(order, step)| step.event(order)).collect();
    tx.emit_all(&events).await?;
    Ok(steps.into_iter().map(|(_, step)| step.next).collect())
}

/// The step that follows, its capacity taken again where it needs that.
async fn step(tx: &Tx, order: &Order, cause: Cause) -> Result<Option<Step>> {
    let step = order.after(cause, true);
    if step.as_ref().is_some_and(|s| s.capacity == Capacity::Retake) {
        let free: Option<(i64,)> = tx.optional(RETAKE, &[&order.ticket.id, &order.quantity]).await?;
        if free.is_none() {
            return Ok(order.after(cause, false));
        }
    }
    Ok(step)
}

fn entry(status: OrderStatus, at: Instant) -> String {
    format!("{status}@{}", at.as_millis())
}

/// An order inside a transaction.
pub async fn find(tx: &Tx, id: OrderId) -> Result<Option<Order>> {
    Ok(tx.optional::<OrderRow>(BY_ID, &[&id]).await?.map(Order::from))
}

/// Several orders inside a transaction, in no order.
pub async fn find_all(tx: &Tx, ids: &[OrderId]) -> Result<Vec<Order>> {
    let ids: Vec<&dyn Param> = ids.iter().map(|id| id as &dyn Param).collect();
    Ok(tx.all_many::<OrderRow>(&BY_IDS, &ids).await?.into_iter().map(Order::from).collect())
}

/// An order.
pub async fn read(db: &Db, id: OrderId) -> Result<Order> {
    db.optional::<OrderRow>(BY_ID, &[&id]).await?.map(Order::from).ok_or_else(Error::not_found)
}

/// A buyer's orders.
pub async fn of_user(db: &Db, user: UserId, span: &Span) -> Result<Vec<Order>> {
    let sql = if span.descending { OF_USER_LATEST } else { OF_USER };
    let rows: Vec<OrderRow> = db.all(sql, &[&user, &span.start(), &span.limit]).await?;
    Ok(rows.into_iter().map(Order::from).collect())
}

/// When the tickets of a buyer's orders between two ids begin, by order.
pub async fn starts_between(
    db: &Db,
    user: UserId,
    first: OrderId,
    last: OrderId,
) -> Result<HashMap<OrderId, Instant>> {
    let rows: Vec<(OrderId, Instant)> = db.all(STARTS_OF_USER, &[&user, &first, &last]).await?;
    Ok(rows.into_iter().collect())
}

/// When a ticket begins, as orders has heard last; outside a transaction.
pub async fn begins(db: &Db, ticket: TicketId) -> Result<Option<Instant>> {
    Ok(db.optional::<(Option<Instant>,)>(STARTS_AT, &[&ticket]).await?.and_then(|(at,)| at))
}

/// An order's admissions, in order of their units.
pub async fn admissions(db: &Db, order: OrderId) -> Result<Vec<Admission>> {
    db.all(ADMISSIONS, &[&order]).await
}

/// The admissions of a buyer's orders between two ids, with their orders.
pub async fn admissions_between(
    db: &Db,
    user: UserId,
    first: OrderId,
    last: OrderId,
) -> Result<Vec<(OrderId, Admission)>> {
    let rows: Vec<(OrderId, String, Option<Instant>)> =
        db.all(ADMISSIONS_OF_USER, &[&user, &first, &last]).await?;
    Ok(rows.into_iter().map(|(order, code, redeemed_at)| (order, Admission { code, redeemed_at })).collect())
}

/// The admissions of an order, inside a transaction.
pub async fn admissions_in(tx: &Tx, order: OrderId) -> Result<Vec<Admission>> {
    tx.all(ADMISSIONS, &[&order]).await
}

/// Which order a code belongs to, which of its units it admits, and when it was redeemed.
pub async fn admission(db: &Db, code: &str) -> Result<Option<(OrderId, i64, Option<Instant>)>> {
    db.optional(ADMISSION, &[&code]).await
}

/// Marks a code as used. False if it was before.
pub async fn redeem(tx: &Tx, code: &str, at: Instant) -> Result<bool> {
    Ok(tx.execute(REDEEM, &[&code, &at]).await? == 1)
}

/// SQL that `verify` needs.
pub mod check {
    /// Tickets whose orders do not add up to what is taken, or that are oversold (I1).
    pub const STOCK: &str = "SELECT s.ticket_id, s.capacity, s.taken, CAST(COALESCE(h.held, 0) AS BIGINT)
        FROM stock s LEFT JOIN (SELECT ticket_id, SUM(quantity) AS held FROM orders WHERE status <> 'cancelled'
            GROUP BY ticket_id) h ON h.ticket_id = s.ticket_id
        WHERE s.taken <> COALESCE(h.held, 0) OR s.taken > s.capacity OR s.taken < 0 LIMIT 100";
    /// How many tickets there are.
    pub const TICKETS: &str = "SELECT COUNT(*) FROM stock";
    /// Orders with their paths.
    pub const ORDERS: &str =
        "SELECT id, version, status, reason, amount, payment_id, history, quantity, ticket_id,
            completed_at, (SELECT COUNT(*) FROM admissions a WHERE a.order_id = orders.id)
        FROM orders WHERE id > $1 ORDER BY id LIMIT $2";
    /// Copies of tickets.
    pub const COPIES: &str =
        "SELECT ticket_id, version, seller_id, title, price, withdrawn, starts_at, video_id,
            opens_at, closes_at, capacity, taken
        FROM stock WHERE ticket_id > $1 ORDER BY ticket_id LIMIT $2";
    /// One order's standing.
    pub const PAYMENT: &str = "SELECT status, payment_id FROM orders WHERE id = $1";
}
