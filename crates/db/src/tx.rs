//! A transaction, as the closure of [`Db::write`](crate::Db::write) sees it.

use std::sync::{Arc, Mutex, PoisonError};

use contracts::Event;
use kernel::{Clock, Error, Result, Trace};
use tokio::sync::{Notify, OwnedMutexGuard};

use crate::causes::Causes;
use crate::postgres::Transaction;
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
    handle: Option<Handle>,
    after: After,
    causes: Causes,
}

/// What an engine gives a transaction to work on.
pub(crate) enum Handle {
    /// The writer itself: statements run in place.
    Sqlite(OwnedMutexGuard<Writer>),
    /// A connection: statements travel.
    Postgres(Arc<Transaction>),
}

/// What happens once the transaction is durable.
#[derive(Default)]
pub(crate) struct After {
    pub(crate) calls: Vec<Box<dyn FnOnce() + Send>>,
    pub(crate) outbox: Option<Arc<Notify>>,
}

impl After {
    /// Does what was asked for, and rings the bell.
    pub(crate) fn run(self) {
        for call in self.calls {
            // Others are waiting behind it.
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err() {
                tracing::error!("what was to follow a commit panicked");
            }
        }
        if let Some(bell) = self.outbox {
            bell.notify_one();
        }
    }
}

impl Tx {
    pub(crate) fn new(handle: Handle, shared: Arc<Shared>) -> Self {
        Self(Arc::new(Inner {
            shared,
            state: Mutex::new(State {
                handle: Some(handle),
                after: After::default(),
                causes: Causes::default(),
            }),
        }))
    }

    /// Takes the connection back; every later use of a clone is an error.
    pub(crate) fn end(&self) -> Result<(Handle, After)> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = state.handle.take().ok_or_else(ended)?;
        Ok((handle, std::mem::take(&mut state.after)))
    }

    /// Does something in place, or answers the transaction that it has to travel to.
    fn here<T>(&self, f: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T, Result<Arc<Transaction>>> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut state.handle {
            Some(Handle::Sqlite(writer)) => f(writer).map_err(Err),
            Some(Handle::Postgres(transaction)) => Err(Ok(Arc::clone(transaction))),
            None => Err(Err(ended())),
        }
    }

    /// Whether several processes may share this database.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.shared.is_shared
    }

    /// The clock of the database.
    pub fn clock(&self) -> &Clock {
        &self.0.shared.clock
    }

    /// Has a statement ready to be sent at once, where it has to be sent.
    pub(crate) async fn prepared(&self, sql: &'static str) {
        if let Err(Ok(transaction)) = self.here(|_| Ok(())) {
            transaction.prepare(sql).await;
        }
    }

    /// Runs a statement; answers how many rows it changed.
    ///
    /// # Errors
    /// `Unavailable` or `Internal`, as the engine says.
    pub async fn execute(&self, sql: &'static str, params: &[&dyn Param]) -> Result<u64> {
        match self.here(|w| w.connection.execute(sql, params)) {
            Err(Ok(transaction)) => Ok(Box::pin(transaction.run(sql, params)).await?.changed()),
            Err(Err(error)) => Err(error),
            Ok(changed) => Ok(changed),
        }
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn optional<T: FromRow>(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Option<T>> {
        match self.here(|w| w.connection.optional(sql, params)) {
            Err(Ok(transaction)) => Box::pin(transaction.run(sql, params)).await?.first(),
            Err(Err(error)) => Err(error),
            Ok(row) => Ok(row),
        }
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
        match self.here(|w| w.connection.all(sql, params)) {
            Err(Ok(transaction)) => Box::pin(transaction.run(sql, params)).await?.all(),
            Err(Err(error)) => Err(error),
            Ok(rows) => Ok(rows),
        }
    }

    /// Calls `f` once this transaction is durable, in the order of commits; never if it is rolled back.
    /// `f` must be quick: it runs on the committer.
    pub fn after_commit(&self, f: impl FnOnce() + Send + 'static) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).after.calls.push(Box::new(f));
    }

    /// Says that what this transaction records about any of these things, by the bits of their ids
    /// ([`Event::about`]), follows from work in `trace`: for a transaction that does the work of several traces. The
    /// work at hand is not the cause of anything then.
    pub fn caused_by(&self, things: impl IntoIterator<Item = u128>, trace: Trace) {
        if traces::is_on() {
            let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.causes.note(things, trace);
        }
    }

    /// What an event that is recorded here follows from.
    pub(crate) fn trace_of(&self, event: &Event) -> Trace {
        if !traces::is_on() {
            return Trace::NONE;
        }
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.causes.of(event.about()).unwrap_or_else(traces::current)
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
