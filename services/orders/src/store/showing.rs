//! SQL of what an order admits to, and of whether that was watched.

use std::collections::BTreeMap;

use db::{Db, FromRow, Many, Param, Row, Tx};
use kernel::{Error, Instant, OrderId, Result, VideoId};

use crate::model::{Film, Showing};

const SHOWING: &str = "SELECT s.starts_at, s.video_id, s.opens_at, s.closes_at, o.watched_at
    FROM orders o JOIN stock s ON s.ticket_id = o.ticket_id WHERE o.id = $1";
static WATCH: Many = Many::new(
    "WITH play (order_id, began_at) AS (VALUES",
    "(?, CAST(? AS BIGINT))",
    ") UPDATE orders SET watched_at = play.began_at FROM play
    WHERE orders.id = play.order_id AND orders.watched_at IS NULL",
);

impl FromRow for Showing {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let (video, opens_at, closes_at): (Option<VideoId>, _, _) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let film = video.map(|id| Film { id, opens_at, closes_at });
        Ok(Self { starts_at: row.get(0)?, film, watched_at: row.get(4)? })
    }
}

/// What an order admits to, as orders has heard last.
pub async fn showing(db: &Db, order: OrderId) -> Result<Showing> {
    db.optional(SHOWING, &[&order]).await?.ok_or_else(Error::not_found)
}

/// [`showing`] inside a transaction.
pub async fn showing_in(tx: &Tx, order: OrderId) -> Result<Showing> {
    tx.one(SHOWING, &[&order]).await
}

/// Notes when orders were watched first. Those that were watched before keep their moment.
pub async fn watch(tx: &Tx, plays: &BTreeMap<OrderId, Instant>) -> Result<()> {
    let rows: Vec<&dyn Param> = plays.iter().flat_map(|(order, at)| [order as &dyn Param, at]).collect();
    tx.execute_many(&WATCH, &rows).await.map(drop)
}
