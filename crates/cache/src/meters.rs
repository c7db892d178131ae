//! How much is remembered, how old it was, and whether Redis is there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use crate::entry::Source;
use crate::policy::Policy;

const LOOKUPS: &str = "cache_lookups_total";
const LOADS: &str = "cache_loads_total";
const REFUSED: &str = "cache_fills_refused_total";
const BOUND: &str = "cache_age_bound_seconds";
const OLDEST: &str = "cache_age_served_seconds";
const REDIS: &str = "cache_redis_up";
const FAILED: &str = "cache_redis_failures_total";

/// Says what the metrics are.
fn describe_metrics() {
    describe_counter!(LOOKUPS, "Looks into a cache, by where the answer was: hit is in this process.");
    describe_counter!(LOADS, "Reads of a database because no cache had the answer.");
    describe_counter!(REFUSED, "Reads that were not remembered, since a write came between.");
    describe_gauge!(BOUND, "No answer of this cache is older than this.");
    describe_gauge!(
        OLDEST,
        "Age of the oldest answer that was remembered, of those since the scrape before."
    );
    describe_gauge!(REDIS, "1 while Redis answers, 0 while caches do without it.");
    describe_counter!(FAILED, "Calls of Redis that came to nothing.");
}

pub(crate) struct Meters {
    hits: Counter,
    redis: Counter,
    misses: Counter,
    pub(crate) loads: Counter,
    pub(crate) refused: Counter,
    oldest: Gauge,
    /// Milliseconds.
    age: AtomicU64,
}

impl Meters {
    pub(crate) fn new(policy: &Policy) -> Self {
        describe_metrics();
        let name = policy.name;
        let lookups = |result| counter!(LOOKUPS, "cache" => name, "result" => result);
        gauge!(BOUND, "cache" => name).set(policy.bound.as_secs_f64());
        Self {
            hits: lookups("hit"),
            redis: lookups("redis"),
            misses: lookups("miss"),
            loads: counter!(LOADS, "cache" => name),
            refused: counter!(REFUSED, "cache" => name),
            oldest: gauge!(OLDEST, "cache" => name),
            age: AtomicU64::new(0),
        }
    }

    pub(crate) fn answered(&self, source: Source, age: Duration) {
        match source {
            Source::Process => self.hits.increment(1),
            Source::Redis => self.redis.increment(1),
            Source::Database => self.misses.increment(1),
        }
        if !source.is_cache() {
            return;
        }
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        // Read first: a hit hardly ever is the oldest, and what is not written is not fought over.
        if self.age.load(Ordering::Relaxed) < age {
            self.age.fetch_max(age, Ordering::Relaxed);
        }
    }

    pub(crate) fn observe(&self) {
        self.oldest.set(Duration::from_millis(self.age.swap(0, Ordering::Relaxed)).as_secs_f64());
    }
}

/// Of one Redis, whoever remembers something there.
pub(crate) struct RedisMeters {
    pub(crate) up: Gauge,
    pub(crate) failed: Counter,
}

impl RedisMeters {
    pub(crate) fn new() -> Self {
        describe_metrics();
        Self { up: gauge!(REDIS), failed: counter!(FAILED) }
    }
}
