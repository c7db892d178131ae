//! Payments: takes money for an order and gives it back, each exactly once.
//!
//! A payment is stored as pending before the gateway is asked, and the gateway's answer after; no
//! transaction is open in between. Whatever a crash leaves pending is settled ([`Payments::settle_due`]):
//! the gateway says what became of it, and one that it never heard of can never be charged any more.

mod api;
mod bodies;
mod events;
pub mod gateway;
mod jobs;
mod meters;
pub mod model;
mod pages;
mod pay;
mod refund;
mod store;
pub mod verify;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ::events::Subscription;
use db::{Db, Migration, Tx};
use kernel::{Error, Instant, Money, OrderId, PaymentId, Result, UserId};
use tokio::sync::Notify;
use web::{Documentation, Routes, Web};

pub use gateway::{Card, Gateway, StripeConfig, StripeGateway, TestGateway};
pub use model::{Order, Payment};
pub use store::Span;

use gateway::Attempt;
use pay::InFlight;

/// This service's tables.
pub const MIGRATIONS: &[Migration] =
    &[Migration { name: "0001_init", sql: include_str!("../migrations/0001_init.sql") }];

/// How long things take at most.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long to wait for one answer of the gateway's.
    pub gateway_bound: Duration,
    /// How old a pending payment is before it is settled. More than `gateway_bound`, and short enough
    /// for a request that comes again with its idempotency key, which waits for half a minute.
    pub settle_after: Duration,
    /// How long an order that was not heard of yet is waited for (contract, Orders and expiration).
    pub copy_patience: Duration,
    /// How often to look for payments to settle or to refund; a bell makes it sooner.
    pub period: Duration,
}

impl Default for Settings {
    /// 10, 15 and 5 seconds; a quarter of one for a copy.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            gateway_bound: seconds(10),
            settle_after: seconds(15),
            copy_patience: Duration::from_millis(250),
            period: seconds(5),
        }
    }
}

/// The service. Clones share it.
#[derive(Clone)]
pub struct Payments(Arc<Inner>);

struct Inner {
    db: Db,
    web: Web,
    gateway: Gateway,
    settings: Settings,
    /// The charges that this process waits for.
    in_flight: InFlight,
    /// Rung when the copy of an order has changed.
    copies: Notify,
    /// Rung when a pending payment must be settled now.
    settle: Notify,
    /// Rung when money was asked back.
    refund: Notify,
}

impl Payments {
    /// The service on its database, which is open and migrated.
    pub fn new(db: Db, web: Web, gateway: Gateway, settings: Settings) -> Self {
        meters::begin();
        let (copies, settle, refund) = (Notify::new(), Notify::new(), Notify::new());
        let in_flight = InFlight::default();
        Self(Arc::new(Inner { db, web, gateway, settings, in_flight, copies, settle, refund }))
    }

    /// Its JSON calls, and what forms post.
    pub fn routes(&self) -> Routes {
        routes().with_state(self.clone())
    }

    /// The paths of [`Payments::routes`], for a proxy's table. Nothing has to be open for that.
    pub fn paths() -> Vec<String> {
        routes().paths().to_vec()
    }

    /// What the OpenAPI document says of [`Payments::routes`].
    pub fn documentation() -> Documentation {
        routes().documentation()
    }

    /// What it hears.
    pub fn subscription(&self) -> Subscription {
        Subscription::new(self.0.db.clone(), Arc::new(self.clone()))
    }

    /// Who moves the money.
    pub fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    /// A user's own payments.
    ///
    /// # Errors
    /// As the database says.
    pub async fn of_user(&self, user: UserId, span: &Span) -> Result<Vec<Payment>> {
        store::of_user(&self.0.db, user, span).await
    }

    /// One payment.
    ///
    /// # Errors
    /// As the database says.
    pub async fn payment(&self, id: PaymentId) -> Result<Option<Payment>> {
        store::payment(&self.0.db, id).await
    }

    /// The newest payment of an order.
    ///
    /// # Errors
    /// As the database says.
    pub async fn payment_of(&self, order: OrderId) -> Result<Option<Payment>> {
        store::payment_of(&self.0.db, order).await
    }

    fn attempt(&self, payment: PaymentId, amount: Money, begun: Instant) -> Attempt<'_> {
        Attempt { payment, amount, currency: self.0.web.currency(), begun }
    }

    /// Waits for the gateway, within bounds.
    async fn bounded<T>(&self, asked: impl Future<Output = Result<T>>) -> Result<T> {
        let late = |_| Error::unavailable("the gateway did not answer in time").after(self.0.settings.period);
        let begun = tokio::time::Instant::now();
        let answer = tokio::time::timeout(self.0.settings.gateway_bound, asked).await.map_err(late).flatten();
        meters::asked(answer.is_ok(), begun.elapsed());
        answer
    }

    /// Tells the pages that show this payment, once it is so.
    fn announce(&self, tx: &Tx, id: PaymentId) {
        let web = self.0.web.clone();
        tx.after_commit(move || web.changes().announce(format!("payment:{id}")));
    }

    /// Rings one of its own bells, once it is so.
    fn ring(&self, tx: &Tx, bell: fn(&Inner) -> &Notify) {
        let inner = Arc::clone(&self.0);
        tx.after_commit(move || bell(&inner).notify_one());
    }
}

fn routes() -> Routes<Payments> {
    api::routes().merge(pages::routes())
}

#[cfg(test)]
mod tests;
