//! What a consumer is taking in just now. A histogram of what was taken in is silent while nothing can be; this is not.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::Instant;

use crate::delivery::Delivery;

/// The batches at work. There are as many as relays bring at a time, or one where they come by streams.
#[derive(Default)]
pub(crate) struct AtWork(Mutex<Batches>);

#[derive(Default)]
struct Batches {
    begun: u64,
    oldest: BTreeMap<u64, Instant>,
}

/// A batch at work, until this is dropped.
pub(crate) struct Batch<'a> {
    all: &'a AtWork,
    number: u64,
}

impl AtWork {
    /// Begins a batch of which these are heard.
    pub(crate) fn begin<'a>(&self, heard: impl Iterator<Item = &'a Delivery>) -> Batch<'_> {
        let oldest = heard.map(|delivery| delivery.recorded.occurred_at).min();
        let mut batches = self.batches();
        batches.begun += 1;
        let number = batches.begun;
        if let Some(oldest) = oldest {
            batches.oldest.insert(number, oldest);
        }
        Batch { all: self, number }
    }

    /// When the oldest event of all batches at work occurred.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.batches().oldest.values().min().copied()
    }

    /// Nothing is left half done under this lock.
    fn batches(&self) -> MutexGuard<'_, Batches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.all.batches().oldest.remove(&self.number);
    }
}
