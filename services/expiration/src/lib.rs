//! Expiration: remembers when each hold ends and says so, through restarts. Time is a row here; the
//! timer in memory is only a reason to look sooner.

mod meters;
mod store;
#[cfg(test)]
mod tests;
mod timer;
pub mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;

use contracts::{Event, OrderState, OrderStatus};
use db::{Db, Migration, Tx};
use events::{Handler, Job, Subscription};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join};
use kernel::{OrderId, Result};
use tokio::sync::Notify;

use crate::store::Hold;

/// This service's tables.
pub const MIGRATIONS: &[Migration] =
    &[Migration { name: "0001_init", sql: include_str!("../migrations/0001_init.sql") }];

/// The service. Clones share it.
#[derive(Clone)]
pub struct Expiration {
    db: Db,
    /// Rung when there may be an earlier end than the one that is slept for.
    sooner: Arc<Notify>,
}

impl Expiration {
    /// The service on its database, which is open and migrated.
    pub fn new(db: Db) -> Self {
        meters::describe();
        Self { db, sooner: Arc::default() }
    }

    /// What it hears.
    pub fn subscription(&self) -> Subscription {
        Subscription::new(self.db.clone(), Arc::new(self.clone()))
    }

    /// The timer.
    pub fn jobs(&self) -> Vec<Job> {
        let this = self.clone();
        vec![Job::new("end holds", move |stop| async move { timer::run(&this.db, &this.sooner, stop).await })]
    }

    /// Follows orders, each through versions that follow each other: a new one has an end to remember, one that
    /// is over has none any more.
    async fn follow(&self, tx: &Tx, orders: &BTreeMap<OrderId, Vec<&OrderState>>) -> Result<()> {
        let (mut begun, mut over) = (Vec::new(), Vec::new());
        for (id, versions) in orders {
            let (Some(first), Some(last)) = (versions.first(), versions.last()) else { continue };
            match last.status {
                OrderStatus::Complete | OrderStatus::Cancelled => over.push(*id),
                OrderStatus::Created | OrderStatus::AwaitingPayment if first.version == 0 => {
                    begun.push(Hold { order_id: *id, expires_at: last.expires_at });
                }
                // Its end is known, or has been announced already.
                OrderStatus::Created | OrderStatus::AwaitingPayment => {}
            }
        }
        try_join(store::remember(tx, &begun), store::forget(tx, &over)).await?;
        if !begun.is_empty() {
            let sooner = Arc::clone(&self.sooner);
            tx.after_commit(move || sooner.notify_one());
        }
        Ok(())
    }
}

impl Handler for Expiration {
    fn subjects(&self) -> &'static [&'static str] {
        &["order:created", "order:updated", "order:cancelled"]
    }

    fn handle<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>> {
        async move {
            let mut orders: BTreeMap<OrderId, Vec<&OrderState>> = BTreeMap::new();
            for order in events.iter().filter_map(|event| event.order()) {
                orders.entry(order.id).or_default().push(order);
            }
            self.follow(tx, &orders).await
        }
        .boxed()
    }
}
