//! Expiration: remembers when each hold ends and says so, through restarts. Time is a row here; the
//! timer in memory is only a reason to look sooner.

mod store;
mod timer;
pub mod verify;

use std::sync::Arc;

use contracts::{Event, OrderState, OrderStatus};
use db::{Db, Migration, Tx};
use events::{Handler, Job, Subscription};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::Result;
use tokio::sync::Notify;

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

    async fn follow(&self, tx: &Tx, order: &OrderState) -> Result<()> {
        match order.status {
            OrderStatus::Complete | OrderStatus::Cancelled => store::forget(tx, order.id).await,
            OrderStatus::Created if order.version == 0 => {
                store::remember(tx, order.id, order.expires_at).await?;
                let sooner = Arc::clone(&self.sooner);
                tx.after_commit(move || sooner.notify_one());
                Ok(())
            }
            // Its end is known, or has been announced already.
            OrderStatus::Created | OrderStatus::AwaitingPayment => Ok(()),
        }
    }
}

impl Handler for Expiration {
    fn subjects(&self) -> &'static [&'static str] {
        &["order:created", "order:updated", "order:cancelled"]
    }

    fn handle<'a>(&'a self, tx: Tx, event: &'a Event) -> BoxFuture<'a, Result<()>> {
        async move {
            match event {
                Event::OrderCreated(order) | Event::OrderUpdated(order) | Event::OrderCancelled(order) => {
                    self.follow(&tx, order).await
                }
                _ => Ok(()),
            }
        }
        .boxed()
    }
}
