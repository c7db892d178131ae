//! The SQL of a session that makes way for another.

use db::Tx;
use kernel::{Result, SessionId};
use web::Web;

use super::announce;
use crate::session::Kind;

/// An API token is none of a browser's, so it stays.
const REPLACE: &str = "UPDATE sessions SET revoked_at = $2
    WHERE id = $1 AND kind = 'session' AND revoked_at IS NULL AND expires_at > $2
    RETURNING id, user_id, expires_at";
/// Whoever would end the session waits for this transaction, on any engine.
const HOLD: &str =
    "UPDATE sessions SET last_used_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING kind";

/// Ends a session that another takes the place of, unless it is an API token. Says so as [`super::revoke`] does.
pub(crate) async fn replace(tx: &Tx, web: &Web, old: SessionId) -> Result<()> {
    let ended = tx.all(REPLACE, &[&old, &tx.clock().now()]).await?;
    announce(tx, web, ended).await
}

/// What a session is that nobody ends before this transaction does; `None` if it has been revoked. Counts as use.
pub(crate) async fn hold(tx: &Tx, session: SessionId) -> Result<Option<Kind>> {
    let held: Option<(String,)> = tx.optional(HOLD, &[&session, &tx.clock().now()]).await?;
    Ok(held.map(|(kind,)| Kind::parse(&kind)))
}
