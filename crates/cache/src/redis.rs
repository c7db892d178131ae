//! What processes remember together. Compared and replaced by scripts, where the value is.
//!
//! A key is a hash: `v` the value as JSON, `s` its stamp, `t` its whole life in milliseconds and `x` its end, `l` the lease of
//! whoever may fill it and `e` the end of that; ends are by Redis's own clock. A key that has `s` without `v` says that
//! something was written, and what is older than `s` does not come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError, Script};
use kernel::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::breaker::{Breaker, Way};
use crate::entry::Entry;
use crate::meters::RedisMeters;
use crate::policy::{Guard, LEASE};

/// The longest that any call waits for Redis.
const LIMIT: Duration = Duration::from_millis(50);
/// The longest that connecting takes; nobody waits for it.
const CONNECT: Duration = Duration::from_secs(1);
/// Calls that may wait to be sent.
const QUEUE: usize = 1_024;

/// Asks for the right to fill, before a read: had where nothing is remembered that is good enough, and nobody else has it.
const CLAIM: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = tonumber(ARGV[2])
local held = redis.call('HMGET', KEYS[1], 's', 'l', 'e', 'v')
if held[2] and tonumber(held[3]) > now then return 0 end
if held[4] and tonumber(held[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], 'l', ARGV[1], 'e', now + lease)
if not held[4] and redis.call('PTTL', KEYS[1]) < lease then redis.call('PEXPIRE', KEYS[1], lease) end
return 1";

/// Forgets what is older than a write, takes the right to fill from whoever read before it, and gives it to the writer, if
/// it is the writer who says so.
const SUPERSEDE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease, kept = tonumber(ARGV[2]), tonumber(ARGV[4])
local held = redis.call('HMGET', KEYS[1], 's', 'v')
local known, stamp = tonumber(held[1] or -1), tonumber(ARGV[3])
if known > stamp or (known == stamp and held[2]) then return 0 end
redis.call('HDEL', KEYS[1], 'v', 't', 'x', 'l', 'e')
redis.call('HSET', KEYS[1], 's', ARGV[3])
if ARGV[1] ~= '' then redis.call('HSET', KEYS[1], 'l', ARGV[1], 'e', now + lease) end
redis.call('PEXPIRE', KEYS[1], kept)
return 1";

/// Remembers a value, for whoever still has the right to, and unless something newer was written.
const FILL: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 's', 'l', 'e')
if held[2] ~= ARGV[1] or tonumber(held[3]) < now then return 0 end
if held[1] and tonumber(held[1]) > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 's', ARGV[2], 'v', ARGV[3], 't', ARGV[5], 'x', now + ARGV[4])
redis.call('HDEL', KEYS[1], 'l', 'e')
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1";

/// Remembers a value, whatever is there.
const OVERWRITE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 's', ARGV[2], 'v', ARGV[3], 't', ARGV[5], 'x', now + ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1";

/// A Redis or Valkey that processes share. Clones are the same one.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    client: Client,
    prefix: String,
    breaker: Breaker<MultiplexedConnection>,
    claim: Script,
    supersede: Script,
    fill: Script,
    overwrite: Script,
    meters: RedisMeters,
    /// Whether it was said that it is away.
    away: AtomicBool,
}

/// The right to fill one key.
pub(crate) struct Lease(String);

/// What Redis says of a key.
pub(crate) enum Asked<V> {
    /// It remembers this.
    Found(Entry<V>),
    /// It remembers nothing. With a lease, whoever reads the database may fill.
    Nothing(Option<Lease>),
    /// Nothing: it is away.
    Away,
}

impl Redis {
    /// The server at `url`: `redis://user:password@host:6379/0`, or `rediss://` for TLS. Every name there begins with
    /// `prefix`. It is connected to in the background, on the current runtime, and whenever it is back.
    ///
    /// # Errors
    /// `Invalid` if `url` is no address.
    pub fn open(url: &str, prefix: &str) -> Result<Self> {
        let client = Client::open(url).map_err(|e| {
            Error::invalid("a CACHE_URL is the address of a Redis, e.g. redis://:password@host:6379")
                .because(e)
        })?;
        let redis = Self(Arc::new(Inner {
            client,
            prefix: prefix.to_owned(),
            breaker: Breaker::new(),
            claim: Script::new(CLAIM),
            supersede: Script::new(SUPERSEDE),
            fill: Script::new(FILL),
            overwrite: Script::new(OVERWRITE),
            meters: RedisMeters::new(),
            away: AtomicBool::new(false),
        }));
        if let Way::Connect = redis.0.breaker.way() {
            redis.connect();
        }
        Ok(redis)
    }

    /// Whether it answers, as far as is known.
    pub fn is_up(&self) -> bool {
        self.0.breaker.is_closed()
    }

    /// Asks in the background whether it answers, for whoever watches: where nobody looks anything up, nobody else would
    /// notice that it went, or is back. To be called inside a runtime.
    pub fn probe(&self) {
        let redis = self.clone();
        tokio::spawn(async move {
            let mut ping = ::redis::pipe();
            ping.cmd("PING");
            redis.call::<(String,)>(&ping).await
        });
    }

    /// What is remembered of `key`; where that is nothing, the right to fill it, if it can be had.
    pub(crate) async fn ask<V: DeserializeOwned>(&self, key: &str, since: i64) -> Asked<V> {
        let asked_at = Instant::now();
        let key = self.key(key);
        // The time first: the value's end comes with the value, and what is left of it is then never less than this.
        let mut both = ::redis::pipe();
        both.cmd("TIME").hmget(&key, &["v", "s", "t", "x"]);
        type Answer = ((u64, u64), (Option<Vec<u8>>, Option<i64>, Option<u64>, Option<u64>));
        let Some(((seconds, micros), held)) = self.call::<Answer>(&both).await else { return Asked::Away };
        if let (Some(value), Some(stamp), Some(life), Some(end)) = held
            && stamp >= since
            && let Some(left) = end.checked_sub(seconds * 1_000 + micros / 1_000)
            && let Ok(value) = serde_json::from_slice(&value)
        {
            let ends_at = asked_at + Duration::from_millis(left);
            // A millisecond more, for parts of one are not counted.
            let gone = Duration::from_millis(life.saturating_sub(left) + 1);
            let read_at = asked_at.checked_sub(gone).unwrap_or(asked_at);
            return Asked::Found(Entry { value, stamp, read_at, ends_at });
        }
        let token = kernel::random_code();
        let mut call = self.0.claim.key(&key);
        call.arg(&token).arg(millis(LEASE)).arg(since);
        match self.script(&call).await {
            Some(had) => Asked::Nothing((had == 1).then_some(Lease(token))),
            None => Asked::Away,
        }
    }

    /// Remembers what was read or written under `lease`. `None` if Redis is away, else whether it did.
    pub(crate) async fn fill<V: Serialize>(
        &self,
        key: &str,
        lease: &Lease,
        entry: &Entry<V>,
        guard: Guard,
    ) -> Option<bool> {
        let value = serde_json::to_vec(&entry.value).ok()?;
        let left = millis(entry.ends_at.saturating_duration_since(Instant::now()));
        if left == 0 {
            return Some(false);
        }
        let life = millis(entry.ends_at.saturating_duration_since(entry.read_at));
        let script = if guard == Guard::Compare { &self.0.fill } else { &self.0.overwrite };
        let mut call = script.key(self.key(key));
        call.arg(&lease.0).arg(entry.stamp).arg(value).arg(left).arg(life);
        self.script(&call).await.map(|done| done == 1)
    }

    /// Forgets what is older than the change `stamp`, remembers for as long as `kept` that it was, and answers the
    /// writer's right to fill: none if a later change is known there, or it was filled. `None` if Redis is away.
    pub(crate) async fn supersede(&self, key: &str, stamp: i64, kept: Duration) -> Option<Option<Lease>> {
        let token = kernel::random_code();
        let had = self.superseded(key, &token, stamp, kept).await?;
        Some(had.then_some(Lease(token)))
    }

    /// [`Redis::supersede`] for somebody who has nothing to fill.
    pub(crate) async fn forget(&self, key: &str, stamp: i64, kept: Duration) {
        self.superseded(key, "", stamp, kept).await;
    }

    async fn superseded(&self, key: &str, token: &str, stamp: i64, kept: Duration) -> Option<bool> {
        let mut call = self.0.supersede.key(self.key(key));
        call.arg(token).arg(millis(LEASE)).arg(stamp).arg(millis(kept));
        self.script(&call).await.map(|had| had == 1)
    }

    fn key(&self, key: &str) -> String {
        format!("{}:{key}", self.0.prefix)
    }

    /// Runs a script by its digest; a server that does not know it yet is told, once.
    async fn script(&self, call: &::redis::ScriptInvocation<'_>) -> Option<i64> {
        self.with(|mut connection| async move { call.invoke_async(&mut connection).await }).await
    }

    async fn call<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Option<T> {
        self.with(|mut connection| async move { pipeline.query_async(&mut connection).await }).await
    }

    /// Calls, within the limit, if Redis is thought to be there.
    async fn with<T, F>(&self, call: impl FnOnce(MultiplexedConnection) -> F) -> Option<T>
    where
        F: Future<Output = std::result::Result<T, RedisError>>,
    {
        let connection = match self.0.breaker.way() {
            Way::Call(connection) => connection,
            Way::Connect => {
                self.connect();
                return None;
            }
            Way::Without => return None,
        };
        // The connection has the limit.
        let error = match call(connection).await {
            Ok(answer) => {
                self.0.breaker.succeeded();
                return Some(answer);
            }
            Err(error) => error,
        };
        self.0.meters.failed.increment(1);
        // One that answers, but not as it should, has no memory left, say, or is nobody's master any more: to be asked for
        // anew, and used once it can be written to.
        if self.0.breaker.failed(!error.is_timeout()) {
            self.0.meters.up.set(0.0);
            self.0.away.store(true, Ordering::Relaxed);
            tracing::warn!(%error, "Redis is away: databases answer meanwhile");
        }
        None
    }

    /// Tries to connect, in the background.
    fn connect(&self) {
        let redis = self.clone();
        tokio::spawn(async move {
            let connected = redis.connected().await;
            let was_away = redis.0.away.swap(connected.is_err(), Ordering::Relaxed);
            match &connected {
                Ok(_) => tracing::info!("Redis answers"),
                Err(error) if !was_away => {
                    tracing::warn!(%error, "Redis is away: databases answer meanwhile")
                }
                Err(error) => tracing::debug!(%error, "Redis is still away"),
            }
            redis.0.meters.up.set(if connected.is_ok() { 1.0 } else { 0.0 });
            redis.0.breaker.tried(connected.ok());
        });
    }

    /// A new connection to where something could be written.
    async fn connected(&self) -> std::result::Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(LIMIT))
            .set_pipeline_buffer_size(QUEUE);
        let mut connection = self.0.client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut probe = self.0.supersede.key(self.key("probe"));
        probe.arg("").arg(millis(LEASE)).arg(0).arg(millis(LEASE));
        let _: i64 = probe.invoke_async(&mut connection).await?;
        Ok(connection)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
