//! SQL of what a seller sees of the orders of their tickets.

use db::{Column, Db, FromRow, Row, Value};
use futures_util::future::try_join_all;
use kernel::{Error, Instant, Money, OrderId, Result, UserId};

use super::Span;
use crate::model::{Figures, Period, Sale, Slot, TicketFigures};

const SALES: &str = "SELECT id, ticket_id, ticket_title, quantity, amount, status, reason, payment_id,
        substr(history, 9, 20), completed_at
    FROM orders WHERE seller_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const SALES_LATEST: &str = "SELECT id, ticket_id, ticket_title, quantity, amount, status, reason, payment_id,
        substr(history, 9, 20), completed_at
    FROM orders WHERE seller_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
/// One look at all orders: the tickets that brought in most, and beside each what all come to.
const FIGURES: &str = "SELECT t.ticket_id, s.title, s.capacity,
        CAST(t.sold AS BIGINT), CAST(t.takings AS BIGINT), CAST(t.held AS BIGINT), CAST(t.refunded AS BIGINT),
        CAST(t.all_sold AS BIGINT), CAST(t.all_takings AS BIGINT), CAST(t.all_held AS BIGINT),
        CAST(t.all_refunded AS BIGINT)
    FROM (SELECT ticket_id, sold, takings, held, refunded, SUM(sold) OVER () AS all_sold,
            SUM(takings) OVER () AS all_takings, SUM(held) OVER () AS all_held,
            SUM(refunded) OVER () AS all_refunded
        FROM (SELECT ticket_id,
                SUM(CASE WHEN status = 'complete' THEN quantity ELSE 0 END) AS sold,
                SUM(CASE WHEN status = 'complete' THEN amount ELSE 0 END) AS takings,
                SUM(CASE WHEN status IN ('created', 'awaiting:payment') THEN quantity ELSE 0 END) AS held,
                SUM(CASE WHEN status = 'cancelled' AND completed_at IS NOT NULL THEN amount ELSE 0 END) AS refunded
            FROM orders WHERE seller_id = $1 GROUP BY ticket_id) AS each_ticket
        ORDER BY takings DESC, sold DESC, held DESC, ticket_id LIMIT $2) AS t
    JOIN stock s ON s.ticket_id = t.ticket_id
    ORDER BY t.takings DESC, t.sold DESC, t.held DESC, t.ticket_id";
/// At most a row for each grain of the period.
const SOLD: &str = "SELECT completed_at / $3 * $3, CAST(SUM(quantity) AS BIGINT), CAST(SUM(amount) AS BIGINT)
    FROM orders WHERE seller_id = $1 AND completed_at >= $2 AND status = 'complete'
    GROUP BY 1 ORDER BY 1 LIMIT 400";
/// In the words of the index, so that a look at nothing costs nothing.
const UNDATED: &str = "SELECT id, history FROM orders
    WHERE completed_at IS NULL AND history LIKE '%,complete@%' ORDER BY id LIMIT $1";
const DATE: &str = "UPDATE orders SET completed_at = $2 WHERE id = $1 AND completed_at IS NULL";

/// When an order was made: what its history, whose first entry is `created@milliseconds`, goes on with.
struct Made(Instant);

impl Column for Made {
    fn from_value(value: Value<'_>) -> Result<Self> {
        let text = String::from_value(value)?;
        let millis = text.split(',').next().and_then(|millis| millis.parse().ok());
        let millis = millis.ok_or_else(|| Error::internal("a history that does not say when it began"))?;
        Ok(Self(Instant::from_millis(millis)))
    }
}

/// When an order was completed first, as its history says.
struct Completed(Instant);

impl Column for Completed {
    fn from_value(value: Value<'_>) -> Result<Self> {
        let history = String::from_value(value)?;
        let millis = history.split(',').find_map(|entry| entry.strip_prefix("complete@")?.parse().ok());
        let millis =
            millis.ok_or_else(|| Error::internal("a history that does not say when it was complete"))?;
        Ok(Self(Instant::from_millis(millis)))
    }
}

impl FromRow for Sale {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            order_id: row.get(0)?,
            ticket_id: row.get(1)?,
            title: row.get(2)?,
            quantity: row.get(3)?,
            amount: row.get(4)?,
            status: row.get(5)?,
            reason: row.get(6)?,
            payment_id: row.get(7)?,
            created_at: row.get::<Made>(8)?.0,
            completed_at: row.get(9)?,
        })
    }
}

/// A ticket's figures, and those of all tickets.
struct FiguresRow {
    ticket: TicketFigures,
    all: Figures,
}

impl FromRow for FiguresRow {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let figures = |first: usize| {
            Ok(Figures {
                sold: row.get(first)?,
                takings: row.get(first + 1)?,
                held: row.get(first + 2)?,
                refunded: row.get(first + 3)?,
            })
        };
        let (id, title, capacity) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Self { ticket: TicketFigures { id, title, capacity, figures: figures(3)? }, all: figures(7)? })
    }
}

/// Orders of a seller's tickets.
pub async fn sales(db: &Db, seller: UserId, span: &Span) -> Result<Vec<Sale>> {
    let sql = if span.descending { SALES_LATEST } else { SALES };
    db.all(sql, &[&seller, &span.start(), &span.limit]).await
}

/// What a seller's orders come to: all of them, and the orders of those tickets, `limit` at most, that
/// brought in most.
pub async fn figures(db: &Db, seller: UserId, limit: i64) -> Result<(Figures, Vec<TicketFigures>)> {
    let rows: Vec<FiguresRow> = db.all(FIGURES, &[&seller, &limit]).await?;
    let all = rows.first().map_or(Figures::NONE, |row| row.all);
    Ok((all, rows.into_iter().map(|row| row.ticket).collect()))
}

/// What a seller sold in each slot of a period: complete orders, by the moment at which they were completed.
pub async fn sold(db: &Db, seller: UserId, period: Period, now: Instant) -> Result<Vec<Slot>> {
    let Some(first) = period.slots(now).first().map(|slot| slot.from) else { return Ok(Vec::new()) };
    let grains: Vec<(Instant, i64, Money)> = db.all(SOLD, &[&seller, &first, &period.grain()]).await?;
    Ok(period.filled(now, &grains))
}

/// Writes down when orders, `limit` at most, were completed that say it in their history alone. Answers how many.
pub async fn date(db: &Db, limit: i64) -> Result<usize> {
    let undated: &Vec<(OrderId, Completed)> = &db.all(UNDATED, &[&limit]).await?;
    if !undated.is_empty() {
        db.write(|tx| async move {
            let all = undated.iter().map(|(id, Completed(at))| {
                let tx = &tx;
                async move { tx.execute(DATE, &[id, at]).await.map(drop) }
            });
            try_join_all(all).await.map(drop)
        })
        .await?;
    }
    Ok(undated.len())
}
