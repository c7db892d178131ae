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
use axum::Router;
use db::{Db, Migration};
use web::Web;

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
    pub fn routes(&self) -> Router {
        api::routes().merge(pages::routes()).with_state(self.clone())
    }

    /// What it hears.
    pub fn subscription(&self) -> Subscription {
        Subscription::new(self.0.db.clone(), Arc::new(self.clone()))
    }
}
