//! Samples: what counters that change are every ten seconds, for the picture of their last minutes.
//!
//! They are taken at the full ten seconds of the clock, by each process those that it has [`crate::noted`]. So all
//! processes take them for the same moments, and whichever serves a page reads the same rows. What a process has noted
//! and not taken down when it is killed is missing from pictures; the counters themselves lack nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::events::{Job, every};
use db::Db;
use kernel::{Instant, Result};
use tokio::sync::Notify;
use web::Loader;

use crate::history::{PERIOD, Point, Seen, full, since};
use crate::noted::{Before, Noted};
use crate::store::samples;
use crate::{Counters, meters};

const NAME: &str = "counters: samples";
/// How often a process looks whether ten seconds are full: a sample is late by at most this.
const LOOK: Duration = Duration::from_secs(1);
/// Samples are kept for longer than a picture goes back.
const KEPT: Duration = Duration::from_secs(20 * 60);
/// Counters that one transaction takes: on a database with one writer, increments wait for it.
const PART: usize = 256;
/// Old samples that one transaction deletes, and transactions of a step that do so.
const PRUNED: u64 = 500;
const PRUNINGS: usize = 40;

/// Takes samples. At its end it leaves what was noted since the last ones.
pub(crate) fn job(counters: &Counters) -> Job {
    let counters = counters.clone();
    Job::new(NAME, move |stop| async move {
        every(NAME, LOOK, &Notify::new(), stop, || counters.sample()).await;
        let next = full(counters.0.db.clock().now()) + Duration::from_millis(PERIOD.unsigned_abs());
        if let Err(error) = counters.sample_for(next).await {
            tracing::warn!(error = ?error, "pictures of counters lack their last seconds");
        }
    })
}

impl Counters {
    /// Takes samples and deletes old ones, if ten seconds have become full since the last time.
    pub(crate) async fn sample(&self) -> Result<()> {
        let at = full(self.0.db.clock().now());
        if self.0.sampled.load(Ordering::Relaxed) == at.as_millis() {
            return Ok(());
        }
        self.sample_for(at).await?;
        self.0.sampled.store(at.as_millis(), Ordering::Relaxed);
        for _ in 0..PRUNINGS {
            if samples::prune(&self.0.db, at - KEPT, PRUNED as i64).await? < PRUNED {
                break;
            }
        }
        Ok(())
    }

    /// Takes down what is due, as it is, for the moment `at`.
    async fn sample_for(&self, at: Instant) -> Result<()> {
        let due = self.0.noted.due();
        let keys: Vec<&str> = due.keys.iter().map(String::as_str).collect();
        for keys in keys.chunks(PART) {
            let before: &Vec<(&str, Instant, Before)> = &keys
                .iter()
                .filter_map(|key| due.before.get(*key).map(|before| (*key, full(before.seen), *before)))
                .collect();
            self.0.db.write(|tx| async move { samples::take(&tx, at, before, keys).await }).await?;
        }
        if due.missed > 0 {
            let missed = i64::try_from(due.missed).unwrap_or(i64::MAX);
            self.0.db.write(|tx| async move { samples::miss(&tx, at, missed).await }).await?;
            meters::unsampled(due.missed);
        }
        self.0.noted.settle(due);
        Ok(())
    }
}

/// One reader for all open pages: counters as they are and were lately. From the look on, what happens to them is
/// sampled.
pub(crate) fn looks(db: Db, noted: Arc<Noted>) -> Loader<String, Seen> {
    Loader::start(move |keys: Vec<String>| {
        let (db, noted) = (db.clone(), Arc::clone(&noted));
        async move {
            let now = db.clock().now();
            let mut found = samples::look(&db, &keys, since(now)).await?;
            for (key, seen) in &mut found {
                noted.look(now, key, seen.value);
                // What only this process has seen so far.
                if let Some(before) = noted.before(key) {
                    seen.add(Point { at: full(before.seen), value: before.value });
                }
            }
            Ok(found)
        }
    })
}

#[cfg(test)]
mod tests;
