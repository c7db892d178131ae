//! Taking events in: effect and inbox mark in one transaction, many events at a time, and one by one
//! when something in the batch cannot be taken.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use contracts::Event;
use db::{Db, DeadLetter, Recorded, Tx};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::{Error, Result};

/// How often an event is tried before it is parked.
const ATTEMPTS: usize = 3;
/// Dead letters replayed by one command.
const REPLAY: i64 = 10_000;

/// What a service does about the events of others.
pub trait Handler: Send + Sync + 'static {
    /// The subjects that it listens for.
    fn subjects(&self) -> &'static [&'static str];

    /// Applies one event inside `tx`. It may be called again for an event whose transaction was rolled back.
    ///
    /// # Errors
    /// A transient error is tried again for as long as it lasts; any other parks the event's aggregate.
    fn handle<'a>(&'a self, tx: Tx, event: &'a Event) -> BoxFuture<'a, Result<()>>;
}

/// A service's ear: its database, named after it, and its handler.
#[derive(Clone)]
pub struct Subscription {
    db: Db,
    handler: Arc<dyn Handler>,
}

/// What a replay of dead letters came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Events that took effect now.
    pub done: usize,
    /// Events that stay parked.
    pub left: usize,
}

/// An event on its way, decoded once for all who hear it.
pub(crate) struct Delivery {
    recorded: Recorded,
    event: OnceLock<Result<Event>>,
}

impl Delivery {
    pub(crate) fn new(recorded: Recorded) -> Self {
        Self { recorded, event: OnceLock::new() }
    }

    fn event(&self) -> Result<&Event> {
        let decode = || {
            serde_json::from_str(&self.recorded.payload)
                .map_err(|e| Error::internal("the event cannot be read").because(e))
        };
        self.event.get_or_init(decode).as_ref().map_err(Clone::clone)
    }
}

impl Subscription {
    /// `handler` takes events into `db`.
    pub fn new(db: Db, handler: Arc<dyn Handler>) -> Self {
        Self { db, handler }
    }

    /// The consumer's name.
    pub fn name(&self) -> &'static str {
        self.db.name()
    }

    pub(crate) fn hears(&self, delivery: &Delivery) -> bool {
        self.handler.subjects().contains(&delivery.recorded.subject.as_str())
    }

    /// Takes a batch in. Afterwards each event has had its effect or is parked.
    ///
    /// # Errors
    /// Only transient ones: deliver the batch again.
    pub(crate) async fn take(&self, batch: &[&Delivery]) -> Result<()> {
        match self.transact(batch).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_transient() => return Err(error),
            Err(_) => {}
        }
        for delivery in batch {
            self.take_alone(delivery).await?;
        }
        Ok(())
    }

    async fn take_alone(&self, delivery: &Delivery) -> Result<()> {
        let mut last = Error::internal("never tried");
        for _ in 0..ATTEMPTS {
            match self.transact(&[delivery]).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => last = error,
            }
        }
        let Recorded { id, subject, aggregate, version, .. } = &delivery.recorded;
        tracing::error!(consumer = self.name(), %id, subject, aggregate, version, error = ?last, "an event is parked");
        metrics::counter!("events_parked_total", "consumer" => self.name()).increment(1);
        let reason = &last.to_string();
        self.db.write(|tx| async move { tx.park(&delivery.recorded, reason).await }).await
    }

    async fn transact(&self, batch: &[&Delivery]) -> Result<()> {
        let transaction = self.db.write(|tx| async move {
            let some_are_parked = tx.count_parked().await? > 0;
            for delivery in batch {
                let Recorded { aggregate, .. } = &delivery.recorded;
                if some_are_parked && tx.is_parked(aggregate).await? {
                    tx.park(&delivery.recorded, "waits behind an earlier event of its aggregate").await?;
                } else {
                    self.apply(&tx, delivery).await?;
                }
            }
            Ok(())
        });
        AssertUnwindSafe(transaction)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(Error::internal("the handler panicked")))
    }

    async fn apply(&self, tx: &Tx, delivery: &Delivery) -> Result<()> {
        if tx.first_time(&delivery.recorded.aggregate, delivery.recorded.version).await? {
            self.handler.handle(tx.clone(), delivery.event()?).await?;
        }
        Ok(())
    }

    /// The events that are parked here.
    ///
    /// # Errors
    /// As the database says.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>> {
        self.db.dead_letters(REPLAY).await
    }

    /// Tries the dead letters again, in order; one that fails again keeps its aggregate parked.
    ///
    /// # Errors
    /// As the database says.
    pub async fn replay(&self) -> Result<Replayed> {
        let mut done = 0;
        // Events may be parked behind the ones at work; go round until nothing moves.
        loop {
            let round = self.replay_round().await?;
            done += round;
            if round == 0 {
                let left = usize::try_from(self.db.count_dead_letters().await?).unwrap_or(usize::MAX);
                return Ok(Replayed { done, left });
            }
        }
    }

    /// Tries every dead letter once; answers how many took effect.
    async fn replay_round(&self) -> Result<usize> {
        let mut done = 0;
        let mut stuck = BTreeSet::new();
        for letter in self.db.dead_letters(REPLAY).await? {
            let DeadLetter { id, subject, aggregate, version, payload, occurred_at, .. } = letter;
            let recorded = Recorded { seq: 0, id, subject, aggregate, version, payload, occurred_at };
            let delivery = &Delivery::new(recorded);
            if stuck.contains(&delivery.recorded.aggregate) {
                continue;
            }
            let attempt = self.db.write(|tx| async move {
                self.apply(&tx, delivery).await?;
                tx.unpark(id).await
            });
            match AssertUnwindSafe(attempt).catch_unwind().await {
                Ok(Ok(())) => done += 1,
                Ok(Err(error)) if error.is_transient() => return Err(error),
                Ok(Err(_)) | Err(_) => {
                    stuck.insert(delivery.recorded.aggregate.clone());
                }
            }
        }
        Ok(done)
    }
}
