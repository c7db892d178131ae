//! Counters: increments that are durable when they are answered, at the speed of memory.
//!
//! One committer drains the queue of increments, adds them up per key, writes one statement and commits once
//! ([`tally`]). Nothing is behind the database, so nothing is lost with a process; seed 2's cache, which was written
//! back when its entries expired, lost what it had not written yet.

mod api;
mod batch;
mod bodies;
mod events;
pub mod meters;
mod model;
mod split;
mod store;
mod tally;
#[cfg(test)]
mod tests;
pub mod verify;

use std::sync::Arc;

use ::events::Subscription;
use db::{Db, Migration};
use kernel::{Error, Result};
use web::{Documentation, Routes};

pub use model::{Counter, Increment};
use tally::Tally;

/// This service's tables.
pub const MIGRATIONS: &[Migration] =
    &[Migration { name: "0001_init", sql: include_str!("../migrations/0001_init.sql") }];

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
}

impl Counters {
    /// The service on its database, which is open and migrated. Starts the committer on the current runtime.
    pub fn new(db: Db, settings: Settings) -> Self {
        meters::begin();
        let tally = tally::start(&db);
        Self(Arc::new(Inner { db, settings, tally }))
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
    api::routes()
}
