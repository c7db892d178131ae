//! What payments hears: orders, to copy them and to give their money back; the end of a hold, to settle
//! what is in flight for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use contracts::{Event, OrderState, PaymentStatus};
use db::Tx;
use events::Handler;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::{Error, OrderId, PaymentId, Result};

use crate::{Payments, store};

impl Handler for Payments {
    fn subjects(&self) -> &'static [&'static str] {
        &["order:created", "order:updated", "order:cancelled", "expiration:complete"]
    }

    /// The copies first, all at once: each order as it was last. Then what its versions and the ends of holds
    /// ask for.
    fn handle<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>> {
        async move {
            let orders = || events.iter().filter_map(|event| event.order());
            let last: BTreeMap<OrderId, &OrderState> = orders().map(|order| (order.id, order)).collect();
            store::copy_orders(tx, last.into_values()).await?;
            let inner = Arc::clone(&self.0);
            tx.after_commit(move || inner.copies.notify_waiters());
            for payment in orders().filter_map(|order| order.refund) {
                self.must_go_back(tx, payment).await?;
            }
            let ended = events.iter().filter_map(|event| match event {
                Event::ExpirationComplete(hold) => Some(hold.order_id),
                _ => None,
            });
            let ended: Vec<OrderId> = ended.collect();
            // These holds are over: whatever is in flight for them has to come down now.
            if !ended.is_empty() && store::expire_orders(tx, &ended).await? {
                self.ring(tx, |inner| &inner.settle);
            }
            Ok(())
        }
        .boxed()
    }
}

impl Payments {
    /// Orders asks only for what was captured, so anything else here is a fault that somebody has to see.
    async fn must_go_back(&self, tx: &Tx, id: PaymentId) -> Result<()> {
        let payment = self.ask_back(tx, id).await?;
        match payment.map(|payment| payment.status) {
            Some(PaymentStatus::Captured | PaymentStatus::Refunded) => Ok(()),
            other => Err(Error::internal(format!("payment {id} is to be refunded and is {other:?}"))),
        }
    }
}
