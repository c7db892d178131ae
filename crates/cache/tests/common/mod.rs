//! A database of one row, whose reads can be held up, and caches before it.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses its part

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache::{Cache, Found, Guard, Key, Policy, Read, Redis};
use tokio::sync::{Semaphore, watch};

pub const BOUND: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(pub &'static str);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Key for Name {}

pub const ROW: Name = Name("row");

pub type Row = (Option<String>, i64);

/// What the caches stand before.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    row: Mutex<Row>,
    reads: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    /// Reads that have looked wait here.
    gate: Semaphore,
    /// How many have looked.
    looked: watch::Sender<usize>,
}

impl Database {
    /// With the row `one`, after the first change. Nothing holds reads up.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            row: Mutex::new((Some("one".to_owned()), 1)),
            reads: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS >> 1),
            looked: watch::Sender::new(0),
        }))
    }

    /// Reads look, and are held up with what they saw.
    pub fn hold_up(&self) {
        self.0.gate.forget_permits(usize::MAX);
    }

    pub fn let_go(&self) {
        self.0.gate.add_permits(1_000_000);
    }

    /// Waits until so many reads have looked.
    pub async fn looked(&self, reads: usize) {
        let mut looked = self.0.looked.subscribe();
        looked.wait_for(|seen| *seen >= reads).await.unwrap();
    }

    /// The next change; answers its stamp.
    pub fn write(&self, value: Option<&str>) -> i64 {
        let mut row = self.0.row.lock().unwrap();
        *row = (value.map(str::to_owned), row.1 + 1);
        row.1
    }

    pub fn read(&self) -> impl Future<Output = kernel::Result<Read<String>>> + Send + use<> {
        let db = self.clone();
        async move {
            let inner = &db.0;
            inner.reads.fetch_add(1, Ordering::Relaxed);
            let at_once = inner.at_once.fetch_add(1, Ordering::Relaxed) + 1;
            inner.most_at_once.fetch_max(at_once, Ordering::Relaxed);
            let (value, stamp) = inner.row.lock().unwrap().clone();
            inner.looked.send_modify(|seen| *seen += 1);
            inner.gate.acquire().await.unwrap().forget();
            inner.at_once.fetch_sub(1, Ordering::Relaxed);
            Ok(Read { value, stamp })
        }
    }

    pub fn reads(&self) -> usize {
        self.0.reads.load(Ordering::Relaxed)
    }

    pub fn most_at_once(&self) -> usize {
        self.0.most_at_once.load(Ordering::Relaxed)
    }
}

pub type Rows = Cache<Name, String>;

/// A process's cache; `entries` 0 leaves Redis alone to remember.
pub fn rows(entries: u64, guard: Guard, redis: Option<&Redis>) -> Rows {
    Cache::new(Policy { entries, guard, ..Policy::new("rows", BOUND) }, redis.cloned())
}

/// Asks as somebody who has seen the change `since`.
pub async fn ask(rows: &Rows, db: &Database, since: i64) -> Found<String> {
    rows.get(&ROW, since, || db.read()).await.unwrap()
}

/// Asks in the background.
pub fn asking(rows: &Rows, db: &Database) -> tokio::task::JoinHandle<Found<String>> {
    let (rows, db) = (rows.clone(), db.clone());
    tokio::spawn(async move { ask(&rows, &db, 0).await })
}

pub fn text(found: &Found<String>) -> Option<&str> {
    found.value.as_deref()
}

/// Connected to `server`.
pub async fn connected(server: &engines::Redis) -> Redis {
    let redis = Redis::open(server.url(), "test").unwrap();
    until("Redis is connected to", || redis.is_up()).await;
    redis
}

pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + engines::DEADLINE;
    while !done() {
        assert!(tokio::time::Instant::now() < deadline, "in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
