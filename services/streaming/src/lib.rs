//! Streaming: the catalogue of videos, who may watch them, and who watched what how far. It never sees a disk or a
//! bucket: bytes come from storage, in this process or behind HTTP.

mod admission;
mod api;
mod attachments;
pub mod bytes;
mod delivery;
mod events;
mod finish;
mod history;
mod jobs;
mod known;
mod language;
mod links;
mod meters;
pub mod model;
mod pages;
mod publish;
mod raw;
mod seats;
mod senders;
mod store;
mod telling;
#[cfg(test)]
mod tests;
mod tus;
mod uploads;
pub mod verify;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use ::events::{Job, Subscription};
use cache::{Cache, Memory};
use db::{Db, Migration};
use objects::Objects;
use tokio::sync::{Notify, Semaphore};
use web::{Documentation, Routes, Web};

pub use jobs::Unneeded;
pub use publish::Film;

use crate::known::{Known, LookUp};
use crate::links::Links;
use crate::seats::Seats;
use crate::senders::Senders;

/// This service's tables.
pub const MIGRATIONS: &[Migration] =
    &[Migration { name: "0001_init", sql: include_str!("../migrations/0001_init.sql") }];

/// What an installation may choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The longest video, in bytes.
    pub limit: u64,
    /// What one user may keep, in bytes.
    pub quota: u64,
    /// How long an upload is kept that nobody goes on with.
    pub kept: Duration,
}

impl Default for Settings {
    /// 20 GiB a video, 100 GiB a user, a day.
    fn default() -> Self {
        Self { limit: 20 << 30, quota: 100 << 30, kept: Duration::from_secs(86_400) }
    }
}

/// The service. Clones share it.
#[derive(Clone)]
pub struct Streaming(Arc<Inner>);

struct Inner {
    db: Db,
    web: Web,
    settings: Settings,
    objects: Arc<dyn Objects>,
    videos: Cache<LookUp, Known>,
    seats: Seats,
    senders: Senders,
    links: Links,
    /// Rung when there are objects to let go.
    leaving: Notify,
    /// Whoever finishes an upload takes a turn.
    finishing: Semaphore,
}

impl Streaming {
    /// The service on its database, which is open and migrated. `objects` is storage, wherever that runs; `key` is the
    /// installation's, of which its links are signed.
    pub fn new(
        db: Db,
        web: Web,
        settings: Settings,
        memory: &Memory,
        objects: Arc<dyn Objects>,
        key: &[u8],
    ) -> Self {
        meters::begin();
        let links = Links::new(key, web.clock().clone());
        let (videos, seats, senders) = (memory.cache("videos"), Seats::new(), Senders::default());
        let (leaving, finishing) = (Notify::new(), Semaphore::new(finish::AT_ONCE));
        Self(Arc::new(Inner {
            db,
            web,
            settings,
            objects,
            videos,
            seats,
            senders,
            links,
            leaving,
            finishing,
        }))
    }

    /// Its JSON calls and pages.
    pub fn routes(&self) -> Routes {
        routes().with_state(self.clone())
    }

    /// The paths of [`Streaming::routes`], for a proxy's table. Nothing has to be open for that.
    pub fn paths() -> Vec<String> {
        routes().paths().to_vec()
    }

    /// What the OpenAPI document says of [`Streaming::routes`].
    pub fn documentation() -> Documentation {
        routes().documentation()
    }

    /// What it hears.
    pub fn subscription(&self) -> Subscription {
        Subscription::new(self.0.db.clone(), Arc::new(self.clone()))
    }

    /// Its work in the background.
    pub fn jobs(&self) -> Vec<Job> {
        jobs::all(self)
    }

    /// Brings those metrics up to date that are read rather than counted.
    pub fn observe(&self) {
        self.0.videos.observe();
        meters::watching(self.0.seats.count());
    }

    /// Whether storage answers, wherever that runs.
    ///
    /// # Errors
    /// `Unavailable` if not.
    pub async fn ping(&self) -> kernel::Result<()> {
        // Nothing comes after the last of all ids, so the answer is short.
        let last = "ffffffff-ffff-ffff-ffff-ffffffffffff".parse().ok();
        self.0.objects.list(last).await.map(drop)
    }

    /// Whether nothing was ever published here.
    ///
    /// # Errors
    /// As the database says.
    pub async fn is_empty(&self) -> kernel::Result<bool> {
        store::any(&self.0.db).await.map(|any| !any)
    }
}

fn routes() -> Routes<Streaming> {
    watch::routes()
        .merge(raw::routes())
        .merge(tus::routes())
        .merge(api::routes())
        .merge(links::routes())
        .merge(attachments::routes())
        .merge(history::routes())
        .merge(pages::routes())
}
