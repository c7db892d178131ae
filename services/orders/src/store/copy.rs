//! SQL of the copy that orders keeps of each ticket.

use contracts::{StockState, TicketState};
use db::Tx;
use kernel::Result;

const COPY: &str = "INSERT INTO stock
        (ticket_id, version, seller_id, title, price, withdrawn, starts_at, video_id, opens_at, closes_at, capacity,
            taken, clamps)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0)
    ON CONFLICT (ticket_id) DO UPDATE SET version = excluded.version, title = excluded.title,
        price = excluded.price, withdrawn = excluded.withdrawn, starts_at = excluded.starts_at,
        video_id = excluded.video_id, opens_at = excluded.opens_at, closes_at = excluded.closes_at,
        capacity = CASE WHEN excluded.capacity < stock.taken THEN stock.taken ELSE excluded.capacity END
    WHERE stock.version < excluded.version
    RETURNING capacity, clamps";
const CLAMPED: &str = "UPDATE stock SET clamps = clamps + 1 WHERE ticket_id = $1";

/// Copies a ticket. Answers what to publish if less capacity was asked for than is taken.
pub async fn copy_ticket(tx: &Tx, ticket: &TicketState) -> Result<Option<StockState>> {
    let TicketState {
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
    } = ticket;
    let kept: Option<(i64, i64)> = tx
        .optional(
            COPY,
            &[
                id, version, user_id, title, price, withdrawn, starts_at, video_id, opens_at, closes_at,
                capacity,
            ],
        )
        .await?;
    let Some((kept, clamps)) = kept.filter(|(kept, _)| kept != capacity) else { return Ok(None) };
    tx.execute(CLAMPED, &[id]).await?;
    Ok(Some(StockState { ticket_id: *id, version: clamps, ticket_version: *version, capacity: kept }))
}
