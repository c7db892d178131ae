//! One [`Db`] over the engines. It is the only place that knows which engine runs: services write each
//! statement once, in the dialect the engines share (`TEXT`, `BIGINT`, `BOOLEAN`, `DOUBLE PRECISION`;
//! `$n` parameters; `ON CONFLICT … RETURNING`), and hand it here.
//!
//! [`Db::write`] is one transaction and returns when it is durable; commits are made in groups. In the
//! same transaction a service records what it announces ([`Tx::emit`], the outbox), what it has heard
//! ([`Tx::first_time`], the inbox) and what it answered ([`Tx::remember`], idempotency keys).

mod causes;
mod dead_letters;
mod feed;
mod idempotency;
mod inbox;
mod lane;
mod leases;
mod location;
mod many;
mod meters;
mod migrate;
mod outbox;
mod postgres;
mod sqlite;
mod statements;
mod tx;
mod value;
mod waiting;

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{Clock, Result};
use tokio::sync::Notify;
use tokio::time::Instant;
use waiting::Waiters;

pub use dead_letters::DeadLetter;
pub use feed::Feed;
pub use idempotency::{IdempotencyKey, Recall, StoredAnswer};
pub use lane::Lane;
pub use leases::{LEASE, Lease};
pub use location::Location;
pub use many::Many;
pub use meters::describe_metrics;
pub use migrate::Migration;
pub use outbox::{COUNTED, Recorded};
pub use postgres::Limits;
pub use sqlite::snapshot;
pub use tx::Tx;
pub use value::{Column, FromRow, Param, Row, Value};

/// A service's database. Clones share it.
#[derive(Clone)]
pub struct Db {
    engine: Engine,
    shared: Arc<Shared>,
}

#[derive(Clone)]
enum Engine {
    Sqlite(Arc<sqlite::Sqlite>),
    Postgres(Arc<postgres::Postgres>),
}

struct Shared {
    name: &'static str,
    clock: Clock,
    is_shared: bool,
    /// Rung after a commit that put something into the outbox.
    outbox: Arc<Notify>,
    /// Those who wait in its lanes.
    waiters: Mutex<Vec<Arc<Waiters>>>,
}

impl Db {
    /// Opens (and makes, where absent) the SQLite file at `path`. `name` labels its metrics: the service's name.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be opened or is not a database.
    pub fn open_sqlite(path: &Path, name: &'static str, clock: Clock) -> Result<Self> {
        let engine = Engine::Sqlite(Arc::new(sqlite::Sqlite::open(path, name)?));
        Ok(Self::on(engine, name, clock))
    }

    /// The schema `name` on the PostgreSQL server at `url`. It is connected to when first used.
    ///
    /// # Errors
    /// `Invalid` if `url` is not an address.
    pub fn open_postgres(url: &str, name: &'static str, clock: Clock, limits: Limits) -> Result<Self> {
        let engine = Engine::Postgres(Arc::new(postgres::Postgres::new(url, name, limits)?));
        Ok(Self::on(engine, name, clock))
    }

    fn on(engine: Engine, name: &'static str, clock: Clock) -> Self {
        let is_shared = matches!(engine, Engine::Postgres(_));
        Self {
            engine,
            shared: Arc::new(Shared {
                name,
                clock,
                is_shared,
                outbox: Arc::default(),
                waiters: Mutex::default(),
            }),
        }
    }

    /// Opens the database at `location`; see [`Db::open_sqlite`].
    ///
    /// # Errors
    /// As there; `Invalid` for an address that is none.
    pub fn open(location: &Location, name: &'static str, clock: Clock) -> Result<Self> {
        match location {
            Location::File(path) => Self::open_sqlite(path, name, clock),
            Location::Server { url, limits } => Self::open_postgres(url, name, clock, limits.clone()),
        }
    }

    /// Whether several processes may share this database.
    pub fn is_shared(&self) -> bool {
        self.shared.is_shared
    }

    /// The name given at opening.
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    /// The clock that stamps events and answers.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Runs `f` as one transaction and returns its value once it is durable. An error from `f` rolls back.
    ///
    /// `f` may await nothing but its [`Tx`], has no effect outside it (use [`Tx::after_commit`]), and may
    /// run more than once.
    ///
    /// # Errors
    /// Those of `f`; `Unavailable` if the commit failed, and then nothing of it happened as far as
    /// anybody was told; `Internal` if `f` awaited something else.
    pub async fn write<T, F, Fut>(&self, f: F) -> Result<T>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.write(&self.shared, f).await,
            // In a place of its own: what travels is large, and all futures that write would carry it.
            Engine::Postgres(postgres) => Box::pin(postgres.write(&self.shared, f)).await,
        }
    }

    /// The first row of a query, if there is one. For reads by key.
    ///
    /// # Errors
    /// `Unavailable` or `Internal`, as the engine says.
    pub async fn optional<T: FromRow>(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Option<T>> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.optional(sql, params),
            Engine::Postgres(postgres) => Box::pin(postgres.optional(sql, params)).await,
        }
    }

    /// The one row of a query that always has one (an aggregate, say).
    ///
    /// # Errors
    /// As [`Db::optional`]; `Internal` if there is no row.
    pub async fn one<T: FromRow>(&self, sql: &'static str, params: &[&dyn Param]) -> Result<T> {
        self.optional(sql, params).await?.ok_or_else(|| no_row(sql))
    }

    /// All rows of a query. The query itself has the bound (`LIMIT`).
    ///
    /// # Errors
    /// As [`Db::optional`].
    pub async fn all<T: FromRow + Send + 'static>(
        &self,
        sql: &'static str,
        params: &[&dyn Param],
    ) -> Result<Vec<T>> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.all(sql, params).await,
            Engine::Postgres(postgres) => Box::pin(postgres.all(sql, params)).await,
        }
    }

    /// How long the oldest of those has waited who wait in a lane of this database; nothing if nobody does.
    pub fn oldest_waiting(&self) -> Duration {
        let now = Instant::now();
        self.lanes().iter().map(|lane| lane.oldest(now)).max().unwrap_or_default()
    }

    /// How many wait in its lanes.
    pub fn waiting(&self) -> usize {
        self.lanes().iter().map(|lane| lane.len()).sum()
    }

    /// The callers of one more lane.
    fn waiters(&self) -> Arc<Waiters> {
        let waiters = Arc::new(Waiters::new());
        self.lanes().push(Arc::clone(&waiters));
        waiters
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<Arc<Waiters>>> {
        self.shared.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings those metrics up to date that are read rather than counted: how the lanes and the pool are. Asks nobody.
    pub fn observe(&self) {
        meters::observe_lanes(self.name(), self.waiting(), self.oldest_waiting());
        if let Engine::Postgres(postgres) = &self.engine {
            postgres.observe(self.name());
        }
    }

    /// Whether the engine answers.
    ///
    /// # Errors
    /// What it says instead.
    pub async fn ping(&self) -> Result<()> {
        self.one::<(i64,)>("SELECT 1", &[]).await.map(drop)
    }
}

fn no_row(sql: &str) -> kernel::Error {
    kernel::Error::internal(format!("no row where there must be one: {sql}"))
}
