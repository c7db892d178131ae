//! All of this service's SQL.

pub mod samples;
pub mod search;

use std::collections::{BTreeMap, HashMap};

use db::{Db, Many, Param, Tx, from_row};
use kernel::{OrderId, Result, TicketId};
use web::Span;

use crate::model::Counter;

/// Adds to counters that are far from both ends of 64 bits (2^62, [`crate::model::SAFE`]); the others are locked like
/// these, stay as they are, and are not among the rows that come back.
static ADD: Many = Many::new(
    "INSERT INTO counters (key, value, created_at) VALUES",
    "(?, ?, ?)",
    "ON CONFLICT (key) DO UPDATE SET value = counters.value + excluded.value
        WHERE counters.value BETWEEN -4611686018427387904 AND 4611686018427387904
    RETURNING key, value",
);
/// Reads a counter for a change by [`SET`], as the last one to write it: nobody comes between.
const TAKE: &str = "INSERT INTO counters (key, value, created_at) VALUES ($1, 0, $2)
    ON CONFLICT (key) DO UPDATE SET value = counters.value RETURNING value";
const SET: &str = "UPDATE counters SET value = $2 WHERE key = $1";
const BY_KEY: &str = "SELECT key, value FROM counters WHERE key = $1";
const CREATED: &str = "SELECT created_at FROM counters WHERE key = $1";
const LIST: &str = "SELECT key, value FROM counters WHERE (created_at, key) > ($1, $2)
    ORDER BY created_at, key LIMIT $3";
const LATEST: &str = "SELECT key, value FROM counters WHERE (created_at, key) < ($1, $2)
    ORDER BY created_at DESC, key DESC LIMIT $3";
static SELL: Many = Many::new(
    "INSERT INTO sold (order_id, ticket_id, quantity, refunded) VALUES",
    "(?, ?, ?, FALSE)",
    "ON CONFLICT (order_id) DO NOTHING RETURNING order_id",
);
const TAKE_BACK: &str =
    "UPDATE sold SET refunded = TRUE WHERE order_id = $1 AND NOT refunded RETURNING ticket_id, quantity";

from_row!(Counter { key, value });

/// Adds a sum to each key, in the order of the keys, in which all transactions take them, so that none waits for
/// another in a circle. Answers what each is now; a key that is missing was too near an end of 64 bits, is as it was,
/// and is this transaction's to [`take`].
pub async fn add(tx: &Tx, sums: &BTreeMap<&str, i64>) -> Result<HashMap<String, i64>> {
    let now = tx.clock().now();
    let params: Vec<&dyn Param> = sums.iter().flat_map(|(key, sum)| [key as &dyn Param, sum, &now]).collect();
    Ok(tx.all_many::<(String, i64)>(&ADD, &params).await?.into_iter().collect())
}

/// What a counter is, which nobody changes then before this transaction ends.
pub async fn take(tx: &Tx, key: &str) -> Result<i64> {
    let (value,) = tx.one(TAKE, &[&key, &tx.clock().now()]).await?;
    Ok(value)
}

/// Changes a counter that was taken.
pub async fn set(tx: &Tx, key: &str, value: i64) -> Result<()> {
    tx.execute(SET, &[&key, &value]).await.map(drop)
}

/// One counter.
pub async fn by_key(db: &Db, key: &str) -> Result<Option<Counter>> {
    db.optional(BY_KEY, &[&key]).await
}

/// Counters in order of creation; `None` if there is none that they should come after.
pub async fn list(db: &Db, span: &Span<String>) -> Result<Option<Vec<Counter>>> {
    let (created, key) = match &span.after {
        Some(key) => match db.optional(CREATED, &[key]).await? {
            Some((created,)) => (created, key.as_str()),
            None => return Ok(None),
        },
        None => (if span.descending { i64::MAX } else { i64::MIN }, ""),
    };
    let sql = if span.descending { LATEST } else { LIST };
    db.all(sql, &[&created, &key, &span.limit]).await.map(Some)
}

/// Notes which orders sold how many units of what; answers which of them are new.
pub async fn sell(tx: &Tx, sales: &[(OrderId, TicketId, i64)]) -> Result<Vec<OrderId>> {
    let params: Vec<&dyn Param> =
        sales.iter().flat_map(|(order, ticket, quantity)| [order as &dyn Param, ticket, quantity]).collect();
    let new: Vec<(OrderId,)> = tx.all_many(&SELL, &params).await?;
    Ok(new.into_iter().map(|(order,)| order).collect())
}

/// Notes that an order's units went back; answers of what and how many, if they were sold and it is news.
pub async fn take_back(tx: &Tx, order: OrderId) -> Result<Option<(TicketId, i64)>> {
    tx.optional(TAKE_BACK, &[&order]).await
}

/// For `marquee verify`.
pub mod check {
    /// Counters of sales that are not what the orders add up to. (To one engine's LIKE `Marquee:sold`, which anybody may
    /// count, would be one as well.)
    pub const SUMS: &str = "WITH sums (key, sum) AS (
            SELECT 'marquee:sold:' || ticket_id, SUM(quantity) FROM sold GROUP BY ticket_id
            UNION ALL SELECT 'marquee:refunded:' || ticket_id, SUM(quantity) FROM sold WHERE refunded GROUP BY ticket_id
            UNION ALL SELECT 'marquee:sold', SUM(quantity) FROM sold
            UNION ALL SELECT 'marquee:refunded', SUM(quantity) FROM sold WHERE refunded
        ), counted (key, value) AS (
            SELECT key, value FROM counters
            WHERE SUBSTR(key, 1, 12) = 'marquee:sold' OR SUBSTR(key, 1, 16) = 'marquee:refunded'
        )
        SELECT COALESCE(s.key, c.key), COALESCE(c.value, 0), CAST(COALESCE(s.sum, 0) AS BIGINT)
        FROM sums s FULL OUTER JOIN counted c ON c.key = s.key
        WHERE COALESCE(c.value, 0) <> COALESCE(s.sum, 0) ORDER BY 1 LIMIT 100";
    /// How many orders were counted.
    pub const ORDERS: &str = "SELECT COUNT(*) FROM sold";
    /// Which they are.
    pub const SOLD: &str = "SELECT order_id, ticket_id, quantity, refunded FROM sold
        WHERE order_id > $1 AND order_id <= $2 ORDER BY order_id LIMIT $3";
    /// When the first sale was counted.
    pub const BEGAN: &str = "SELECT created_at FROM counters WHERE key = 'marquee:sold'";
}
