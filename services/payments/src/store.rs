//! All of this service's SQL. (The test gateway's books are another database: `gateway/ledger.rs`.)

use std::borrow::Cow;

use contracts::{OrderState, PaymentStatus};
use db::{Column, Db, IdempotencyKey, Many, Param, Tx, Value, from_row};
use kernel::{Error, Instant, OrderId, PaymentId, Result, UserId};

use crate::meters;
use crate::model::{Cause, Order, Payment, Refusal};

static COPY: Many = Many::new(
    "INSERT INTO orders
    (id, version, user_id, seller_id, status, reason, quantity, amount, expires_at, title, expired) VALUES",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, FALSE)",
    "ON CONFLICT (id) DO UPDATE SET version = excluded.version, status = excluded.status,
    reason = excluded.reason, amount = excluded.amount, expires_at = excluded.expires_at
    WHERE orders.version < excluded.version",
);
static EXPIRE: Many =
    Many::new("UPDATE orders SET expired = TRUE WHERE expired = FALSE AND id IN (", "?", ")");
static IN_FLIGHT: Many =
    Many::new("SELECT id FROM payments WHERE status = 'pending' AND order_id IN (", "?", ")");
const ORDER: &str =
    "SELECT id, version, user_id, seller_id, status, reason, quantity, amount, expires_at, title,
    expired FROM orders WHERE id = $1";
const INSERT: &str = "INSERT INTO payments
    (id, version, order_id, user_id, amount, status, refund_requested, created_at, scope, key)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE payments SET version = $3, status = $4, refund_requested = $5, refusal = $6
    WHERE id = $1 AND version = $2";
const STANDING: &str = "SELECT status FROM payments WHERE order_id = $1 AND status <> 'failed'";
const WAITING: &str =
    "SELECT scope, key FROM payments WHERE id = $1 AND scope IS NOT NULL AND key IS NOT NULL";

/// The columns of a [`Payment`], in its order.
macro_rules! payments {
    ($rest:literal) => {
        concat!(
            "SELECT id, version, order_id, user_id, amount, status, refund_requested, refusal, created_at
            FROM payments ",
            $rest
        )
    };
}

const PAYMENT: &str = payments!("WHERE id = $1");
const OF_ORDER: &str = payments!("WHERE order_id = $1 ORDER BY id DESC LIMIT 1");
const OF_USER: &str = payments!("WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3");
const OF_USER_DOWN: &str = payments!("WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
const TO_REFUND: &str =
    payments!("WHERE status = 'captured' AND refund_requested = TRUE AND id > $1 ORDER BY id LIMIT $2");
const TO_SETTLE: &str = "SELECT p.id, p.amount, p.created_at, o.expired FROM payments p
    JOIN orders o ON o.id = p.order_id WHERE p.status = 'pending' AND p.id > $1 AND (o.expired = TRUE OR p.created_at <= $2)
    ORDER BY p.id LIMIT $3";

/// Both parts go along their indexes, however many payments there are.
const PENDING: &str = "SELECT
    (SELECT COUNT(*) FROM (SELECT id FROM payments WHERE status = 'pending' ORDER BY id LIMIT $1) AS counted),
    (SELECT created_at FROM payments WHERE status = 'pending' ORDER BY id LIMIT 1),
    (SELECT COUNT(*) FROM (SELECT id FROM payments WHERE status = 'captured' AND refund_requested = TRUE
        ORDER BY id LIMIT $1) AS wanted)";
/// So many are counted.
const COUNTED: i64 = 10_000;

/// What only `verify` asks.
pub(crate) mod check {
    pub(crate) const PAYMENTS: &str = payments!("WHERE id > $1 ORDER BY id LIMIT $2");
    pub(crate) const COPIES: &str =
        "SELECT id, version, status, amount FROM orders WHERE id > $1 ORDER BY id LIMIT $2";
    pub(crate) const PAID_TWICE: &str = "SELECT order_id, COUNT(*) FROM payments
        WHERE status = 'captured' AND refund_requested = FALSE GROUP BY order_id HAVING COUNT(*) > 1
        ORDER BY order_id LIMIT 100";
}

from_row!(Payment { id, version, order_id, user_id, amount, status, refund_requested, refusal, created_at });
from_row!(Order {
    id,
    version,
    user_id,
    seller_id,
    status,
    reason,
    quantity,
    amount,
    expires_at,
    title,
    expired
});

impl Param for Refusal {
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self.as_str()))
    }
}

impl Column for Refusal {
    fn from_value(value: Value<'_>) -> Result<Self> {
        let code = String::from_value(value)?;
        Self::parse(&code).ok_or_else(|| Error::internal(format!("a column holds the refusal {code}")))
    }
}

/// A pending payment that is due to be settled.
pub(crate) struct Due {
    pub(crate) id: PaymentId,
    pub(crate) amount: kernel::Money,
    pub(crate) created_at: Instant,
    /// The order's hold has ended: there is no waiting for whoever is at work on it.
    pub(crate) expired: bool,
}
from_row!(Due { id, amount, created_at, expired });

/// Which part of a list is wanted.
pub type Span = web::Span<PaymentId>;

/// Text that sorts before every id, or the id that the page comes after.
pub(crate) fn start<K>(after: Option<kernel::Id<K>>) -> String {
    after.map_or_else(String::new, |id| id.to_string())
}

/// Takes over newer versions of orders, one of each order.
pub(crate) async fn copy_orders(tx: &Tx, states: impl Iterator<Item = &OrderState>) -> Result<()> {
    let mut rows: Vec<&dyn Param> = Vec::new();
    for state in states {
        let OrderState { id, version, user_id, status, reason, quantity, amount, expires_at, ticket, .. } =
            state;
        let (seller, title) = (&ticket.seller_id, &ticket.title);
        let row: [&dyn Param; 10] =
            [id, version, user_id, seller, status, reason, quantity, amount, expires_at, title];
        rows.extend(row);
    }
    tx.execute_many(&COPY, &rows).await.map(drop)
}

/// Notes that the ends of holds were announced; answers whether money is in flight for any of them.
pub(crate) async fn expire_orders(tx: &Tx, orders: &[OrderId]) -> Result<bool> {
    let orders: Vec<&dyn Param> = orders.iter().map(|order| order as &dyn Param).collect();
    if tx.execute_many(&EXPIRE, &orders).await? == 0 {
        return Ok(false);
    }
    Ok(!tx.all_many::<(PaymentId,)>(&IN_FLIGHT, &orders).await?.is_empty())
}

pub(crate) async fn order(db: &Db, id: OrderId) -> Result<Option<Order>> {
    db.optional(ORDER, &[&id]).await
}

pub(crate) async fn order_in(tx: &Tx, id: OrderId) -> Result<Option<Order>> {
    tx.optional(ORDER, &[&id]).await
}

/// The status of the order's payment that has not failed; there is at most one.
pub(crate) async fn standing(tx: &Tx, order: OrderId) -> Result<Option<PaymentStatus>> {
    Ok(tx.optional::<(PaymentStatus,)>(STANDING, &[&order]).await?.map(|(status,)| status))
}

/// Inserts a new payment and announces it; false if the order has one that has not failed.
pub(crate) async fn insert(tx: &Tx, payment: &Payment, key: Option<&IdempotencyKey>) -> Result<bool> {
    let Payment { id, version, order_id, user_id, amount, status, refund_requested, created_at, .. } =
        payment;
    let (scope, key) = key.map(|key| (&key.scope, &key.key)).unzip();
    let row: [&dyn Param; 10] =
        [id, version, order_id, user_id, amount, status, refund_requested, created_at, &scope, &key];
    let inserted = tx.execute(INSERT, &row).await? == 1;
    if inserted {
        meters::became(tx, payment);
        tx.emit(&payment.event()).await?;
    }
    Ok(inserted)
}

/// A payment after something happened to it, or as it is if nothing follows from that.
pub(crate) struct Stepped {
    pub(crate) payment: Payment,
    pub(crate) changed: bool,
}

/// Lets `cause` happen to a payment, and announces the version that follows; `None` if there is no such
/// payment. Whoever loses a race against another process runs again.
pub(crate) async fn step(tx: &Tx, id: PaymentId, cause: Cause) -> Result<Option<Stepped>> {
    let Some(payment) = tx.optional::<Payment>(PAYMENT, &[&id]).await? else { return Ok(None) };
    let Some(next) = payment.after(cause) else { return Ok(Some(Stepped { payment, changed: false })) };
    let Payment { version, status, refund_requested, refusal, .. } = &next;
    let row: [&dyn Param; 6] = [&id, &payment.version, version, status, refund_requested, refusal];
    if tx.execute(UPDATE, &row).await? != 1 {
        return Err(Error::contended("the payment changed meanwhile"));
    }
    if next.status != payment.status {
        meters::became(tx, &next);
    }
    tx.emit(&next.event()).await?;
    Ok(Some(Stepped { payment: next, changed: true }))
}

/// Scope and idempotency key of the request that began the payment, if it came with one.
pub(crate) async fn waiting(tx: &Tx, id: PaymentId) -> Result<Option<(String, String)>> {
    tx.optional(WAITING, &[&id]).await
}

pub(crate) async fn payment(db: &Db, id: PaymentId) -> Result<Option<Payment>> {
    db.optional(PAYMENT, &[&id]).await
}

/// The newest payment of an order.
pub(crate) async fn payment_of(db: &Db, order: OrderId) -> Result<Option<Payment>> {
    db.optional(OF_ORDER, &[&order]).await
}

pub(crate) async fn of_user(db: &Db, user: UserId, span: &Span) -> Result<Vec<Payment>> {
    let sql = if span.descending { OF_USER_DOWN } else { OF_USER };
    db.all(sql, &[&user, &span.start(), &span.limit]).await
}

/// Pending payments whose hold has ended or that were begun at `since` or earlier.
pub(crate) async fn to_settle(
    db: &Db,
    since: Instant,
    after: Option<PaymentId>,
    limit: i64,
) -> Result<Vec<Due>> {
    db.all(TO_SETTLE, &[&start(after), &since, &limit]).await
}

/// How many payments are pending, since when the oldest is, and how many refunds are to be done.
pub(crate) async fn pending(db: &Db) -> Result<(i64, Option<Instant>, i64)> {
    // Off the runtime's workers: counting takes its time.
    let found = db.all(PENDING, &[&COUNTED]).await?;
    Ok(found.into_iter().next().unwrap_or_default())
}

/// Captured payments whose money has been asked back.
pub(crate) async fn to_refund(db: &Db, after: Option<PaymentId>, limit: i64) -> Result<Vec<Payment>> {
    db.all(TO_REFUND, &[&start(after), &limit]).await
}
