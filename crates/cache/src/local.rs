//! What this process remembers, and who is reading at the moment.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, Shared};
use moka::sync::Cache;
use tokio::time::Instant;

use crate::entry::{Entry, Found, Key};
use crate::policy::Guard;

/// One read that all wait for who ask for the same key meanwhile.
pub(crate) type Flight<V> = Shared<BoxFuture<'static, kernel::Result<Found<V>>>>;

pub(crate) struct Local<K, V> {
    entries: Option<Cache<K, Entry<V>>>,
    flights: Mutex<HashMap<K, Flying<V>>>,
    guard: Guard,
}

struct Flying<V> {
    flight: Flight<V>,
    lease: u64,
}

impl<K: Key, V: Clone + Send + Sync + 'static> Local<K, V> {
    /// At most `entries`, none kept for longer than `life`.
    pub(crate) fn new(entries: u64, life: Duration, guard: Guard) -> Self {
        let cache = || Cache::builder().max_capacity(entries).time_to_live(life).build();
        Self { entries: (entries > 0).then(cache), flights: Mutex::default(), guard }
    }

    /// What is remembered and was true as of the change `since`, or later.
    pub(crate) fn get(&self, key: &K, since: i64, now: Instant) -> Option<Entry<V>> {
        let entry = self.entries.as_ref()?.get(key)?;
        let seen = entry.stamp >= since || self.guard == Guard::Nothing;
        (now < entry.ends_at && seen).then_some(entry)
    }

    /// What is remembered as [`Local::get`] has it, or the read of `key` that is under way, or the one that `start` makes.
    ///
    /// That read has `lease`, which [`Local::fill`] asks for and a write takes away. It must end by [`Local::land`].
    pub(crate) fn board(
        &self,
        key: &K,
        since: i64,
        lease: u64,
        start: impl FnOnce() -> Flight<V>,
    ) -> Result<Entry<V>, Flight<V>> {
        let mut flights = self.flights();
        // Once more: the read that was under way may just have ended.
        if let Some(entry) = self.get(key, since, Instant::now()) {
            return Ok(entry);
        }
        let flying = flights.entry(key.clone()).or_insert_with(|| Flying { flight: start(), lease });
        Err(flying.flight.clone())
    }

    /// Remembers what was read under `lease`; answers whether it did. Not if a write has come between.
    pub(crate) fn fill(&self, key: &K, lease: u64, entry: Entry<V>) -> bool {
        // Whoever fills or writes does so under this lock, so that nothing comes between looking and doing.
        let mut flights = self.flights();
        let held = remove(&mut flights, key, lease) || self.guard == Guard::Nothing;
        if held {
            self.put(key, entry);
        }
        held
    }

    /// A read has ended and found nothing to remember.
    pub(crate) fn land(&self, key: &K, lease: u64) {
        remove(&mut self.flights(), key, lease);
    }

    /// Remembers what was written. Reads that are under way may have seen what was before: they fill no more, and who
    /// asks from now on does not wait for them.
    pub(crate) fn write(&self, key: &K, entry: Entry<V>) {
        let mut flights = self.flights();
        if self.guard == Guard::Compare {
            flights.remove(key);
        }
        self.put(key, entry);
    }

    /// Forgets what is older than the change `stamp`.
    pub(crate) fn forget(&self, key: &K, stamp: i64) {
        let mut flights = self.flights();
        if self.guard == Guard::Compare {
            flights.remove(key);
        }
        if let Some(entries) = &self.entries
            && entries.get(key).is_some_and(|entry| entry.stamp < stamp)
        {
            entries.invalidate(key);
        }
    }

    fn put(&self, key: &K, entry: Entry<V>) {
        let Some(entries) = &self.entries else { return };
        let newer = entries.get(key).is_some_and(|known| known.stamp > entry.stamp);
        if !newer || self.guard == Guard::Nothing {
            entries.insert(key.clone(), entry);
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<K, Flying<V>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the flight of `key` away if it is the one with `lease`.
fn remove<K: Key, V>(flights: &mut HashMap<K, Flying<V>>, key: &K, lease: u64) -> bool {
    let held = flights.get(key).is_some_and(|flying| flying.lease == lease);
    if held {
        flights.remove(key);
    }
    held
}
