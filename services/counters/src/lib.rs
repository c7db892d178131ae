//! Counters: increments that are durable when they are answered, at the speed of memory.
//!
//! One committer drains the queue of increments, adds them up per key, writes one statement and commits once
//! ([`tally`]). Nothing is behind the database, so nothing is lost with a process; seed 2's cache, which was written
//! back when its entries expired, lost what it had not written yet.

mod answers;
mod api;
mod batch;
mod bodies;
mod events;
mod history;
pub mod meters;
mod model;
mod noted;
mod pages;
mod samples;
mod search;
mod split;
mod store;
mod tally;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod verify;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use ::events::{Job, Subscription};
use db::{Db, Migration};
use kernel::{Error, Result};
use web::{Documentation, Loader, Routes, Searches, Web};

use history::Seen;
pub use model::{Counter, Increment};
use noted::Noted;
use tally::Tally;

/// This service's tables.
pub const MIGRATIONS: &[Migration] = &[
    Migration { name: "0001_init", sql: include_str!("../migrations/0001_init.sql") },
    Migration { name: "0002_samples", sql: include_str!("../migrations/0002_samples.sql") },
];

/// What an installation may choose.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Whether anybody may count, as seed 2's brief has it.
    pub open: bool,
}

/// The service. Clones share it.
#[derive(Clone)]
pub struct Counters(Arc<Inner>);

struct Inner {
    db: Db,
    settings: Settings,
    tally: Tally,
    /// For the answers of batches.
    room: answers::Room,
    /// What changed lately.
    noted: Arc<Noted>,
    /// The moment for which samples were taken last, in milliseconds.
    sampled: AtomicI64,
    /// What open pages look at.
    looks: Loader<String, Seen>,
    searches: Searches,
}

impl Counters {
    /// The service on its database, which is open and migrated. Starts the committer on the current runtime.
    pub fn new(db: Db, settings: Settings) -> Self {
        meters::begin();
        let noted = Arc::<Noted>::default();
        let tally = tally::start(&db, Arc::clone(&noted));
        let looks = samples::looks(db.clone(), Arc::clone(&noted));
        let (sampled, searches) = (AtomicI64::new(0), Searches::default());
        Self(Arc::new(Inner {
            db,
            settings,
            tally,
            room: answers::Room::default(),
            noted,
            sampled,
            looks,
            searches,
        }))
    }

    /// Its JSON calls and pages.
    pub fn routes(&self) -> Routes {
        routes().with_state(self.clone())
    }

    /// The paths of [`Counters::routes`], for a proxy's table. Nothing has to be open for that.
    pub fn paths() -> Vec<String> {
        routes().paths().to_vec()
    }

    /// What the OpenAPI document says of [`Counters::routes`].
    pub fn documentation() -> Documentation {
        routes().documentation()
    }

    /// What it hears.
    pub fn subscription(&self) -> Subscription {
        Subscription::new(self.0.db.clone(), Arc::new(self.clone()))
    }

    /// Its work in the background, for the pages that `web` serves.
    pub fn jobs(&self, web: &Web) -> Vec<Job> {
        vec![samples::job(self), pages::look_again(web.clone())]
    }

    /// Sets the gauges that are not kept up to date by themselves.
    pub fn gauge(&self) {
        let age = self.0.db.oldest_waiting().as_secs_f64();
        metrics::gauge!("counter_oldest_unpersisted_age_seconds").set(age);
    }

    /// A counter.
    ///
    /// # Errors
    /// 404 if nothing was ever added to it.
    pub async fn read(&self, key: &str) -> Result<Counter> {
        store::by_key(&self.0.db, key).await?.ok_or_else(Error::not_found)
    }
}

fn routes() -> Routes<Counters> {
    api::routes().merge(pages::routes())
}
