//! The bus: where relays put events, and what brings them to the subscriptions. There are two, and they
//! mean the same: at least once, in order within an aggregate, and not lost once they are taken over.

use std::sync::Arc;
use std::time::Duration;

use db::{Db, Recorded};
use futures_util::future::join_all;
use kernel::{Error, Result};

use crate::delivery::Delivery;
use crate::nats::{Nats, Publisher};
use crate::spans::Processing;
use crate::{Subscription, relay::Fence};

/// How long to wait between tries while a consumer's database is away.
const AGAIN: Duration = Duration::from_millis(100);

/// Delivers events. Clones share it.
#[derive(Clone)]
pub struct Bus(Engine);

#[derive(Clone)]
enum Engine {
    Local(Arc<[Subscription]>),
    Nats(Nats),
}

impl Bus {
    /// A bus within this process, which brings events to these subscriptions.
    pub fn local(subscriptions: Vec<Subscription>) -> Self {
        Self(Engine::Local(subscriptions.into()))
    }

    /// NATS JetStream. Each process that runs a service reads for its subscription ([`run`](crate::run)).
    pub fn nats(nats: Nats) -> Self {
        Self(Engine::Nats(nats))
    }

    /// The connection, if this is NATS.
    pub fn as_nats(&self) -> Option<&Nats> {
        match &self.0 {
            Engine::Local(_) => None,
            Engine::Nats(nats) => Some(nats),
        }
    }

    /// Brings a batch to the subscriptions at once, without an outbox. When it returns, each of them has
    /// taken it in.
    ///
    /// # Errors
    /// `Internal` on NATS: there only the relay of a service publishes, for its place in the stream has to be
    /// known.
    pub async fn publish(&self, batch: Vec<Recorded>) -> Result<()> {
        match &self.0 {
            Engine::Local(subscriptions) => deliver(subscriptions, batch).await,
            Engine::Nats(_) => return Err(Error::internal("on NATS only a relay publishes")),
        }
        Ok(())
    }

    /// What the relay of `db` publishes by.
    pub(crate) fn outlet(&self, db: &Db) -> Outlet {
        match &self.0 {
            Engine::Local(subscriptions) => Outlet::Local(Arc::clone(subscriptions)),
            Engine::Nats(nats) => Outlet::Nats(Box::new(Publisher::new(nats.clone(), db.name()))),
        }
    }
}

/// One relay's end of the bus.
pub(crate) enum Outlet {
    Local(Arc<[Subscription]>),
    Nats(Box<Publisher>),
}

/// What an outlet finds when a relay begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// It has, or had and delivered, all that was published before.
    AsItWas,
    /// What was published may be lost: everything that is kept is to be published again.
    Anew,
}

impl Outlet {
    /// Waits until the bus can be reached.
    pub(crate) async fn ready(&mut self) {
        match self {
            Self::Local(_) => {}
            Self::Nats(publisher) => publisher.ready().await,
        }
    }

    /// Begins after what `mark`, which this outlet or another one wrote, says.
    ///
    /// # Errors
    /// `Unavailable` if the bus is away.
    pub(crate) async fn open(&mut self, mark: &str, fence: &Fence<'_>) -> Result<Opened> {
        match self {
            // What was left in a stream when this installation moved from NATS into one process.
            Self::Local(_) if !mark.is_empty() => Ok(Opened::Anew),
            Self::Local(_) => Ok(Opened::AsItWas),
            Self::Nats(publisher) => publisher.open(mark, fence).await,
        }
    }

    /// What to write down beside the position of all that was published up to now.
    pub(crate) fn mark(&self) -> String {
        match self {
            Self::Local(_) => String::new(),
            Self::Nats(publisher) => publisher.mark(),
        }
    }

    /// Takes over a batch, in order. When it returns, the batch will not be lost any more.
    ///
    /// # Errors
    /// As the bus says; open again then.
    pub(crate) async fn publish(&mut self, batch: Vec<Recorded>, fence: &Fence<'_>) -> Result<()> {
        match self {
            Self::Local(subscriptions) => {
                deliver(subscriptions, batch).await;
                Ok(())
            }
            Self::Nats(publisher) => publisher.publish(&batch, fence).await,
        }
    }

    /// Looks, now and then while there is nothing to publish, whether what was published is still there.
    ///
    /// # Errors
    /// If it is not, or the bus is away: open again then.
    pub(crate) async fn check(&mut self) -> Result<()> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Nats(publisher) => publisher.check().await,
        }
    }

    /// Returns when there may be something to do: another process rang, or the bus came back.
    pub(crate) async fn stirred(&mut self) {
        match self {
            Self::Local(_) => std::future::pending().await,
            Self::Nats(publisher) => publisher.stirred().await,
        }
    }

    /// Tells the process that relays this outbox that there is something in it.
    pub(crate) async fn ring(&self) {
        match self {
            Self::Local(_) => {}
            Self::Nats(publisher) => publisher.ring().await,
        }
    }
}

async fn deliver(subscriptions: &[Subscription], batch: Vec<Recorded>) {
    let batch: Vec<Delivery> = batch.into_iter().map(Delivery::new).collect();
    join_all(subscriptions.iter().map(|subscription| bring(subscription, &batch))).await;
}

/// Brings a batch to one subscription, for as long as its database is away if need be. The others do not
/// wait for it; only the next batch of the same relay does.
async fn bring(subscription: &Subscription, batch: &[Delivery]) {
    let heard: Vec<&Delivery> = batch.iter().filter(|delivery| subscription.hears(delivery)).collect();
    if heard.is_empty() {
        return;
    }
    let spans = Processing::of(heard.iter().copied(), subscription.name());
    let _at_work = subscription.begin(heard.iter().copied());
    let mut said = false;
    while let Err(error) = subscription.take(&heard, None, &spans).await {
        if !std::mem::replace(&mut said, true) {
            tracing::warn!(consumer = subscription.name(), error = ?error, "events wait for a database");
        }
        tokio::time::sleep(AGAIN).await;
    }
    subscription.count(&heard);
}
