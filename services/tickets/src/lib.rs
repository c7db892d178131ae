//! Tickets: what sellers list, and what is left of it.

mod api;
mod bodies;
mod crowd;
mod depart;
mod events;
mod fold;
mod jobs;
pub mod model;
mod pages;
mod search;
mod sell;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod verify;
mod videos;

use std::sync::Arc;
use std::time::Duration;

use ::events::{Job, Subscription};
use db::{Db, Migration};
use kernel::TicketId;
use tokio::sync::Notify;
use web::{Documentation, Loader, Routes, Searches, Web};

use crate::crowd::Crowd;

pub use model::{Draft, Ticket, Video};

/// This service's tables.
pub const MIGRATIONS: &[Migration] = &[
    Migration { name: "0001_init", sql: include_str!("../migrations/0001_init.sql") },
    Migration { name: "0002_search", sql: include_str!("../migrations/0002_search.sql") },
    Migration { name: "0003_sellers", sql: include_str!("../migrations/0003_sellers.sql") },
    Migration { name: "0004_videos", sql: include_str!("../migrations/0004_videos.sql") },
];

/// What the pages say of an order. Orders decides it; these are its settings again.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a hold lasts.
    pub hold: Duration,
    /// The highest quantity of one order.
    pub max_per_order: i64,
}

impl Default for Settings {
    /// Fifteen minutes, ten units (contract, Orders).
    fn default() -> Self {
        Self { hold: Duration::from_secs(900), max_per_order: 10 }
    }
}

/// The service. Clones share it.
#[derive(Clone)]
pub struct Tickets(Arc<Inner>);

struct Inner {
    db: Db,
    web: Web,
    settings: Settings,
    /// What open pages look at.
    looks: Loader<TicketId, Ticket>,
    /// What whoever is not signed in is told.
    crowd: Crowd,
    searches: Searches,
    /// Rung when a seller was deleted.
    leaving: Arc<Notify>,
    /// Rung when the copy of a video has changed.
    videos: Arc<Notify>,
}

impl Tickets {
    /// The service on its database, which is open and migrated. To be called inside a runtime.
    pub fn new(db: Db, web: Web, settings: Settings) -> Self {
        let looks = looks(db.clone());
        let (searches, leaving, videos) = (Searches::default(), Arc::default(), Arc::default());
        Self(Arc::new(Inner { db, web, settings, looks, crowd: Crowd::new(), searches, leaving, videos }))
    }

    /// Its JSON calls and pages.
    pub fn routes(&self) -> Routes {
        routes().with_state(self.clone())
    }

    /// The paths of [`Tickets::routes`], for a proxy's table. Nothing has to be open for that.
    pub fn paths() -> Vec<String> {
        routes().paths().to_vec()
    }

    /// What the OpenAPI document says of [`Tickets::routes`].
    pub fn documentation() -> Documentation {
        routes().documentation()
    }

    /// What it hears.
    pub fn subscription(&self) -> Subscription {
        Subscription::new(self.0.db.clone(), Arc::new(self.clone()))
    }

    /// Its work in the background.
    pub fn jobs(&self) -> Vec<Job> {
        vec![jobs::fold(self), depart::withdraw(self)]
    }

    /// Brings those metrics up to date that are read rather than counted.
    pub fn observe(&self) {
        self.0.crowd.observe();
    }
}

fn looks(db: Db) -> Loader<TicketId, Ticket> {
    Loader::start(move |ids: Vec<TicketId>| {
        let db = db.clone();
        async move {
            let found = store::some(&db, &ids).await?;
            Ok(found.into_iter().map(|ticket| (ticket.id, ticket)).collect())
        }
    })
}

fn routes() -> Routes<Tickets> {
    api::routes().merge(pages::routes())
}
