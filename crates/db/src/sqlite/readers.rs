//! Connections that only read. Reads by key run in place on the caller's task, for they take
//! microseconds; lists go to blocking threads, for a cold page or a scan would hold up a worker.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use kernel::Result;

use super::connection::Connection;

const BY_KEY: usize = 4;
const LISTS: usize = 4;

pub(super) struct Readers {
    by_key: Vec<Mutex<Connection>>,
    lists: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let open =
            |n| (0..n).map(|_| Connection::open(path, false).map(Mutex::new)).collect::<Result<Vec<_>>>();
        Ok(Self { by_key: open(BY_KEY)?, lists: open(LISTS)?, next: AtomicUsize::new(0) })
    }

    pub(super) fn by_key<T>(&self, f: impl FnOnce(&mut Connection) -> T) -> T {
        self.with(&self.by_key, f)
    }

    pub(super) fn list<T>(&self, f: impl FnOnce(&mut Connection) -> T) -> T {
        self.with(&self.lists, f)
    }

    /// The first free connection, starting from a different one each time; else the next in turn.
    fn with<T>(&self, pool: &[Mutex<Connection>], f: impl FnOnce(&mut Connection) -> T) -> T {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        for i in 0..pool.len() {
            if let Ok(mut free) = pool[(start + i) % pool.len()].try_lock() {
                return f(&mut free);
            }
        }
        f(&mut pool[start % pool.len()].lock().unwrap_or_else(PoisonError::into_inner))
    }
}
