//! Storage: objects in a directory or a bucket, and the uploads that become them. It knows no users.

mod answer;
mod api;
mod append;
mod collect;
mod held;
pub mod keep;
mod meters;
mod owner;
mod publish;
mod store;
#[cfg(test)]
mod tests;
mod turns;
pub mod verify;

use std::sync::Arc;
use std::time::Duration;

use ::events::Job;
use db::{Db, Migration};
use kernel::{ObjectId, Result};
use moka::sync::Cache;
use objects::{Signer, Store};
use tokio::sync::{RwLock, Semaphore};
use web::Routes;

pub use collect::Collected;

use crate::answer::Known;
use crate::append::Running;
use crate::turns::{Alone, Latest};

/// This service's tables.
pub const MIGRATIONS: &[Migration] =
    &[Migration { name: "0001_init", sql: include_str!("../migrations/0001_init.sql") }];

/// Appends that are under way at the same time; to a bucket each holds up to 9 MiB, which it sends after five seconds.
const APPENDING: usize = 256;
/// And those besides of what is at hand: posters and captions wait for nobody who uploads.
const AT_HAND: usize = 16;
/// Those of them that write at the same time what has come.
const WRITING: usize = 32;
/// Objects whose rows are remembered. They never change; one that is removed is forgotten here, and elsewhere soon.
const REMEMBERED: u64 = 10_000;
/// Where another copy removed an object, this one may answer for so long.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// The service. Clones share it.
#[derive(Clone)]
pub struct Storage(Arc<Inner>);

struct Inner {
    db: Db,
    store: Store,
    signer: Signer,
    /// Digests of uploads as far as they came, for whoever goes on in this process.
    running: Cache<ObjectId, Arc<Running>>,
    known: Cache<ObjectId, Arc<Known>>,
    appending: Semaphore,
    at_hand: Semaphore,
    latest: Latest,
    writing: Semaphore,
    publishing: Alone,
    /// Taken by whoever removes bytes, and whole by whoever wants them kept for a while.
    removing: Arc<RwLock<()>>,
}

impl Storage {
    /// The service on its database, which is open and migrated, and on a store.
    pub fn new(db: Db, store: Store, signer: Signer) -> Self {
        meters::begin();
        let running = Cache::builder().max_capacity(1_000).time_to_idle(Duration::from_secs(600)).build();
        let known = Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        let (appending, at_hand) = (Semaphore::new(APPENDING), Semaphore::new(AT_HAND));
        let writing = Semaphore::new(WRITING);
        let (latest, publishing, removing) = (Latest::default(), Alone::default(), Arc::default());
        Self(Arc::new(Inner {
            db,
            store,
            signer,
            running,
            known,
            appending,
            at_hand,
            latest,
            writing,
            publishing,
            removing,
        }))
    }

    /// What other processes call. It is not for the public: each request has to be signed.
    pub fn routes(&self) -> Routes {
        api::routes().with_state(self.clone())
    }

    /// Its work in the background.
    pub fn jobs(&self) -> Vec<Job> {
        vec![collect::job(self)]
    }

    /// Whether there is anything, or ever was.
    ///
    /// # Errors
    /// As the database says.
    pub async fn is_empty(&self) -> Result<bool> {
        store::any(&self.0.db).await.map(|any| !any)
    }

    /// Whether its directory or bucket answers.
    ///
    /// # Errors
    /// `Unavailable` if not.
    pub async fn ping(&self) -> Result<()> {
        self.0.store.ping().await
    }

    /// The directory that objects are in, if it is one.
    pub fn directory(&self) -> Option<&std::path::Path> {
        self.0.store.directory()
    }
}
