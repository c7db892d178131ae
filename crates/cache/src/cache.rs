//! The cache: this process first, then Redis, then the database.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use kernel::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::entry::{Entry, Found, Key, Read, Source};
use crate::local::{Boarding, Local};
use crate::meters::Meters;
use crate::policy::{Guard, Lives, Policy};
use crate::redis::{Asked, Lease, Redis};

/// Rows by their keys, remembered for a while. Clones share it.
pub struct Cache<K, V>(Arc<Inner<K, V>>);

struct Inner<K, V> {
    policy: Policy,
    lives: Lives,
    local: Local<K, V>,
    redis: Option<Redis>,
    leases: AtomicU64,
    loads: Semaphore,
    meters: Meters,
}

/// How often somebody looks whether others read for them, before they do so themselves.
const TRIES: usize = 3;

/// A read that is given up when this is dropped, unless it has landed.
struct Flight<'a, K: Key, V: Clone + Send + Sync + 'static> {
    local: &'a Local<K, V>,
    key: &'a K,
    lease: u64,
}

impl<K: Key, V: Clone + Send + Sync + 'static> Drop for Flight<'_, K, V> {
    fn drop(&mut self) {
        self.local.land(self.key, self.lease, None);
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Cache<K, V>
where
    K: Key,
    V: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// An empty one; what is in `redis` of an earlier run counts.
    pub fn new(policy: Policy, redis: Option<Redis>) -> Self {
        Self(Arc::new(Inner {
            lives: Lives::new(&policy, redis.is_some()),
            local: Local::new(policy.entries, policy.bound, policy.guard),
            redis,
            leases: AtomicU64::new(0),
            loads: Semaphore::new(policy.loads),
            meters: Meters::new(&policy),
            policy,
        }))
    }

    /// What this process remembers of `key`, if that was true as of the change `since` or later. Asks nobody.
    pub fn peek(&self, key: &K, since: i64) -> Option<Found<V>> {
        let found = self.0.local.get(key, since, Instant::now())?.found(Source::Process);
        self.0.meters.answered(found.source, found.age());
        Some(found)
    }

    /// What is at `key`, true as of the change `since` or later if the database has come as far, and never from longer
    /// before this call than [`Policy::bound`]. However many ask, `load` reads the database once for all of them.
    ///
    /// # Errors
    /// Those of `load`; never one of Redis.
    pub async fn get<F>(&self, key: &K, since: i64, load: impl Fn() -> F) -> Result<Found<V>>
    where
        F: Future<Output = Result<Read<V>>>,
    {
        if let Some(found) = self.peek(key, since) {
            return Ok(found);
        }
        let found = self.look(key, since, load).await?;
        self.0.meters.answered(found.source, found.age());
        Ok(found)
    }

    async fn look<F>(&self, key: &K, since: i64, load: impl Fn() -> F) -> Result<Found<V>>
    where
        F: Future<Output = Result<Read<V>>>,
    {
        let asked = Instant::now();
        for _ in 0..TRIES {
            let lease = self.0.leases.fetch_add(1, Ordering::Relaxed);
            let found = match self.0.local.board(key, since, lease) {
                Boarding::Remembered(entry) => entry.found(Source::Process),
                Boarding::Reading => self.read_for_all(key, since, lease, load()).await?,
                Boarding::Waiting(landing) => match landing.await {
                    Ok(found) => found?,
                    // Whoever read has left, or somebody wrote.
                    Err(_) => continue,
                },
            };
            // A read that was under way when we came may know too little for us, or be too old.
            if self.is_good(&found, since, asked) {
                return Ok(found);
            }
        }
        Ok(self.0.read(key, load()).await?.found(Source::Database))
    }

    /// What was read after it was asked for is as good as if whoever `asked` had read it, however long that took, and
    /// whatever they say they have seen.
    fn is_good(&self, found: &Found<V>, since: i64, asked: Instant) -> bool {
        let seen = found.stamp >= since || self.0.policy.guard == Guard::Nothing;
        let read_since = found.source == Source::Database && found.read_at >= asked;
        read_since || (seen && found.age() <= self.0.policy.bound)
    }

    async fn read_for_all<F>(&self, key: &K, since: i64, lease: u64, load: F) -> Result<Found<V>>
    where
        F: Future<Output = Result<Read<V>>>,
    {
        let flight = Flight { local: &self.0.local, key, lease };
        let looking = AssertUnwindSafe(self.0.look(key, since, lease, load)).catch_unwind();
        let found = looking.await.unwrap_or_else(|_| Err(Error::internal("a read for the cache panicked")));
        flight.local.land(key, lease, Some(&found));
        found
    }

    /// Remembers in this process what was written by the change `stamp`: nobody here is told what was before it from now
    /// on. It is quick enough to be called as the change becomes durable. `written_at` is before the change was committed,
    /// for from then on it may have been superseded.
    pub fn wrote_here(&self, key: &K, value: Option<V>, stamp: i64, written_at: Instant) {
        let entry = self.0.entry(key, Read { value, stamp }, written_at);
        self.0.local.write(key, entry);
    }

    /// Remembers in Redis what was written by the change `stamp`, for all processes; `written_at` as in
    /// [`Cache::wrote_here`]. If Redis is away, what it remembers ends with its time.
    pub async fn wrote(&self, rows: &[(K, Option<V>)], stamp: i64, written_at: Instant) {
        let Some(redis) = &self.0.redis else { return };
        let all = rows.iter().map(|(key, value)| async move {
            let name = self.0.name(key);
            let entry = self.0.entry(key, Read { value: value.clone(), stamp }, written_at);
            if let Some(Some(lease)) = redis.supersede(&name, stamp, self.0.policy.bound).await {
                redis.fill(&name, &lease, &entry, self.0.policy.guard).await;
            }
        });
        join_all(all).await;
    }

    /// Forgets here and in Redis what is older than the change `stamp`, which was made by whoever it was.
    pub async fn forget(&self, keys: &[K], stamp: i64) {
        self.forget_here(keys, stamp);
        let Some(redis) = &self.0.redis else { return };
        let all = keys.iter().map(|key| async move {
            redis.forget(&self.0.name(key), stamp, self.0.policy.bound).await;
        });
        join_all(all).await;
        // Meanwhile somebody here may have been told by Redis what was before.
        self.forget_here(keys, stamp);
    }

    fn forget_here(&self, keys: &[K], stamp: i64) {
        for key in keys {
            self.0.local.forget(key, stamp);
        }
    }

    /// Brings those metrics up to date that are read rather than counted. To be called inside a runtime: Redis is asked
    /// whether it is there.
    pub fn observe(&self) {
        self.0.meters.observe();
        if let Some(redis) = &self.0.redis {
            redis.probe();
        }
    }

    /// No answer is older than this.
    pub fn bound(&self) -> Duration {
        self.0.policy.bound
    }
}

impl<K, V> Inner<K, V>
where
    K: Key,
    V: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Redis, then the database; what is found is remembered.
    async fn look<F>(&self, key: &K, since: i64, lease: u64, load: F) -> Result<Found<V>>
    where
        F: Future<Output = Result<Read<V>>>,
    {
        let name = self.name(key);
        let asked = match &self.redis {
            Some(redis) => {
                redis.ask(&name, if self.policy.guard == Guard::Nothing { i64::MIN } else { since }).await
            }
            None => Asked::Away,
        };
        let shared: Option<Lease> = match asked {
            Asked::Found(entry) => {
                let found = entry.clone().found(Source::Redis);
                self.local.fill(key, lease, entry);
                return Ok(found);
            }
            Asked::Nothing(lease) => lease,
            Asked::Away => None,
        };
        let entry = self.read(key, load).await?;
        if !self.local.fill(key, lease, entry.clone()) {
            self.meters.refused.increment(1);
        }
        let found = entry.clone().found(Source::Database);
        if let (Some(redis), Some(lease)) = (&self.redis, shared)
            && redis.fill(&name, &lease, &entry, self.policy.guard).await == Some(false)
        {
            self.meters.refused.increment(1);
        }
        Ok(found)
    }

    /// Reads the database, in turn.
    async fn read<F>(&self, key: &K, load: F) -> Result<Entry<V>>
    where
        F: Future<Output = Result<Read<V>>>,
    {
        let _turn = self.loads.acquire().await;
        self.meters.loads.increment(1);
        let began = Instant::now();
        Ok(self.entry(key, load.await?, began))
    }

    fn entry(&self, key: &K, read: Read<V>, read_at: Instant) -> Entry<V> {
        let Read { value, stamp } = read;
        let ends_at = read_at + self.lives.of(key, value.is_none());
        Entry { value, stamp, read_at, ends_at }
    }

    fn name(&self, key: &K) -> String {
        format!("{}:{key}", self.policy.name)
    }
}
