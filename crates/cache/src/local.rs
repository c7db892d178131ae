//! What this process remembers, and who is reading at the moment.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::Result;
use moka::sync::Cache;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::entry::{Entry, Found, Key};
use crate::policy::Guard;

/// What a read came to, for all who waited.
type Outcome<V> = Result<Found<V>>;

/// What becomes of somebody who asks for a key.
pub(crate) enum Boarding<V> {
    /// It is remembered.
    Remembered(Entry<V>),
    /// A read of it is under way. An error if that came to no end: ask again.
    Waiting(oneshot::Receiver<Outcome<V>>),
    /// They read, for whoever asks meanwhile as well, and say by [`Local::land`] how that went.
    Reading,
}

pub(crate) struct Local<K, V> {
    entries: Option<Cache<K, Entry<V>>>,
    flights: Mutex<HashMap<K, Flight<V>>>,
    guard: Guard,
}

/// A read that is under way.
struct Flight<V> {
    lease: u64,
    waiting: Vec<oneshot::Sender<Outcome<V>>>,
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

    /// What is remembered as [`Local::get`] has it, or a place in the read of `key` that is under way, or the task to make
    /// one. That one has `lease`, which [`Local::fill`] asks for and a write takes away.
    pub(crate) fn board(&self, key: &K, since: i64, lease: u64) -> Boarding<V> {
        let mut flights = self.flights();
        // Once more: the read that was under way may just have ended.
        if let Some(entry) = self.get(key, since, Instant::now()) {
            return Boarding::Remembered(entry);
        }
        if let Some(flight) = flights.get_mut(key) {
            let (sender, receiver) = oneshot::channel();
            flight.waiting.push(sender);
            return Boarding::Waiting(receiver);
        }
        flights.insert(key.clone(), Flight { lease, waiting: Vec::new() });
        Boarding::Reading
    }

    /// Remembers what was read under `lease`; answers whether it did. Not if a write has come between.
    pub(crate) fn fill(&self, key: &K, lease: u64, entry: Entry<V>) -> bool {
        // Whoever fills or writes does so under this lock, so that nothing comes between looking and doing.
        let flights = self.flights();
        let held = flights.get(key).is_some_and(|flight| flight.lease == lease);
        if held || self.guard == Guard::Nothing {
            self.put(key, entry);
            return true;
        }
        false
    }

    /// The read with `lease` has ended, and this is for all who waited; `None` if it was given up, and they ask again.
    pub(crate) fn land(&self, key: &K, lease: u64, outcome: Option<&Outcome<V>>) {
        let mut flights = self.flights();
        if flights.get(key).is_none_or(|flight| flight.lease != lease) {
            return;
        }
        let waiting = flights.remove(key).map(|flight| flight.waiting).unwrap_or_default();
        drop(flights);
        for (one, outcome) in waiting.into_iter().zip(outcome.into_iter().cycle()) {
            // Whoever has left needs no answer.
            let _ = one.send(outcome.clone());
        }
    }

    /// Remembers what was written. Reads that are under way may have seen what was before: they fill no more, and who
    /// waits for them asks again.
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
        let Some(entries) = self.entries.as_ref().filter(|_| Instant::now() < entry.ends_at) else { return };
        let newer = entries.get(key).is_some_and(|known| known.stamp > entry.stamp);
        if !newer || self.guard == Guard::Nothing {
            entries.insert(key.clone(), entry);
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<K, Flight<V>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
