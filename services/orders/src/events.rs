//! What orders hears: tickets, to copy them; expirations and payments, to move orders on; that users are deleted, to
//! let go what they hold.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::Event;
use db::Tx;
use events::Handler;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::{Error, Instant, OrderId, PaymentId, Result};

use contracts::{PaymentState, PaymentStatus, TicketState};

use crate::model::Cause;
use crate::{Orders, store};

impl Handler for Orders {
    fn subjects(&self) -> &'static [&'static str] {
        &[
            "ticket:created",
            "ticket:updated",
            "expiration:complete",
            "payment:created",
            "payment:updated",
            "play:created",
            "play:updated",
            "user:deleted",
        ]
    }

    /// What happens to different orders happens to all of them at once.
    fn handle<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>> {
        async move {
            let mut rounds: Vec<HashMap<OrderId, Cause>> = Vec::new();
            let mut plays: BTreeMap<OrderId, Instant> = BTreeMap::new();
            let mut departed = BTreeSet::new();
            for event in events {
                let (order, cause) = match event {
                    Event::TicketCreated(ticket) | Event::TicketUpdated(ticket) => {
                        self.copy(tx, ticket).await?;
                        continue;
                    }
                    Event::PlayCreated(play) | Event::PlayUpdated(play) => {
                        if let Some(order) = play.order_id {
                            let first = plays.entry(order).or_insert(play.began_at);
                            *first = play.began_at.min(*first);
                        }
                        continue;
                    }
                    Event::UserDeleted(user) => {
                        departed.insert(user.id);
                        continue;
                    }
                    Event::ExpirationComplete(hold) => (hold.order_id, Some(Cause::Expired)),
                    Event::PaymentCreated(payment) | Event::PaymentUpdated(payment) => {
                        (payment.order_id, cause(payment))
                    }
                    _ => continue,
                };
                let Some(cause) = cause else { continue };
                // What comes second for an order waits for the second round.
                let round = rounds.iter().position(|round| !round.contains_key(&order));
                let round = round.unwrap_or_else(|| {
                    rounds.push(HashMap::new());
                    rounds.len() - 1
                });
                rounds[round].insert(order, cause);
            }
            for round in rounds {
                self.happen(tx, round).await?;
            }
            store::watch(tx, &plays).await?;
            self.depart(tx, departed).await
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

    /// Lets something happen to orders that must be known here: nobody expires or pays what was never made.
    async fn happen(&self, tx: &Tx, mut causes: HashMap<OrderId, Cause>) -> Result<()> {
        let ids: Vec<OrderId> = causes.keys().copied().collect();
        let found = store::find_all(tx, &ids).await?;
        let changes =
            found.into_iter().filter_map(|order| causes.remove(&order.id).map(|cause| (order, cause)));
        let changes = changes.collect();
        if let Some((id, cause)) = causes.into_iter().next() {
            return Err(Error::internal(format!("no order {id} to be {cause:?}")));
        }
        for order in store::advance_all(tx, changes).await? {
            self.announce(tx, order.id);
        }
        Ok(())
    }

    /// Tells the pages that show this order, once it is so.
    pub(crate) fn announce(&self, tx: &Tx, id: OrderId) {
        let web = self.0.web.clone();
        tx.after_commit(move || web.changes().announce(format!("order:{id}")));
    }
}
