//! SQL that lists counters by their keys, and looks for some.

use db::Db;
use kernel::Result;

use crate::model::Counter;

const LIST: &str = "SELECT key, value FROM counters WHERE key > $1 ORDER BY key LIMIT $2";
/// The order of bytes and lower case of ASCII are the same on both engines. Keys are looked at in the index alone, and
/// values are read of what is found.
const FIND: &str = "SELECT c.key, c.value
    FROM (SELECT key FROM (SELECT key FROM counters WHERE key > $1 ORDER BY key LIMIT $2) AS stretch
        WHERE lower(key) LIKE $3 ESCAPE '\\' ORDER BY key LIMIT $4) AS found
    JOIN counters c ON c.key = found.key ORDER BY c.key";
const END: &str = "SELECT key FROM counters WHERE key > $1 ORDER BY key LIMIT 1 OFFSET $2";

/// Counters in the order of their keys, after a key; at most `limit`.
pub async fn list(db: &Db, after: &str, limit: i64) -> Result<Vec<Counter>> {
    db.all(LIST, &[&after, &limit]).await
}

/// Counters that are like a pattern among the next `stretch` after a key; at most `limit`.
pub async fn find(db: &Db, pattern: &str, after: &str, stretch: i64, limit: i64) -> Result<Vec<Counter>> {
    db.all(FIND, &[&after, &stretch, &pattern, &limit]).await
}

/// The last of the next `stretch` keys after a key; `None` if there are fewer.
pub async fn end(db: &Db, after: &str, stretch: i64) -> Result<Option<String>> {
    let rows: Vec<(String,)> = db.all(END, &[&after, &(stretch - 1)]).await?;
    Ok(rows.into_iter().next().map(|(key,)| key))
}
