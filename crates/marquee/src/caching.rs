//! Where and how much processes remember.

use std::fmt;
use std::time::Duration;

use cache::{Guard, Memory, Redis};
use clap::Args;
use kernel::Result;

use crate::flags;

/// What an installation decides about its caches.
#[derive(Clone)]
pub struct Caching {
    /// The Redis that processes share; each remembers by itself without it.
    pub url: Option<String>,
    /// What every name in it begins with.
    pub prefix: String,
    /// No answer from a cache is older than this.
    pub bound: Duration,
    /// Entries of each cache in each process; 0 leaves it to Redis alone.
    pub entries: u64,
}

impl Default for Caching {
    /// In each process by itself, 10,000 entries a cache, none older than ten seconds.
    fn default() -> Self {
        let Memory { entries, bound, .. } = Memory::default();
        Self { url: None, prefix: "marquee".into(), bound, entries }
    }
}

impl fmt::Debug for Caching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        let Self { url, prefix, bound, entries } = self;
        write!(
            f,
            "Caching {{ url: {}, prefix: {prefix}, bound: {bound:?}, entries: {entries} }}",
            url.is_some()
        )
    }
}

impl Caching {
    /// What the caches of this process are made of. Redis is connected to in the background, on the current runtime.
    ///
    /// # Errors
    /// `Invalid` for an address that is none.
    pub(crate) fn open(&self) -> Result<Memory> {
        let redis = self.url.as_deref().map(|url| Redis::open(url, &self.prefix)).transpose()?;
        Ok(Memory { redis, entries: self.entries, bound: self.bound, guard: guard() })
    }
}

/// A test switches the guard off, to see that it would notice; no release can.
fn guard() -> Guard {
    if cfg!(debug_assertions) && std::env::var_os("MARQUEE_TEST_WITHOUT_GUARD").is_some() {
        Guard::Nothing
    } else {
        Guard::Compare
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Caches")]
pub(crate) struct CacheFlags {
    /// The Redis or Valkey that processes share, e.g. redis://:password@host:6379; without it each remembers by itself
    #[arg(long, env = "CACHE_URL", global = true, value_name = "URL", hide_env_values = true)]
    cache_url: Option<String>,
    /// No answer from a cache is older than this
    #[arg(long, env = "CACHE_SECONDS", default_value_t = 10, global = true, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(2..=300), hide_short_help = true)]
    cache_seconds: u64,
    /// Entries that each cache of a process remembers by itself; 0 leaves it to Redis
    #[arg(long, env = "CACHE_ENTRIES", default_value_t = 10_000, global = true, value_name = "N",
          value_parser = clap::value_parser!(u64).range(..=10_000_000), hide_short_help = true)]
    cache_entries: u64,
    /// What the names in Redis begin with, where installations share one
    #[arg(long, env = "CACHE_PREFIX", default_value = "marquee", global = true, value_name = "NAME",
          value_parser = flags::prefix, hide_short_help = true)]
    cache_prefix: String,
}

impl CacheFlags {
    /// # Errors
    /// `Invalid` for a secret's file that cannot be read.
    pub(crate) fn settings(self) -> Result<Caching> {
        Ok(Caching {
            url: flags::or_file(self.cache_url, "CACHE_URL")?,
            prefix: self.cache_prefix,
            bound: Duration::from_secs(self.cache_seconds),
            entries: self.cache_entries,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown_and_an_address_that_is_none_is_refused() {
        let url = Some("nonsense://:planted-password@host".to_owned());
        let caching = Caching { url, ..Caching::default() };
        assert!(!format!("{caching:?}").contains("planted"));
        let error = caching.open().err().unwrap();
        assert!(error.to_string().contains("CACHE_URL") && !format!("{error:?}").contains("planted"));
    }
}
