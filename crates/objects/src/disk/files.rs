//! Files that are open: most requests are for one that another request has just been for.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{Error, ObjectId, Result};
use moka::sync::Cache;
use rustix::process::{Resource, getrlimit};
use sendfile::Mapped;

/// How many files are kept open.
const OPEN: u64 = 512;

/// For how long one is that nobody asks for: where another process removes it, this one does not hear of it, and the disk
/// has no room back before the last has closed it.
const IDLE: Duration = Duration::from_secs(180);

/// The part of all descriptors that the process may have which is for files: one of so many.
const SHARE: u64 = 4;

/// The files of objects, of which those that were asked for last stay open. A file that somebody still reads is open for
/// as long as that takes.
pub struct Files {
    open: Cache<ObjectId, Arc<Held>>,
    /// How often a file was forgotten.
    forgotten: AtomicU64,
}

/// A file that is kept open. The cache drops what it has let go at some later time; the file is let go at once.
struct Held(Mutex<Option<Arc<File>>>);

impl Held {
    fn file(&self) -> MutexGuard<'_, Option<Arc<File>>> {
        // Nobody panics with it locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open file, which nobody changes.
pub struct File {
    pub(super) file: Arc<fs::File>,
    pub(super) mapped: Option<Mapped>,
    size: u64,
}

impl Files {
    /// None open yet.
    pub fn new() -> Self {
        Self::closing_after(IDLE)
    }

    fn closing_after(idle: Duration) -> Self {
        let allowed = getrlimit(Resource::Nofile).current.map_or(OPEN, |all| all / SHARE);
        let let_go = |_, held: Arc<Held>, _| drop(held.file().take());
        let open = Cache::builder().max_capacity(OPEN.min(allowed)).time_to_idle(idle);
        let open = open.eviction_listener(let_go).build();
        Self { open, forgotten: AtomicU64::new(0) }
    }

    /// Closes what nobody has asked for lately, in a process of which nothing else is asked either.
    pub fn close_idle(&self) {
        self.open.run_pending_tasks();
    }

    /// The file of an object, which is at `path` unless it is open.
    ///
    /// # Errors
    /// 404 if there is none; 503 if it cannot be opened.
    pub async fn get(&self, id: ObjectId, path: impl FnOnce() -> PathBuf) -> Result<Arc<File>> {
        if let Some(file) = self.open.get(&id).and_then(|held| held.file().clone()) {
            return Ok(file);
        }
        let before = self.forgotten.load(Ordering::SeqCst);
        let path = path();
        let opened = tokio::task::spawn_blocking(move || File::open(path)).await;
        let file = opened.map_err(|e| Error::internal("opening a file came to no end").because(e))?;
        let file = Arc::new(file.map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::not_found(),
            _ => Error::unavailable("cannot open the file of an object").because(e),
        })?);
        self.open.insert(id, Arc::new(Held(Mutex::new(Some(Arc::clone(&file))))));
        // It may have been removed since it was opened, and would be kept for nobody.
        if self.forgotten.load(Ordering::SeqCst) != before {
            self.open.invalidate(&id);
        }
        Ok(file)
    }

    /// Lets go of the file of an object, which is removed already.
    pub fn forget(&self, id: ObjectId) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.open.invalidate(&id);
    }
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

impl File {
    /// Opens the file at `path`. It waits for the disk.
    ///
    /// # Errors
    /// As opening has them, and for what is not a file.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let file = fs::File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let (file, size) = (Arc::new(file), metadata.len());
        // Without a mapping its bytes are read, as those of an empty file would be.
        let mapped = Mapped::new(Arc::clone(&file), size).ok();
        Ok(Self { file, mapped, size })
    }

    /// How long it is, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Clock, Kind};

    use super::*;

    #[tokio::test]
    async fn a_file_is_opened_once_until_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let (files, id) = (Files::new(), ObjectId::new(&Clock::system()));
        let path = || directory.path().join("object");
        assert_eq!(files.get(id, path).await.err().map(|e| e.kind), Some(Kind::NotFound));
        fs::write(path(), b"content").unwrap();
        let first = files.get(id, path).await.unwrap();
        assert_eq!(first.size(), 7);
        let again = files.get(id, || unreachable!("it is open")).await.unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        fs::remove_file(path()).unwrap();
        files.forget(id);
        drop(again);
        assert_eq!(Arc::strong_count(&first), 1, "nobody else has it");
        assert_eq!(files.get(id, path).await.err().map(|e| e.kind), Some(Kind::NotFound));
    }

    #[tokio::test]
    async fn what_is_removed_while_it_is_opened_is_not_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (files, id) = (Files::new(), ObjectId::new(&Clock::system()));
        let path = directory.path().join("object");
        fs::write(&path, b"content").unwrap();
        let opened = files.get(id, || {
            files.forget(id);
            path.clone()
        });
        assert_eq!(opened.await.unwrap().size(), 7, "whoever asked before has it");
        assert!(files.open.get(&id).is_none());
    }

    #[tokio::test]
    async fn what_nobody_asks_for_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::closing_after(Duration::from_millis(20));
        let path = directory.path().join("object");
        fs::write(&path, b"content").unwrap();
        let file = files.get(ObjectId::new(&Clock::system()), || path).await.unwrap();
        let weak = Arc::downgrade(&file);
        drop(file);
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while weak.strong_count() > 0 {
            assert!(std::time::Instant::now() < deadline, "it stays open");
            tokio::time::sleep(Duration::from_millis(5)).await;
            files.close_idle();
        }
    }

    #[tokio::test]
    async fn a_directory_is_not_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let (files, id) = (Files::new(), ObjectId::new(&Clock::system()));
        let refused = files.get(id, || directory.path().to_owned()).await.err();
        assert_eq!(refused.map(|e| e.kind), Some(Kind::Unavailable));
    }
}
