//! Where and how much a process remembers.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::Cache;
use crate::entry::Key;
use crate::policy::{Guard, Policy};
use crate::redis::Redis;

/// Where and how much a process remembers: all its caches are made of this.
#[derive(Clone)]
pub struct Memory {
    /// Shared with other processes; without it each remembers by itself.
    pub redis: Option<Redis>,
    /// As [`Policy::entries`], for each cache.
    pub entries: u64,
    /// As [`Policy::bound`].
    pub bound: Duration,
    /// As [`Policy::guard`].
    pub guard: Guard,
}

impl Default for Memory {
    /// 10,000 entries a cache in this process, none older than ten seconds.
    fn default() -> Self {
        Self { redis: None, entries: 10_000, bound: Duration::from_secs(10), guard: Guard::Compare }
    }
}

impl Memory {
    /// An empty cache named `name`.
    pub fn cache<K, V>(&self, name: &'static str) -> Cache<K, V>
    where
        K: Key,
        V: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let (entries, guard) = (self.entries, self.guard);
        Cache::new(Policy { entries, guard, ..Policy::new(name, self.bound) }, self.redis.clone())
    }
}
