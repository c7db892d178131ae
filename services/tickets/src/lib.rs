//! Tickets: what sellers list, and what is left of it.

mod api;
mod events;
pub mod model;
mod pages;
mod sell;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod verify;

use std::sync::Arc;

use ::events::Subscription;
use db::{Db, Migration};
use web::{Routes, Web};

pub use model::{Draft, Ticket};

/// This service's tables.
pub const MIGRATIONS: &[Migration] =
    &[Migration { name: "0001_init", sql: include_str!("../migrations/0001_init.sql") }];

/// The service. Clones share it.
#[derive(Clone)]
pub struct Tickets(Arc<Inner>);

struct Inner {
    db: Db,
    web: Web,
}

impl Tickets {
    /// The service on its database, which is open and migrated.
    pub fn new(db: Db, web: Web) -> Self {
        Self(Arc::new(Inner { db, web }))
    }

    /// Its JSON calls and pages.
    pub fn routes(&self) -> Routes {
        routes().with_state(self.clone())
    }

    /// The paths of [`Tickets::routes`], for a proxy's table. Nothing has to be open for that.
    pub fn paths() -> Vec<&'static str> {
        routes().paths().to_vec()
    }

    /// What it hears.
    pub fn subscription(&self) -> Subscription {
        Subscription::new(self.0.db.clone(), Arc::new(self.clone()))
    }
}

fn routes() -> Routes<Tickets> {
    api::routes().merge(pages::routes())
}
