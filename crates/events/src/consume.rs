//! Taking events in: effect and inbox mark in one transaction, many events at a time, and one by one
//! when something in the batch cannot be taken. Whatever bus brought them, they come through here.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use contracts::Event;
use db::{Db, DeadLetter, Recorded, Tx};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::{Error, Result};
use tokio::sync::Mutex;
use tracing::Instrument as _;

use crate::at_work::{AtWork, Batch};
use crate::delivery::Delivery;
use crate::meters::ConsumerMeters;
use crate::positions::{Positions, lost};
use crate::spans::Processing;

/// How often an event is tried before it is parked.
const ATTEMPTS: usize = 3;
/// Dead letters replayed by one command.
const REPLAY: i64 = 10_000;

/// What a service does about the events of others.
pub trait Handler: Send + Sync + 'static {
    /// The subjects that it listens for.
    fn subjects(&self) -> &'static [&'static str];

    /// Applies a batch inside `tx`, the events of one aggregate in their order. It may be called again for
    /// events whose transaction was rolled back.
    ///
    /// Processes work on batches side by side: rows that the events of several aggregates change (a ticket's,
    /// for its orders) are to be changed in one order, say that of their ids, lest two wait for each other.
    ///
    /// # Errors
    /// A transient error is tried again for as long as it lasts. After any other the events are taken one by
    /// one, and the aggregate of the one that cannot be taken is parked.
    fn handle<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>>;
}

/// A service's ear: its database, named after it, and its handler.
#[derive(Clone)]
pub struct Subscription {
    db: Db,
    handler: Arc<dyn Handler>,
    /// Held while dead letters are replayed; clones share it.
    replaying: Arc<Mutex<()>>,
    /// What is being taken in; clones share it, as they do the meters.
    at_work: Arc<AtWork>,
    meters: Arc<ConsumerMeters>,
}

/// What a replay of dead letters came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Events that took effect now.
    pub done: usize,
    /// Events that stay parked.
    pub left: usize,
}

impl Subscription {
    /// `handler` takes events into `db`.
    pub fn new(db: Db, handler: Arc<dyn Handler>) -> Self {
        let meters = Arc::new(ConsumerMeters::new(db.name()));
        Self { db, handler, replaying: Arc::default(), at_work: Arc::default(), meters }
    }

    /// The consumer's name.
    pub fn name(&self) -> &'static str {
        self.db.name()
    }

    /// The database that the effects go to.
    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) fn subjects(&self) -> &'static [&'static str] {
        self.handler.subjects()
    }

    pub(crate) fn hears(&self, delivery: &Delivery) -> bool {
        self.handler.subjects().contains(&delivery.recorded.subject.as_str())
    }

    /// Says, for as long as the answer lives, that these are being taken in.
    pub(crate) fn begin<'a>(&self, batch: impl IntoIterator<Item = &'a Delivery>) -> Batch<'_> {
        self.at_work.begin(batch.into_iter().filter(|delivery| self.hears(delivery)))
    }

    /// How old the oldest event is that is being taken in now, on whatever bus; nothing where none is.
    pub fn oldest_waiting(&self) -> Duration {
        let now = self.db.clock().now();
        self.at_work.oldest().map_or(Duration::ZERO, |oldest| oldest.until(now))
    }

    /// Brings that metric up to date.
    pub fn observe(&self) {
        self.meters.waiting.set(self.oldest_waiting().as_secs_f64());
    }

    /// Counts what was taken in, and notes how old the oldest of it was by then.
    pub(crate) fn count(&self, taken: &[&Delivery]) {
        let heard = taken.iter().filter(|delivery| self.hears(delivery));
        self.meters.delivered.increment(heard.clone().count() as u64);
        if let Some(oldest) = heard.map(|delivery| delivery.recorded.occurred_at).min() {
            self.meters.age.record(oldest.until(self.db.clock().now()));
        }
    }

    /// Takes a batch in. Afterwards each event that is heard has had its effect or is parked, and where
    /// they come by a stream its positions have moved.
    ///
    /// # Errors
    /// Transient ones: deliver the batch again. And that a partition is [`lost`]: deliver the others again.
    pub(crate) async fn take(
        &self,
        batch: &[&Delivery],
        positions: Option<&Positions>,
        spans: &Processing,
    ) -> Result<()> {
        let transaction = self.transact(batch, positions, spans);
        match transaction.instrument(spans.log(batch, self.name())).await {
            Ok(()) => return Ok(()),
            Err(error) if is_for_the_bus(&error) => return Err(error),
            Err(_) => {}
        }
        for delivery in batch {
            let alone = self.take_alone(delivery, positions, spans);
            alone.instrument(spans.log(&[delivery], self.name())).await?;
        }
        Ok(())
    }

    async fn take_alone(
        &self,
        delivery: &Delivery,
        positions: Option<&Positions>,
        spans: &Processing,
    ) -> Result<()> {
        let mut last = Error::internal("never tried");
        for _ in 0..ATTEMPTS {
            match self.transact(&[delivery], positions, spans).await {
                Ok(()) => return Ok(()),
                Err(error) if is_for_the_bus(&error) => return Err(error),
                Err(error) => last = error,
            }
        }
        let Recorded { id, subject, aggregate, version, .. } = &delivery.recorded;
        tracing::error!(consumer = self.name(), %id, subject, aggregate, version, error = ?last, "an event is parked");
        self.meters.parked.increment(1);
        spans.fail(&[delivery]);
        let reason = &last.to_string();
        self.moving(&[delivery], positions, |tx| async move { tx.park(&delivery.recorded, reason).await })
            .await
    }

    async fn transact(
        &self,
        batch: &[&Delivery],
        positions: Option<&Positions>,
        spans: &Processing,
    ) -> Result<()> {
        let heard: &Vec<&Delivery> = &batch.iter().copied().filter(|delivery| self.hears(delivery)).collect();
        self.moving(batch, positions, |tx| async move {
            if heard.is_empty() {
                return Ok(());
            }
            let fresh = self.fresh(&tx, heard, spans).await?;
            self.handler.handle(&tx, &fresh).await
        })
        .await
    }

    /// What of a batch is new here, marked as heard. What waits behind a parked event is parked as well.
    async fn fresh<'a>(&self, tx: &Tx, heard: &[&'a Delivery], spans: &Processing) -> Result<Vec<&'a Event>> {
        let some_are_parked = tx.count_parked().await? > 0;
        let mut open = Vec::with_capacity(heard.len());
        for delivery in heard {
            if some_are_parked && tx.is_parked(&delivery.recorded.aggregate).await? {
                tx.park(&delivery.recorded, "waits behind an earlier event of its aggregate").await?;
            } else {
                open.push(*delivery);
            }
        }
        let versions: Vec<(&str, i64)> = open
            .iter()
            .map(|delivery| (delivery.recorded.aggregate.as_str(), delivery.recorded.version))
            .collect();
        let new = tx.first_times(&versions).await?;
        let fresh = open.into_iter().zip(new).filter(|(_, new)| *new).map(|(delivery, _)| delivery);
        fresh.inspect(|delivery| spans.tell(tx, delivery)).map(Delivery::event).collect()
    }

    /// Runs `effects` in one transaction with the steps that the batch means.
    async fn moving<F, Fut>(
        &self,
        batch: &[&Delivery],
        positions: Option<&Positions>,
        effects: F,
    ) -> Result<()>
    where
        F: Fn(Tx) -> Fut,
        Fut: Future<Output = Result<()>>,
    {
        let steps = &positions.map_or(Ok(Vec::new()), |positions| positions.steps(batch))?;
        let effects = &effects;
        let transaction = self.db.write(|tx| async move {
            if let Some(positions) = positions {
                positions.advance(&tx, steps).await?;
            }
            effects(tx).await
        });
        AssertUnwindSafe(transaction)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(Error::internal("the handler panicked")))?;
        if let Some(positions) = positions {
            positions.moved(steps);
        }
        Ok(())
    }

    async fn apply(&self, tx: &Tx, delivery: &Delivery, spans: &Processing) -> Result<()> {
        spans.tell(tx, delivery);
        if tx.first_time(&delivery.recorded.aggregate, delivery.recorded.version).await? {
            self.handler.handle(tx, &[delivery.event()?]).await?;
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

    /// Tries the dead letters again, in order; one that fails again keeps its aggregate parked. It may be dropped
    /// halfway: what was not delivered stays parked.
    ///
    /// # Errors
    /// `Conflict` if a replay of this subscription or a clone of it is under way. Otherwise as the database says.
    pub async fn replay(&self) -> Result<Replayed> {
        let Ok(_alone) = self.replaying.try_lock() else {
            return Err(Error::conflict("it is already under way"));
        };
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
            let DeadLetter { id, subject, aggregate, version, payload, occurred_at, trace, .. } = letter;
            let recorded = Recorded { seq: 0, id, subject, aggregate, version, payload, occurred_at, trace };
            let delivery = &Delivery::new(recorded);
            if stuck.contains(&delivery.recorded.aggregate) {
                continue;
            }
            let spans = &Processing::of([delivery], self.name());
            let attempt = self.db.write(|tx| async move {
                self.apply(&tx, delivery, spans).await?;
                tx.unpark(id).await
            });
            let attempt = attempt.instrument(spans.log(&[delivery], self.name()));
            match AssertUnwindSafe(attempt).catch_unwind().await {
                Ok(Ok(())) => done += 1,
                Ok(Err(error)) if error.is_transient() => return Err(error),
                Ok(Err(_)) | Err(_) => {
                    spans.fail(&[delivery]);
                    stuck.insert(delivery.recorded.aggregate.clone());
                }
            }
        }
        Ok(done)
    }
}

/// Whether an error says nothing about the event itself.
fn is_for_the_bus(error: &Error) -> bool {
    error.is_transient() || lost(error).is_some()
}
