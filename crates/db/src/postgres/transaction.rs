//! A transaction on PostgreSQL. `BEGIN` travels with the first statement. However it ends, by commit,
//! by an error, by a panic, or because nobody waits for it any more, its connection goes back clean or not at all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deadpool::managed::Object;
use futures_util::future::{OptionFuture, join};

use super::connection::{Connector, Done};
use super::failure::Failure;
use crate::Param;

/// How long a rollback may take before the connection is given up.
const ROLLBACK: Duration = Duration::from_secs(1);

pub(crate) struct Transaction {
    /// There until the transaction has ended.
    connection: Option<Object<Connector>>,
    begun: AtomicBool,
    /// What failed first: everything after it fails for that reason alone.
    failed: Mutex<Option<Failure>>,
}

impl Transaction {
    pub(super) fn new(connection: Object<Connector>) -> Self {
        Self { connection: Some(connection), begun: AtomicBool::new(false), failed: Mutex::default() }
    }

    /// Has a statement ready to be sent at once. What is wrong with it is heard when it is run.
    pub(crate) async fn prepare(&self, sql: &'static str) {
        if let Some(connection) = &self.connection {
            let _ = connection.prepared(sql).await;
        }
    }

    /// Runs a statement.
    pub(crate) async fn run(&self, sql: &'static str, params: &[&dyn Param]) -> kernel::Result<Done> {
        let Some(connection) = &self.connection else {
            return Err(kernel::Error::internal("a transaction was used after its end"));
        };
        let first = !self.begun.swap(true, Ordering::SeqCst);
        let begin: OptionFuture<_> = first.then(|| connection.script("BEGIN")).into();
        // Polled in this order, so sent in this order, and answered in one round trip.
        let (began, done) = join(begin, connection.run(sql, params)).await;
        began.unwrap_or(Ok(())).and(done).map_err(|failure| {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            if failed.as_ref().is_some_and(|first| first.echo) {
                *failed = None;
            }
            failed.get_or_insert(failure).error.clone()
        })
    }

    /// What made it impossible to commit. A closure may have swallowed it, and `COMMIT` would not tell:
    /// after an error it rolls back and says nothing.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes it durable.
    pub(super) async fn commit(mut self, limit: Duration) -> Result<(), Failure> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        if !self.begun.load(Ordering::SeqCst) {
            return Ok(());
        }
        match tokio::time::timeout(limit, connection.script("COMMIT")).await {
            Ok(Ok(())) => Ok(()),
            // Whether it was committed is not known, so it is not run again.
            Ok(Err(failure)) => {
                drop(Object::take(connection));
                Err(Failure { attempts: 1, ..failure })
            }
            Err(_) => {
                drop(Object::take(connection));
                Err(Failure::away("the commit was not answered in time"))
            }
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let lost = self.failure().is_some_and(|failure| failure.lost);
        if !self.begun.load(Ordering::SeqCst) && !lost {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !lost => {
                runtime.spawn(async move {
                    let undone = tokio::time::timeout(ROLLBACK, connection.script("ROLLBACK")).await;
                    if !matches!(undone, Ok(Ok(()))) {
                        drop(Object::take(connection));
                    }
                });
            }
            // Closing it rolls back.
            _ => drop(Object::take(connection)),
        }
    }
}
