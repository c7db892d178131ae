//! What a backup asks of storage: that nothing is removed while it copies, what there is to copy, which rows a copy is
//! better without, and that it is an installation of its own.

use std::path::PathBuf;
use std::sync::Arc;

use db::Db;
use kernel::{ObjectId, Result};
use tokio::sync::{OwnedRwLockWriteGuard, RwLockReadGuard};

use crate::{Storage, store};

/// As long as it is there, nothing is removed from the store.
#[derive(Debug)]
pub struct Held(#[allow(dead_code, reason = "held for its lock")] OwnedRwLockWriteGuard<()>);

impl Storage {
    /// Keeps everything that lies in the store: whoever lets something go waits. Two backups take turns.
    pub async fn hold(&self) -> Held {
        Held(Arc::clone(&self.0.removing).write_owned().await)
    }

    /// Where an object lies, if objects are in a directory.
    pub fn file(&self, id: ObjectId) -> Option<PathBuf> {
        self.0.store.file(id)
    }

    /// Waits for its turn to remove something.
    pub(crate) async fn turn(&self) -> RwLockReadGuard<'_, ()> {
        self.0.removing.read().await
    }
}

/// Objects by their rows, after `after` in order of their ids, at most `limit`.
///
/// # Errors
/// As the database says.
pub async fn objects_after(db: &Db, after: Option<ObjectId>, limit: i64) -> Result<Vec<ObjectId>> {
    Ok(store::list(db, after, limit).await?.into_iter().map(|row| row.id).collect())
}

/// Forgets every upload under way: a copy of the database has their rows, and their bytes are not copied.
///
/// # Errors
/// As the database says.
pub async fn forget_uploads(db: &Db) -> Result<()> {
    store::forget_uploads(db).await
}

/// Gives a copy of the database a new id, by which it is another installation than the original; answers it.
///
/// # Errors
/// As the database says.
pub async fn renew(db: &Db) -> Result<String> {
    let id = kernel::random_code();
    store::renew(db, &id).await?;
    Ok(id)
}
