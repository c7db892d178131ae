//! The relay of one service: from its outbox to the bus, in order, at least once.

use std::time::Duration;

use db::{Db, Feed};
use kernel::{Error, Result};
use metrics::{Histogram, histogram};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::bus::{Opened, Outlet};
use crate::{Bus, spans};

/// Events in one delivery: enough to share a commit, few enough not to hold a consumer's writer for long.
const BATCH: i64 = 256;
/// A batch of this many says that a crowd is at work: the next one is given time to gather, so that
/// consumers commit less often.
const CROWD: usize = 16;
const GATHER: Duration = Duration::from_millis(8);
/// How often the position is written down while there is more to deliver; what was delivered since is
/// delivered again after a crash, and the inbox knows it.
const NOTE: Duration = Duration::from_millis(50);
/// How long to wait after a failure, for a bell that was missed, and for an outbox that another process
/// relays. A lease lasts four times as long.
const AGAIN: Duration = Duration::from_millis(500);
/// How long a process that does not relay waits between two bells for the one that does.
const RING: Duration = Duration::from_millis(5);
/// The relay's lease, as [`Db::feed`] claims it.
const LEASE: &str = "outbox";

/// Relays the outbox of `db` for as long as no other process does, until `stop`. `owner` is this process's
/// own random name. What is on its way at the end is delivered again by the next run.
pub async fn run_relay(db: Db, bus: Bus, owner: String, stop: CancellationToken) {
    relay(db, bus, owner, true, stop).await;
}

/// As [`run_relay`]; `renews` says whether nobody else in this process renews its leases in this database.
pub(crate) async fn relay(db: Db, bus: Bus, owner: String, renews: bool, stop: CancellationToken) {
    let mut outlet = bus.outlet(&db);
    let age = histogram!("outbox_delivery_seconds", "service" => db.name());
    let mut failing = false;
    while !stop.is_cancelled() {
        let mut relay =
            Relay { db: &db, owner: &owner, renews, outlet: &mut outlet, age: &age, follows: false };
        let Err(error) = relay.turn(&stop).await else { continue };
        // One line for each time of trouble.
        if !failing || relay.follows {
            tracing::warn!(service = db.name(), error = ?error, "the relay tries again");
        }
        failing = true;
        tokio::select! {
            () = sleep(AGAIN) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// What a publisher asks before it publishes by a place in the stream that it has just read.
pub(crate) struct Fence<'a> {
    db: &'a Db,
    owner: &'a str,
    mark: String,
}

impl<'a> Fence<'a> {
    /// For the relay of `db` that wrote `mark` last.
    pub(crate) fn new(db: &'a Db, owner: &'a str, mark: &str) -> Self {
        Self { db, owner, mark: mark.to_owned() }
    }

    /// Whether this process still relays, and nobody else has in between. It renews the lease.
    ///
    /// # Errors
    /// `Conflict` if not. Else as the engine says.
    pub(crate) async fn check(&self) -> Result<()> {
        match self.db.claim(self.owner, LEASE).await? {
            // Who relays writes down what it has published, so its mark would be another one.
            Some(lease) if lease.mark == self.mark => Ok(()),
            _ => Err(Error::conflict("the outbox has another relay")),
        }
    }
}

struct Relay<'a> {
    db: &'a Db,
    owner: &'a str,
    renews: bool,
    outlet: &'a mut Outlet,
    /// How old events are when the bus has taken them over.
    age: &'a Histogram,
    /// Whether this turn came so far as to relay.
    follows: bool,
}

impl Relay<'_> {
    /// One turn: relays until something fails, or waits a little for the process that does.
    async fn turn(&mut self, stop: &CancellationToken) -> Result<()> {
        // Who cannot reach the bus leaves the outbox to those who can.
        tokio::select! {
            () = self.outlet.ready() => {}
            () = stop.cancelled() => return Ok(()),
        }
        let Some(mut feed) = self.db.feed(self.owner).await? else {
            tokio::select! {
                () = self.wait_for_another() => {}
                () = stop.cancelled() => {}
            }
            return Ok(());
        };
        let done = tokio::select! {
            done = self.follow(&mut feed) => done,
            () = stop.cancelled() => Ok(()),
        };
        // Another process may take over at once: this one is stopping, or may be the only one in trouble.
        if let Err(error) = feed.release().await {
            tracing::debug!(service = self.db.name(), %error, "the relay's lease runs out by itself");
        }
        done
    }

    /// Another process relays; rings its bell when ours is rung.
    async fn wait_for_another(&self) {
        let (bell, until) = (self.db.outbox_bell(), Instant::now() + AGAIN);
        while tokio::time::timeout_at(until, bell.notified()).await.is_ok() {
            self.outlet.ring().await;
            sleep(RING).await;
        }
    }

    /// Delivers what there is and what comes, until something fails.
    async fn follow(&mut self, feed: &mut Feed) -> Result<()> {
        let bell = self.db.outbox_bell();
        self.open(feed).await?;
        self.follows = true;
        let (mut noted_at, mut renewed_at) = (Instant::now(), Instant::now());
        loop {
            // Registered before looking, so that no ring is missed.
            let rung = bell.notified();
            let mut batch = feed.next(BATCH).await?;
            let count = batch.len();
            if let Some(first) = batch.first() {
                let first_at = first.occurred_at;
                let fence = Fence::new(self.db, self.owner, feed.mark());
                let spans = spans::publishing(&mut batch, self.db.name());
                self.outlet.publish(batch, &fence).await.inspect_err(|_| spans::fail(&spans))?;
                drop(spans);
                let lag = first_at.until(self.db.clock().now());
                self.age.record(lag);
            }
            // And now and then without news: what a late transaction holds up must not cost the lease.
            let is_due = count > 0 && renewed_at.elapsed() >= AGAIN;
            if is_due || feed.is_ahead() && (count == 0 || noted_at.elapsed() >= NOTE) {
                feed.note(&self.outlet.mark()).await?;
                noted_at = Instant::now();
                renewed_at = noted_at;
            }
            // A full batch says that more waits already.
            if (CROWD..BATCH as usize).contains(&count) {
                sleep(GATHER).await;
            } else if count == 0 && !feed.is_ahead() {
                self.outlet.check().await?;
                if renewed_at.elapsed() >= AGAIN {
                    self.renew().await?;
                    renewed_at = Instant::now();
                }
                tokio::select! {
                    () = rung => {}
                    () = self.outlet.stirred() => {}
                    () = sleep(AGAIN) => {}
                }
            }
        }
    }

    /// Begins where the outbox's relay ended: after its mark, or, if what it published is lost, at the oldest
    /// event that is kept.
    async fn open(&mut self, feed: &mut Feed) -> Result<()> {
        let fence = Fence::new(self.db, self.owner, feed.mark());
        if self.outlet.open(feed.mark(), &fence).await? == Opened::Anew {
            tracing::warn!(service = self.db.name(), "everything that is kept is published again");
            let taken = || Error::conflict("the outbox has another relay");
            self.db.feed(self.owner).await?.ok_or_else(taken)?.rewind().await?;
            *feed = self.db.feed(self.owner).await?.ok_or_else(taken)?;
        }
        // After the stream was read: whoever has lost the lease by now publishes nothing.
        if self.db.is_shared() || feed.mark() != self.outlet.mark() {
            feed.note(&self.outlet.mark()).await?;
        }
        Ok(())
    }

    /// A lease is renewed by every note; this is for times without any.
    async fn renew(&self) -> Result<()> {
        if !self.renews
            || !self.db.is_shared()
            || self.db.renew(self.owner).await?.iter().any(|name| name == LEASE)
        {
            return Ok(());
        }
        Err(Error::conflict("the outbox has another relay"))
    }
}
