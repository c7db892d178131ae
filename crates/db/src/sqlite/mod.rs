//! SQLite: one writer under a fair lock whose commits are made in groups, and readers beside it.
//!
//! A job runs in place on its caller's task: it takes the lock, runs inside a savepoint of the open
//! transaction, and leaves the lock. A committer thread queues for the same lock behind the jobs that
//! already wait, issues one `COMMIT` for all of them, and only then answers each.

mod connection;
mod readers;
mod snapshot;
mod writer;

#[cfg(test)]
mod fault_tests;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use kernel::{Error, Result};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use self::readers::Readers;
pub use self::snapshot::snapshot;
pub(crate) use self::writer::Writer;
use crate::meters::SqliteMeters;
use crate::tx::Handle;
use crate::{FromRow, Param, Shared, Tx, Value};

pub(crate) struct Sqlite {
    path: PathBuf,
    writer: Arc<Mutex<Writer>>,
    readers: Arc<Readers>,
    /// Wakes the committer; full means that it is awake already.
    wake: SyncSender<()>,
    /// How long jobs wait for the writer.
    wait: metrics::Histogram,
}

impl Sqlite {
    pub(crate) fn open(path: &Path, name: &'static str) -> Result<Self> {
        let SqliteMeters { wait, commit, group } = SqliteMeters::new(name);
        let writer = Arc::new(Mutex::new(Writer::open(path, name, commit, group)?));
        let readers = Arc::new(Readers::open(path)?);
        let (wake, woken) = sync_channel(1);
        // Not a share of its own: whoever drops the database closes it, and does not leave that to a thread which
        // ends with the process. The last connection to go takes the log into the file.
        let committing = Arc::downgrade(&writer);
        std::thread::Builder::new()
            .name(format!("commit-{name}"))
            .spawn(move || {
                while woken.recv().is_ok() {
                    let Some(writer) = committing.upgrade() else { break };
                    let group = writer.blocking_lock().commit();
                    drop(writer);
                    group.answer();
                }
            })
            .map_err(|e| Error::unavailable("cannot start a thread").because(e))?;
        Ok(Self { path: path.to_path_buf(), writer, readers, wake, wait })
    }

    pub(crate) async fn write<T, F, Fut>(&self, shared: &Arc<Shared>, f: F) -> Result<T>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let writer = self.turn().await?;
        let (value, durable) = self.run(writer, shared, &f)?;
        durable.await.map_err(|_| Error::unavailable("the committer is gone"))??;
        Ok(value)
    }

    /// The writer, when it is this job's turn. Where another process has the file locked, each who tries waits for that;
    /// those who waited behind one who did so in vain have waited as well, and would wait one after the other.
    async fn turn(&self) -> Result<OwnedMutexGuard<Writer>> {
        match Arc::clone(&self.writer).try_lock_owned() {
            Ok(writer) => {
                // Without a look at the clock.
                self.wait.record(Duration::ZERO);
                Ok(writer)
            }
            Err(_) => {
                let begun = Instant::now();
                let writer = Arc::clone(&self.writer).lock_owned().await;
                self.wait.record(begun.elapsed());
                if writer.was_refused(begun) {
                    return Err(Error::unavailable("the file was locked meanwhile"));
                }
                Ok(writer)
            }
        }
    }

    /// Runs one job in the open group; the receiver hears when the group is durable.
    fn run<T, F, Fut>(
        &self,
        mut writer: OwnedMutexGuard<Writer>,
        shared: &Arc<Shared>,
        f: &F,
    ) -> Result<(T, oneshot::Receiver<Result<()>>)>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        if writer.begin_job()? {
            // A full channel means that the committer has been called already.
            let _ = self.wake.try_send(());
        }
        let tx = Tx::new(Handle::Sqlite(writer), Arc::clone(shared));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll_once(f(tx.clone()))));
        let (Handle::Sqlite(mut writer), after) = tx.end()? else {
            return Err(Error::internal("a transaction changed its engine"));
        };
        match outcome {
            Ok(Ok(value)) => Ok((value, writer.keep_job(after)?)),
            Ok(Err(error)) => {
                writer.undo_job(&error);
                Err(error)
            }
            Err(panic) => {
                writer.undo_job(&Error::internal("a transaction panicked"));
                drop(writer);
                std::panic::resume_unwind(panic)
            }
        }
    }

    pub(crate) fn optional<T: FromRow>(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Option<T>> {
        self.readers.by_key(|connection| connection.optional(sql, params))
    }

    pub(crate) async fn all<T: FromRow + Send + 'static>(
        &self,
        sql: &'static str,
        params: &[&dyn Param],
    ) -> Result<Vec<T>> {
        let params: Vec<Value<'static>> = params.iter().map(|p| p.value().into_owned()).collect();
        let readers = Arc::clone(&self.readers);
        tokio::task::spawn_blocking(move || readers.list(|connection| connection.all(sql, params)))
            .await
            .map_err(|e| Error::internal("a reader stopped").because(e))?
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The writer itself, for migrations and snapshots.
    pub(crate) async fn writer(&self) -> OwnedMutexGuard<Writer> {
        Arc::clone(&self.writer).lock_owned().await
    }
}

/// Statements complete in place, so a job's future is ready at its first poll unless it awaited something else.
fn poll_once<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Error::internal("a transaction may await nothing but its own statements")),
    }
}
