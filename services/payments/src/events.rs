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

    fn handle<'a>(&'a self, tx: Tx, event: &'a Event) -> BoxFuture<'a, Result<()>> {
        async move {
            match event {
                Event::OrderCreated(order) | Event::OrderUpdated(order) | Event::OrderCancelled(order) => {
                    match order.refund {
                        Some(payment) => self.must_go_back(&tx, payment).await,
                        None => Ok(()),
                    }
                }
                _ => Ok(()),
            }
        }
        .boxed()
    }

    /// The copies first, all at once: each order as it was last. Then what its versions and the ends of holds
    /// ask for.
    fn handle_all<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>> {
        async move {
            let (mut orders, mut ended) = (BTreeMap::<OrderId, &OrderState>::new(), Vec::new());
            for event in events {
                if let Event::ExpirationComplete(hold) = event {
                    ended.push(hold.order_id);
                }
                if let Event::OrderCreated(order)
                | Event::OrderUpdated(order)
                | Event::OrderCancelled(order) = event
                {
                    orders.insert(order.id, order);
                }
            }
            store::copy_orders(tx, orders.into_values()).await?;
            let inner = Arc::clone(&self.0);
            tx.after_commit(move || inner.copies.notify_waiters());
            events::side_by_side(self, tx, events).await?;
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
