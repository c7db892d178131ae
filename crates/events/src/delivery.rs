//! An event on its way to one or more subscriptions.

use std::sync::{Arc, OnceLock};

use contracts::Event;
use db::Recorded;
use kernel::{Error, Result};

/// An event on its way, decoded once for all who hear it.
pub(crate) struct Delivery {
    pub(crate) recorded: Recorded,
    /// Where it was read, if it came by a stream.
    pub(crate) place: Option<Place>,
    event: OnceLock<Result<Event>>,
}

/// A place in one partition of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The partition's lease in the consumer's database.
    pub(crate) lease: Arc<str>,
    /// Which of our claims of that lease it was read under.
    pub(crate) claim: u64,
    /// The stream's sequence.
    pub(crate) seq: i64,
    /// The incarnation of the stream in which the sequence counts.
    pub(crate) mark: Arc<str>,
}

impl Delivery {
    pub(crate) fn new(recorded: Recorded) -> Self {
        Self { recorded, place: None, event: OnceLock::new() }
    }

    pub(crate) fn at(recorded: Recorded, place: Place) -> Self {
        Self { recorded, place: Some(place), event: OnceLock::new() }
    }

    pub(crate) fn event(&self) -> Result<&Event> {
        let decode = || {
            serde_json::from_str(&self.recorded.payload)
                .map_err(|e| Error::internal("the event cannot be read").because(e))
        };
        self.event.get_or_init(decode).as_ref().map_err(Clone::clone)
    }
}
