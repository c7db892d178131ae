//! Reading single users, and those who have a name.

use db::Db;
use kernel::{Result, UserId};

use crate::model::{User, Username};

const BY_ID: &str = "SELECT id, version, email, username, role, created_at FROM users WHERE id = $1";
const BY_USERNAME: &str =
    "SELECT id, version, email, username, role, created_at FROM users WHERE username_key = $1";
/// In the order of names, for it is the index of names that leads past all who have none.
const NAMED: &str = "SELECT id, username FROM users WHERE username_key > '' ORDER BY username_key LIMIT $1";

/// A user.
pub(crate) async fn by_id(db: &Db, id: UserId) -> Result<Option<User>> {
    db.optional(BY_ID, &[&id]).await
}

/// The user who has this name, in whatever case.
pub(crate) async fn by_username(db: &Db, name: &Username) -> Result<Option<User>> {
    db.optional(BY_USERNAME, &[&name.key()]).await
}

/// Users who have a name, with it: the first of the alphabet, at most `limit`.
pub(crate) async fn named(db: &Db, limit: i64) -> Result<Vec<(UserId, String)>> {
    db.all(NAMED, &[&limit]).await
}
