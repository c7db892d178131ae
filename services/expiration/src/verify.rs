//! What `marquee verify` asks of expiration: which holds it will end.

use db::Db;
use kernel::{Instant, OrderId, Result};

use crate::store;

/// Holds after `after` in order of their orders' ids, at most `limit`.
///
/// # Errors
/// As the database says.
pub async fn holds_after(db: &Db, after: Option<OrderId>, limit: i64) -> Result<Vec<(OrderId, Instant)>> {
    let holds = store::holds_after(db, &after.map_or_else(String::new, |id| id.to_string()), limit).await?;
    Ok(holds.into_iter().map(|hold| (hold.order_id, hold.expires_at)).collect())
}
