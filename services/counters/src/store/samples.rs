//! SQL of the samples.

use db::{Db, Many, Param, Tx};
use futures_util::future::try_join;
use kernel::{Instant, Result};

use crate::history::{Point, Seen};
use crate::noted::Before;

/// What was seen nearest to the moment stays.
macro_rules! nearest {
    () => {
        "ON CONFLICT (key, at) DO UPDATE SET value = excluded.value, seen = excluded.seen
            WHERE ABS(excluded.seen - excluded.at) < ABS(samples.seen - samples.at)"
    };
}
static KEEP: Many =
    Many::new("INSERT INTO samples (key, at, value, seen) VALUES", "(?, ?, ?, ?)", nearest!());
static SAMPLE: Many = Many::new(
    "WITH due (key, at, seen) AS (VALUES",
    "(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT))",
    concat!(
        ") INSERT INTO samples (key, at, value, seen)
        SELECT c.key, d.at, c.value, d.seen FROM due d JOIN counters c ON c.key = d.key ORDER BY c.key ",
        nearest!()
    ),
);
/// A counter has at most one row for every ten seconds that are kept.
static POINTS: Many = Many::new(
    "WITH wanted (key, since) AS (VALUES",
    "(CAST(? AS TEXT), CAST(? AS BIGINT))",
    ") SELECT s.key, s.at, s.value FROM wanted w JOIN samples s ON s.key = w.key AND s.at >= w.since
    ORDER BY s.key, s.at",
);
static VALUES: Many = Many::new("SELECT key, value, created_at FROM counters WHERE key IN (", "?", ")");
const PRUNE: &str = "DELETE FROM samples WHERE (key, at) IN
    (SELECT key, at FROM samples WHERE at < $1 ORDER BY at, key LIMIT $2)";

/// No counter's key. Its samples say up to when how many changes could not be noted.
const MISSED: &str = "";

/// Writes what counters are for the moment `at`, and what they were `before` for the moments before they changed.
/// The keys of both are in order, in which all processes take them.
pub async fn take(tx: &Tx, at: Instant, before: &[(&str, Instant, Before)], keys: &[&str]) -> Result<()> {
    // Earlier than what the statement sees.
    let seen = tx.clock().now();
    let before: Vec<&dyn Param> = before
        .iter()
        .flat_map(|(key, at, Before { value, seen })| [key as &dyn Param, at, value, seen])
        .collect();
    let keys: Vec<&dyn Param> = keys.iter().flat_map(|key| [key as &dyn Param, &at, &seen]).collect();
    try_join(tx.execute_many(&KEEP, &before), tx.execute_many(&SAMPLE, &keys)).await.map(drop)
}

/// Writes that so many changes up to the moment `at` were not noted.
pub async fn miss(tx: &Tx, at: Instant, changes: i64) -> Result<()> {
    tx.execute_many(&KEEP, &[&MISSED, &at, &changes, &tx.clock().now()]).await.map(drop)
}

/// Some counters, those that are there, with their samples since `since`.
pub async fn look(db: &Db, keys: &[String], since: Instant) -> Result<Vec<(String, Seen)>> {
    let wanted = keys.iter().map(String::as_str).chain([MISSED]);
    let wanted: Vec<(&str, Instant)> = wanted.map(|key| (key, since)).collect();
    let wanted: Vec<&dyn Param> = wanted.iter().flat_map(|(key, since)| [key as &dyn Param, since]).collect();
    // The samples first, lest one of them be later than the value.
    let samples: Vec<(String, Instant, i64)> = db.all_many(&POINTS, &wanted).await?;
    let keys: Vec<&dyn Param> = keys.iter().map(|key| key as &dyn Param).collect();
    let values: Vec<(String, i64, Instant)> = db.all_many(&VALUES, &keys).await?;
    let of = |wanted: &str| -> Vec<Point> {
        let own = samples.iter().filter(|(key, ..)| key == wanted);
        own.map(|(_, at, value)| Point { at: *at, value: *value }).collect()
    };
    let missed = of(MISSED);
    let seen = |key: String, value: i64, created: Instant| {
        let points = of(&key);
        (key, Seen { value, created, points, missed: missed.iter().map(|point| point.at).collect() })
    };
    Ok(values.into_iter().map(|(key, value, created)| seen(key, value, created)).collect())
}

/// Deletes samples of moments before `before`, `limit` at most. Answers how many.
pub async fn prune(db: &Db, before: Instant, limit: i64) -> Result<u64> {
    db.write(|tx| async move { tx.execute(PRUNE, &[&before, &limit]).await }).await
}
