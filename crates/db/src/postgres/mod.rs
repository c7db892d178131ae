//! PostgreSQL: a pool of connections, transactions whose statements are pipelined, and repetitions of
//! those that the server asks to run again.

mod connection;
mod failure;
mod limits;
mod transaction;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Object, Pool, PoolError, Timeouts};
use kernel::{Error, Result};
use tokio::time::{Instant, timeout, timeout_at};

use self::connection::{Connection, Connector, Done};
use self::failure::Failure;
pub use self::limits::Limits;
pub(crate) use self::transaction::Transaction;
use crate::meters::{PostgresMeters, observe_pool};
use crate::tx::Handle;
use crate::{FromRow, Param, Row, Shared, Tx};

/// The pause before the second attempt; it doubles, up to [`LONGEST_PAUSE`], and is cut by chance.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct Postgres {
    pool: Pool<Connector>,
    limits: Limits,
    meters: PostgresMeters,
}

impl Postgres {
    /// For the server at `url`. Connects when it is first used.
    pub(crate) fn new(url: &str, schema: &'static str, limits: Limits) -> Result<Self> {
        let connector = Connector::new(url, schema, &limits)?;
        let timeouts =
            Timeouts { wait: Some(limits.wait), create: Some(limits.connect), recycle: Some(limits.connect) };
        let pool = Pool::builder(connector)
            .max_size(limits.connections)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|e| Error::internal("no pool of connections").because(e))?;
        Ok(Self { pool, limits, meters: PostgresMeters::new(schema) })
    }

    pub(crate) async fn write<T, F, Fut>(&self, shared: &Arc<Shared>, f: F) -> Result<T>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let deadline = Instant::now() + self.limits.write;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let failure = match timeout_at(deadline, self.attempt(shared, &f)).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(failure)) => failure,
                Err(_) => return Err(Error::unavailable("the database did not answer in time")),
            };
            if attempt >= failure.attempts {
                return Err(failure.error);
            }
            self.meters.repeats.increment(1);
            tokio::time::sleep(pause(attempt)).await;
        }
    }

    async fn attempt<T, F, Fut>(&self, shared: &Arc<Shared>, f: &F) -> Result<T, Failure>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let transaction = Arc::new(Transaction::new(self.connection().await?));
        let tx = Tx::new(Handle::Postgres(Arc::clone(&transaction)), Arc::clone(shared));
        let outcome = f(tx.clone()).await;
        let (handle, after) = tx.end()?;
        drop(handle);
        let transaction = Arc::into_inner(transaction)
            .ok_or_else(|| Error::internal("a statement outlived its transaction"))?;
        if let Some(failure) = transaction.failure() {
            return Err(failure);
        }
        let value = outcome?;
        let (limit, seconds) = (self.limits.statement, self.meters.commit.clone());
        // On its own feet: a caller who goes away now must not leave what follows a commit undone.
        let committed = tokio::spawn(async move {
            let begun = Instant::now();
            let committed = transaction.commit(limit).await;
            seconds.record(begun.elapsed());
            committed?;
            after.run();
            Ok::<(), Failure>(())
        });
        committed.await.map_err(|e| Error::internal("a commit panicked").because(e))??;
        Ok(value)
    }

    pub(crate) async fn optional<T: FromRow>(
        &self,
        sql: &'static str,
        params: &[&dyn Param],
    ) -> Result<Option<T>> {
        self.read(sql, params).await?.first()
    }

    pub(crate) async fn all<T: FromRow>(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Vec<T>> {
        self.read(sql, params).await?.all()
    }

    /// Reads; once more on another connection if the first one turns out to be broken.
    async fn read(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Done> {
        let late = || Error::unavailable("the database did not answer in time");
        let mut last = late();
        for _ in 0..2 {
            let lent = Lent(Some(self.connection().await.map_err(|failure| failure.error)?));
            match timeout(self.limits.statement, lent.run(sql, params)).await {
                Ok(Ok(done)) => {
                    lent.give_back();
                    return Ok(done);
                }
                Ok(Err(failure)) if !failure.lost => {
                    lent.give_back();
                    return Err(failure.error);
                }
                Ok(Err(failure)) => last = failure.error,
                Err(_) => return Err(late()),
            }
        }
        Err(last)
    }

    async fn connection(&self) -> Result<Object<Connector>, Failure> {
        let begun = Instant::now();
        let connection = self.pool.get().await;
        self.meters.wait.record(begun.elapsed());
        connection.map_err(|error| match error {
            // The next one may be better: a server that restarts closes all of them at once.
            PoolError::Backend(failure) => failure,
            PoolError::Timeout(_) => Failure::away("no connection to the database in time"),
            other => Error::unavailable("no connection to the database").because(other).into(),
        })
    }

    /// Notes how the pool is.
    pub(crate) fn observe(&self, name: &'static str) {
        observe_pool(name, &self.pool.status());
    }

    /// A connection of its own, without a limit to its statements, for migrations.
    pub(crate) async fn unbounded(&self) -> Result<Script> {
        let connecting = timeout(self.limits.connect, self.pool.manager().connect());
        let away = |_| Error::unavailable("the database did not answer in time");
        let connection = connecting.await.map_err(away)?.map_err(|failure| failure.error)?;
        let script = Script(connection);
        script.run("SET statement_timeout = 0").await?;
        Ok(script)
    }
}

/// A connection that goes back to the pool once its answer was read, and not before: whoever gives up midway, or
/// goes away, takes it along, lest the next statement wait behind an answer that nobody wants.
struct Lent(Option<Object<Connector>>);

impl Lent {
    async fn run(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Done, Failure> {
        match &self.0 {
            Some(connection) => connection.run(sql, params).await,
            None => Err(Failure::away("the connection is gone")),
        }
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

impl Done {
    pub(crate) fn changed(&self) -> u64 {
        self.changed
    }

    pub(crate) fn first<T: FromRow>(&self) -> Result<Option<T>> {
        self.rows.first().map(|row| T::from_row(&Row(row))).transpose()
    }

    pub(crate) fn all<T: FromRow>(&self) -> Result<Vec<T>> {
        self.rows.iter().map(|row| T::from_row(&Row(row))).collect()
    }
}

/// A connection that runs scripts.
pub(crate) struct Script(Connection);

impl Script {
    pub(crate) async fn run(&self, sql: &str) -> Result<()> {
        self.0.script(sql).await.map_err(|failure| failure.error)
    }

    pub(crate) async fn all<T: FromRow>(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Vec<T>> {
        self.0.run(sql, params).await.map_err(|failure| failure.error)?.all()
    }
}

/// Half of the doubled pause for certain, the other half by chance, so that two do not meet again.
fn pause(attempt: u32) -> Duration {
    let longest = (PAUSE * 2u32.saturating_pow(attempt.min(8))).min(LONGEST_PAUSE);
    let chance =
        f64::from(std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.subsec_nanos()) % 1_000)
            / 1_000.0;
    longest.mul_f64(0.5 + chance / 2.0)
}
