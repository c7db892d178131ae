//! All of this service's SQL.

use contracts::ExpirationState;
use db::{Db, Many, Param, Tx, from_row};
use kernel::{Instant, OrderId, Result};

static REMEMBER: Many = Many::new(
    "INSERT INTO holds (order_id, expires_at) VALUES",
    "(?, ?)",
    "ON CONFLICT (order_id) DO NOTHING",
);
static FORGET: Many = Many::new("DELETE FROM holds WHERE order_id IN (", "?", ")");
const NEXT_END: &str = "SELECT MIN(expires_at) FROM holds";
/// Both parts go along an index, however many holds there are.
const ACTIVE: &str = "SELECT (SELECT COUNT(*) FROM (SELECT order_id FROM holds LIMIT $1) AS counted), (SELECT MIN(expires_at) FROM holds)";
/// So many are counted.
const COUNTED: i64 = 10_000;
const TAKE_DUE: &str = "DELETE FROM holds WHERE order_id IN
        (SELECT order_id FROM holds WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
    RETURNING order_id, expires_at";
const AFTER: &str = "SELECT order_id, expires_at FROM holds WHERE order_id > $1 ORDER BY order_id LIMIT $2";

/// A hold and its end.
pub struct Hold {
    /// Whose hold.
    pub order_id: OrderId,
    /// When it ends.
    pub expires_at: Instant,
}
from_row!(Hold { order_id, expires_at });

impl From<Hold> for ExpirationState {
    fn from(hold: Hold) -> Self {
        Self { order_id: hold.order_id, expires_at: hold.expires_at }
    }
}

/// Remembers when holds end.
pub async fn remember(tx: &Tx, holds: &[Hold]) -> Result<()> {
    let rows: Vec<&dyn Param> =
        holds.iter().flat_map(|Hold { order_id, expires_at }| [order_id as &dyn Param, expires_at]).collect();
    tx.execute_many(&REMEMBER, &rows).await.map(drop)
}

/// Forgets holds that need no end any more.
pub async fn forget(tx: &Tx, orders: &[OrderId]) -> Result<()> {
    let rows: Vec<&dyn Param> = orders.iter().map(|order| order as &dyn Param).collect();
    tx.execute_many(&FORGET, &rows).await.map(drop)
}

/// When the next hold ends.
pub async fn next_end(db: &Db) -> Result<Option<Instant>> {
    Ok(db.one::<(Option<Instant>,)>(NEXT_END, &[]).await?.0)
}

/// How many holds there are, and when the next one ends.
pub async fn active(db: &Db) -> Result<(i64, Option<Instant>)> {
    // Off the runtime's workers: counting takes its time.
    let found = db.all(ACTIVE, &[&COUNTED]).await?;
    Ok(found.into_iter().next().unwrap_or_default())
}

/// Takes out holds whose end has come, at most `limit`.
pub async fn take_due(tx: &Tx, now: Instant, limit: i64) -> Result<Vec<Hold>> {
    tx.all(TAKE_DUE, &[&now, &limit]).await
}

/// Holds after `after` in order of their orders' ids.
pub async fn holds_after(db: &Db, after: &str, limit: i64) -> Result<Vec<Hold>> {
    db.all(AFTER, &[&after, &limit]).await
}
