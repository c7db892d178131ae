//! On NATS: what one process reads for one subscription, and how processes share that.
//!
//! Each partition has a lease in the consumer's database, and whoever has it reads the partition. The readers
//! of a process feed one queue; the intake takes what is ready in one transaction. The keeper sees to the
//! leases: renews them, claims what is free up to a fair share, and gives up what is more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use db::LEASE;
use futures_util::future::join_all;
use kernel::Result;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Subscription;
use crate::delivery::Delivery;
use crate::meters::{Share, StreamMeters};
use crate::nats::{Nats, Partition, Reader, hash, partitions_of};
use crate::positions::{Positions, lost};
use crate::spans::Processing;

/// Events in one transaction.
const BATCH: usize = 256;
/// Events read ahead.
const QUEUE: usize = 1024;
/// A batch of this many says that a crowd is at work: the next one is given time to gather.
const CROWD: usize = 16;
const GATHER: Duration = Duration::from_millis(4);
/// How long to wait between tries while the database is away.
const AGAIN: Duration = Duration::from_millis(100);
/// How often the leases are seen to: a quarter of the time that they last.
const KEEP: Duration = Duration::from_millis(500);
/// Leases claimed or released at the same time.
const AT_ONCE: usize = 8;

/// Starts reading for `subscription`, until `stop`.
pub(crate) fn start(
    nats: &Nats,
    subscription: Subscription,
    owner: &str,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let partitions = partitions_of(subscription.subjects());
    let (arrivals, queue) = mpsc::channel(QUEUE);
    let positions = Arc::new(Positions::new(owner));
    let meters = StreamMeters::new(subscription.name());
    let intake = Intake { subscription, positions, let_go: Notify::new(), stop: stop.clone(), meters };
    let (nats, owner) = (nats.clone(), owner.to_owned());
    tasks.spawn(async move {
        let keeper = Keeper { nats, owner, intake: &intake, partitions, arrivals };
        tokio::join!(intake.run(queue), keeper.run());
        keeper.leave().await;
    });
}

struct Intake {
    subscription: Subscription,
    positions: Arc<Positions>,
    /// Rung when a partition was let go.
    let_go: Notify,
    stop: CancellationToken,
    meters: StreamMeters,
}

impl Intake {
    async fn run(&self, mut queue: mpsc::Receiver<Delivery>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            batch.clear();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                count = queue.recv_many(&mut batch, BATCH) => if count == 0 { return },
            }
            self.take(&batch).await;
            if (CROWD..BATCH).contains(&batch.len()) {
                sleep(GATHER).await;
            }
        }
    }

    /// Takes a batch in, for as long as the database is away if need be. What belongs to others by now is
    /// left to them.
    async fn take(&self, batch: &[Delivery]) {
        let name = self.subscription.name();
        let heard = batch.iter().filter(|d| self.subscription.hears(d) && self.positions.wants(d));
        let spans = Processing::of(heard.clone(), name);
        let _at_work = self.subscription.begin(heard);
        let mut said = false;
        while !self.stop.is_cancelled() {
            let wanted: Vec<&Delivery> = batch.iter().filter(|d| self.positions.wants(d)).collect();
            if wanted.is_empty() {
                return;
            }
            let Err(error) = self.subscription.take(&wanted, Some(&self.positions), &spans).await else {
                self.subscription.count(&wanted);
                return;
            };
            if let Some(partition) = lost(&error) {
                tracing::info!(consumer = name, partition, "a partition was lost to another process");
                self.positions.let_go(partition);
                self.let_go.notify_one();
            } else {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(consumer = name, error = ?error, "events wait for a database");
                }
                tokio::select! {
                    () = self.stop.cancelled() => return,
                    () = sleep(AGAIN) => {}
                }
            }
        }
    }
}

struct Keeper<'a> {
    nats: Nats,
    owner: String,
    intake: &'a Intake,
    partitions: Vec<Partition>,
    arrivals: mpsc::Sender<Delivery>,
}

impl Keeper<'_> {
    async fn run(&self) {
        let name = self.intake.subscription.name();
        let (mut heard_of, mut failing) = (Instant::now(), false);
        loop {
            if self.nats.is_connected() {
                heard_of = Instant::now();
            }
            tokio::select! {
                kept = self.keep(heard_of.elapsed() < LEASE) => match kept {
                    Ok(()) => failing = false,
                    Err(error) => if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(consumer = name, error = ?error, "the leases of partitions wait for a database");
                    },
                },
                () = self.intake.stop.cancelled() => return,
            }
            self.intake.meters.held.set(self.held().len() as f64);
            tokio::select! {
                () = self.intake.let_go.notified() => {}
                () = sleep(KEEP) => {}
                () = self.intake.stop.cancelled() => return,
            }
        }
    }

    /// The lease by which others know that this process is there, as [`db::Db::present`] names it.
    fn presence(&self) -> String {
        format!("copy {}", self.owner)
    }

    fn held(&self) -> Vec<Arc<str>> {
        self.intake.positions.held()
    }

    /// Sees to the leases once. Who cannot reach the streams any more lets its own run out, so that others can
    /// have them.
    async fn keep(&self, reaches_streams: bool) -> Result<()> {
        let (db, positions) = (self.intake.subscription.db(), &self.intake.positions);
        // Who is alone with its database reads everything.
        if !db.is_shared() {
            let held = self.held();
            let free = self.partitions.iter().filter(|partition| !held.contains(&partition.lease));
            return self.claim(free.collect()).await;
        }
        if !reaches_streams {
            self.held().iter().for_each(|lease| positions.let_go(lease));
            return Ok(());
        }
        let renewed: BTreeSet<String> = db.renew(&self.owner).await?.into_iter().collect();
        if !renewed.contains(&self.presence()) {
            db.present(&self.owner).await?;
        }
        for lease in self.held() {
            if !renewed.contains(&*lease) {
                positions.let_go(&lease);
            }
        }
        let owners: BTreeMap<String, String> = db.lease_owners().await?.into_iter().collect();
        let copies = owners.keys().filter(|name| name.starts_with("copy ")).count().max(1);
        let fair = self.partitions.len().div_ceil(copies);
        let held = self.held();
        if let Some(too_many) = held.get(fair..) {
            return self.give_up(too_many).await;
        }
        let is_free = |partition: &&Partition| {
            !held.contains(&partition.lease)
                && owners.get(&*partition.lease).is_none_or(|owner| *owner == self.owner)
        };
        // Each begins somewhere else, so that those who start together do not all want the same.
        let total = self.partitions.len();
        let begin = usize::try_from(hash(&self.owner)).unwrap_or(0) % total.max(1);
        let around = self.partitions.iter().cycle().skip(begin).take(total);
        self.claim(around.filter(is_free).take(fair - held.len()).collect()).await
    }

    /// Claims partitions and reads those that nobody was quicker to claim.
    async fn claim(&self, free: Vec<&Partition>) -> Result<()> {
        for some in free.chunks(AT_ONCE) {
            let claims = join_all(some.iter().map(|partition| self.claim_one(partition))).await;
            claims.into_iter().collect::<Result<()>>()?;
        }
        Ok(())
    }

    async fn claim_one(&self, partition: &Partition) -> Result<()> {
        let db = self.intake.subscription.db();
        let Some(lease) = db.claim(&self.owner, &partition.lease).await? else { return Ok(()) };
        let (claim, stop) = self.intake.positions.hold(&partition.lease, &lease);
        let reader = Reader {
            nats: self.nats.clone(),
            db: db.clone(),
            positions: Arc::clone(&self.intake.positions),
            partition: partition.clone(),
            claim,
            position: lease.position,
            mark: lease.mark.into(),
            arrivals: self.arrivals.clone(),
            backlog: Share::new(self.intake.meters.backlog.clone()),
            missed: self.intake.meters.missed.clone(),
        };
        tokio::spawn(stop.run_until_cancelled_owned(reader.run()));
        Ok(())
    }

    /// Lets others have partitions. What was read of them and not taken in is read by them.
    async fn give_up(&self, leases: &[Arc<str>]) -> Result<()> {
        let db = self.intake.subscription.db();
        for lease in leases {
            self.intake.positions.let_go(lease);
        }
        for some in leases.chunks(AT_ONCE) {
            let released = join_all(some.iter().map(|lease| db.release(&self.owner, lease))).await;
            released.into_iter().collect::<Result<()>>()?;
        }
        Ok(())
    }

    /// Gives everything back, so that nobody has to wait for the end of a lease.
    async fn leave(&self) {
        let db = self.intake.subscription.db();
        let mut left = self.give_up(&self.held()).await;
        if db.is_shared() {
            left = left.and(db.release(&self.owner, &self.presence()).await);
        }
        if let Err(error) = left {
            tracing::debug!(consumer = db.name(), %error, "leases run out by themselves");
        }
    }
}
