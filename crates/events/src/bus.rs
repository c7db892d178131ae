//! The bus: where the relay puts events, and what brings them to the subscriptions.

use std::sync::Arc;
use std::time::Duration;

use db::Recorded;
use futures_util::future::join_all;
use kernel::Result;

use crate::Subscription;
use crate::consume::Delivery;

/// How long to wait between tries while a consumer's database is away.
const AGAIN: Duration = Duration::from_millis(100);

/// Delivers events. Clones share it.
#[derive(Clone)]
pub struct Bus(Engine);

#[derive(Clone)]
enum Engine {
    Local(Arc<[Subscription]>),
}

impl Bus {
    /// A bus within this process.
    pub fn local(subscriptions: Vec<Subscription>) -> Self {
        Self(Engine::Local(subscriptions.into()))
    }

    /// Takes over a batch, in order. When it returns, the batch will not be lost any more: here, every
    /// subscription has taken it in.
    ///
    /// # Errors
    /// As the bus says; publish the batch again then.
    pub async fn publish(&self, batch: Vec<Recorded>) -> Result<()> {
        match &self.0 {
            Engine::Local(subscriptions) => {
                let batch: Vec<Delivery> = batch.into_iter().map(Delivery::new).collect();
                join_all(subscriptions.iter().map(|subscription| bring(subscription, &batch))).await;
                Ok(())
            }
        }
    }
}

/// Brings a batch to one subscription, for as long as its database is away if need be. The others do not
/// wait for it; only the next batch of the same relay does.
async fn bring(subscription: &Subscription, batch: &[Delivery]) {
    let heard: Vec<&Delivery> = batch.iter().filter(|delivery| subscription.hears(delivery)).collect();
    if heard.is_empty() {
        return;
    }
    metrics::counter!("events_delivered_total", "consumer" => subscription.name())
        .increment(heard.len() as u64);
    while let Err(error) = subscription.take(&heard).await {
        tracing::warn!(consumer = subscription.name(), %error, "events wait for a database");
        tokio::time::sleep(AGAIN).await;
    }
}
