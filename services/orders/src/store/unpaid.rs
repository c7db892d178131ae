//! What a buyer holds and has not paid.

use db::Tx;
use kernel::{Result, UserId};

use super::OrderRow;
use crate::model::Order;

const UNPAID: &str =
    "SELECT id, version, user_id, status, reason, quantity, amount, expires_at, expired, payment_id,
        ticket_id, ticket_title, ticket_price, ticket_version, seller_id
    FROM orders WHERE user_id = $1 AND status IN ('created', 'awaiting:payment') ORDER BY id LIMIT $2";

/// Somebody's orders that hold capacity and are not paid, at most `limit`.
pub async fn unpaid(tx: &Tx, user: UserId, limit: i64) -> Result<Vec<Order>> {
    Ok(tx.all::<OrderRow>(UNPAID, &[&user, &limit]).await?.into_iter().map(Order::from).collect())
}
