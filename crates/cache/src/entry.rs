//! What is remembered, and what an answer says of where it came from.

use std::fmt::Display;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// What something is remembered by. Its text is its name in Redis, where whoever operates it may read it.
pub trait Key: Clone + Eq + Hash + Display + Send + Sync + 'static {}

/// What a read of the database found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<V> {
    /// The row; `None` if it is absent.
    pub value: Option<V>,
    /// The last change that the read saw, of all that the database counts: read in the same snapshot.
    pub stamp: i64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<V> {
    /// The row; `None` if it is absent.
    pub value: Option<V>,
    /// The last change that it has seen.
    pub stamp: i64,
    /// When its read began, or earlier.
    pub read_at: Instant,
    /// Where it was.
    pub source: Source,
}

impl<V> Found<V> {
    /// How long ago its read began.
    pub fn age(&self) -> Duration {
        self.read_at.elapsed()
    }
}

/// Where an answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In this process.
    Process,
    /// In Redis.
    Redis,
    /// In the database, just now.
    Database,
}

impl Source {
    /// Whether it was remembered rather than read.
    pub fn is_cache(self) -> bool {
        self != Self::Database
    }
}

/// What is remembered of one key.
#[derive(Debug, Clone)]
pub(crate) struct Entry<V> {
    pub value: Option<V>,
    pub stamp: i64,
    /// When its read began, or earlier.
    pub read_at: Instant,
    /// It is no answer from here on.
    pub ends_at: Instant,
}

impl<V> Entry<V> {
    pub(crate) fn found(self, source: Source) -> Found<V> {
        Found { value: self.value, stamp: self.stamp, read_at: self.read_at, source }
    }
}
