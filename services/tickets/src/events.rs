//! What tickets hears: orders, to show what is left.

use contracts::Event;
use db::Tx;
use events::Handler;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::{Result, TicketId};

use crate::{Tickets, store};

impl Handler for Tickets {
    fn subjects(&self) -> &'static [&'static str] {
        &["order:created", "order:updated", "order:cancelled", "stock:updated"]
    }

    fn handle<'a>(&'a self, tx: Tx, event: &'a Event) -> BoxFuture<'a, Result<()>> {
        async move {
            let ticket = match event {
                Event::OrderCreated(order) | Event::OrderUpdated(order) | Event::OrderCancelled(order) => {
                    store::count_hold(&tx, order).await?;
                    order.ticket.id
                }
                Event::StockUpdated(stock) => {
                    store::keep_capacity(&tx, stock).await?;
                    stock.ticket_id
                }
                _ => return Ok(()),
            };
            self.announce(&tx, ticket);
            Ok(())
        }
        .boxed()
    }
}

impl Tickets {
    /// Tells the pages that show this ticket, once it is so.
    pub(crate) fn announce(&self, tx: &Tx, id: TicketId) {
        let web = self.0.web.clone();
        tx.after_commit(move || web.changes().announce(format!("ticket:{id}")));
    }
}
