//! Who waits in a database's lanes, and since when: what a lane refuses by, and what its gauges show.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The callers of one lane.
pub(crate) struct Waiters {
    base: Instant,
    /// Microseconds after `base`, and one, at which the oldest of those who wait began; 0 if nobody waits. Those in
    /// the group at work came before all that queue.
    oldest: AtomicU64,
    count: AtomicUsize,
    /// Whether the last group waited for the database in vain.
    is_away: AtomicBool,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Self {
            base: Instant::now(),
            oldest: AtomicU64::new(0),
            count: AtomicUsize::new(0),
            is_away: AtomicBool::new(false),
        }
    }

    /// A group begins whose oldest command waits since `since`.
    pub(crate) fn begin(&self, since: Instant) {
        let micros = since.saturating_duration_since(self.base).as_micros();
        self.oldest.store(u64::try_from(micros).unwrap_or(u64::MAX - 1) + 1, Ordering::Relaxed);
    }

    /// The group was answered.
    pub(crate) fn end(&self) {
        self.oldest.store(0, Ordering::Relaxed);
    }

    /// How long the oldest one has waited at `now`.
    pub(crate) fn oldest(&self, now: Instant) -> Duration {
        match self.oldest.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            micros => now.saturating_duration_since(self.base + Duration::from_micros(micros - 1)),
        }
    }

    /// Says whether the last group waited for the database in vain.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    /// Whether it did.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Whether the database was away, and somebody is finding out already whether it still is: one is enough, and
    /// nobody else need wait for that.
    pub(crate) fn is_tried(&self) -> bool {
        self.is_away() && self.len() > 0
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// One more waits, until this is dropped.
    pub(crate) fn count(self: &Arc<Self>) -> Counted {
        self.count.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(self))
    }
}

/// One of those who wait.
pub(crate) struct Counted(Arc<Waiters>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}
