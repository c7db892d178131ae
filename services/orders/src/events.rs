//! What orders hears: tickets, to copy them; expirations and payments, to move orders on.

use std::collections::BTreeSet;

use contracts::Event;
use db::Tx;
use events::Handler;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join_all};
use kernel::{Error, OrderId, PaymentId, Result};

use contracts::{PaymentState, PaymentStatus, TicketState};

use crate::model::Cause;
use crate::{Orders, store};

impl Handler for Orders {
    fn subjects(&self) -> &'static [&'static str] {
        &["ticket:created", "ticket:updated", "expiration:complete", "payment:created", "payment:updated"]
    }

    fn handle<'a>(&'a self, tx: Tx, event: &'a Event) -> BoxFuture<'a, Result<()>> {
        async move {
            match event {
                Event::TicketCreated(ticket) | Event::TicketUpdated(ticket) => self.copy(&tx, ticket).await,
                Event::ExpirationComplete(hold) => self.happen(&tx, hold.order_id, Cause::Expired).await,
                Event::PaymentCreated(payment) | Event::PaymentUpdated(payment) => match cause(payment) {
                    Some(cause) => self.happen(&tx, payment.order_id, cause).await,
                    None => Ok(()),
                },
                _ => Ok(()),
            }
        }
        .boxed()
    }

    fn shares(&self, event: &Event) -> Option<String> {
        match event {
            Event::ExpirationComplete(hold) => Some(hold.order_id.to_string()),
            Event::PaymentCreated(payment) | Event::PaymentUpdated(payment) => {
                Some(payment.order_id.to_string())
            }
            _ => None,
        }
    }

    /// Holds that end together give capacity back in the order of their tickets' ids, in which reservations
    /// take it, so that none waits for another in a circle.
    fn handle_all<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>> {
        async move {
            let ending = events.iter().filter_map(|event| match event {
                Event::ExpirationComplete(hold) => Some(store::find(tx, hold.order_id)),
                _ => None,
            });
            let ending = try_join_all(ending).await?;
            let tickets: BTreeSet<_> = ending.into_iter().flatten().map(|order| order.ticket.id).collect();
            try_join_all(tickets.into_iter().map(|ticket| store::lock_stock(tx, ticket))).await?;
            events::side_by_side(self, tx, events).await
        }
        .boxed()
    }
}

/// What a payment's version means for its order. A refund that was only asked for means nothing yet.
fn cause(payment: &PaymentState) -> Option<Cause> {
    let id: PaymentId = payment.id;
    match payment.status {
        PaymentStatus::Pending => Some(Cause::PaymentBegun(id)),
        PaymentStatus::Captured => (!payment.refund_requested).then_some(Cause::PaymentCaptured(id)),
        PaymentStatus::Failed => Some(Cause::PaymentFailed(id)),
        PaymentStatus::Refunded => Some(Cause::PaymentRefunded(id)),
    }
}

impl Orders {
    async fn copy(&self, tx: &Tx, ticket: &TicketState) -> Result<()> {
        if let Some(clamped) = store::copy_ticket(tx, ticket).await? {
            tx.emit(&Event::StockUpdated(clamped)).await?;
        }
        let copies = std::sync::Arc::clone(&self.0.copies);
        tx.after_commit(move || copies.notify_waiters());
        Ok(())
    }

    /// Lets `cause` happen to an order that must be known here: nobody expires or pays what was never made.
    async fn happen(&self, tx: &Tx, id: OrderId, cause: Cause) -> Result<()> {
        let order = store::find(tx, id)
            .await?
            .ok_or_else(|| Error::internal(format!("no order {id} to be {cause:?}")))?;
        if store::advance(tx, &order, cause).await?.is_some() {
            self.announce(tx, id);
        }
        Ok(())
    }

    /// Tells the pages that show this order, once it is so.
    pub(crate) fn announce(&self, tx: &Tx, id: OrderId) {
        let web = self.0.web.clone();
        tx.after_commit(move || web.changes().announce(format!("order:{id}")));
    }
}
