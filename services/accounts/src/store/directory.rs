//! Reading those who have a name.

use db::Db;
use kernel::{Result, UserId};

/// In the order of names, for it is the index of names that leads past all who have none.
const NAMED: &str = "SELECT id, username FROM users WHERE username_key > '' ORDER BY username_key LIMIT $1";

/// Users who have a name, with it: the first of the alphabet, at most `limit`.
pub(crate) async fn named(db: &Db, limit: i64) -> Result<Vec<(UserId, String)>> {
    db.all(NAMED, &[&limit]).await
}
