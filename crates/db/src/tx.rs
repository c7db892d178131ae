//! A transaction, as the closure of [`Db::write`](crate::Db::write) sees it.

use std::sync::{Arc, Mutex, PoisonError};

use kernel::{Clock, Error, Result};
use tokio::sync::{Notify, OwnedMutexGuard};

use crate::sqlite::Writer;
use crate::{FromRow, Param, Shared, no_row};

/// A handle on the running transaction. It is dead once its closure has ended.
#[derive(Clone)]
pub struct Tx(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    state: Mutex<State>,
}

struct State {
    writer: Option<OwnedMutexGuard<Writer>>,
    after: After,
}

/// What happens once the transaction is durable.
#[derive(Default)]
pub(crate) struct After {
    pub(crate) calls: Vec<Box<dyn FnOnce() + Send>>,
    pub(crate) outbox: Option<Arc<Notify>>,
}

impl Tx {
    pub(crate) fn new(writer: OwnedMutexGuard<Writer>, shared: Arc<Shared>) -> Self {
        Self(Arc::new(Inner {
            shared,
            state: Mutex::new(State { writer: Some(writer), after: After::default() }),
        }))
    }

    /// Takes the connection back; every later use of a clone is an error.
    pub(crate) fn end(&self) -> Result<(OwnedMutexGuard<Writer>, After)> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = state.writer.take().ok_or_else(ended)?;
        Ok((writer, std::mem::take(&mut state.after)))
    }

    fn with<T>(&self, f: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        f(state.writer.as_mut().ok_or_else(ended)?)
    }

    /// The clock of the database.
    pub fn clock(&self) -> &Clock {
        &self.0.shared.clock
    }

    /// Runs a statement; answers how many rows it changed.
    ///
    /// # Errors
    /// `Unavailable` or `Internal`, as the engine says.
    pub async fn execute(&self, sql: &'static str, params: &[&dyn Param]) -> Result<u64> {
        self.with(|w| w.connection.execute(sql, params))
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn optional<T: FromRow>(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Option<T>> {
        self.with(|w| w.connection.optional(sql, params))
    }

    /// The one row that must be there.
    ///
    /// # Errors
    /// As [`Tx::execute`]; `Internal` if it is not.
    pub async fn one<T: FromRow>(&self, sql: &'static str, params: &[&dyn Param]) -> Result<T> {
        self.optional(sql, params).await?.ok_or_else(|| no_row(sql))
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn all<T: FromRow>(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Vec<T>> {
        self.with(|w| w.connection.all(sql, params))
    }

    /// Calls `f` once this transaction is durable, in the order of commits; never if it is rolled back.
    /// `f` must be quick: it runs on the committer.
    pub fn after_commit(&self, f: impl FnOnce() + Send + 'static) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).after.calls.push(Box::new(f));
    }

    /// Rings the relay's bell once this transaction is durable.
    pub(crate) fn wake_relay(&self) {
        let bell = Arc::clone(&self.0.shared.outbox);
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).after.outbox = Some(bell);
    }
}

fn ended() -> Error {
    Error::internal("a transaction was used after its end")
}
