//! What tickets hears: orders, to show what is left; videos, to know what they can admit to; that users are
//! deleted, to withdraw what they sell.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{Event, OrderState};
use db::Tx;
use events::Handler;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::{OrderId, Result, TicketId, VideoId};

use crate::model::Video;
use crate::{Tickets, store};

impl Handler for Tickets {
    fn subjects(&self) -> &'static [&'static str] {
        &[
            "order:created",
            "order:updated",
            "order:cancelled",
            "stock:updated",
            "video:created",
            "video:updated",
            "video:deleted",
            "user:deleted",
        ]
    }

    /// What the orders of one ticket take together is counted at once, ticket after ticket in the order of
    /// their ids, in which all processes lock them.
    fn handle<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>> {
        async move {
            let mut orders: BTreeMap<OrderId, Vec<&OrderState>> = BTreeMap::new();
            let mut videos: BTreeMap<VideoId, Video> = BTreeMap::new();
            let (mut stocks, mut seen, mut departed) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
            for event in events {
                if let Some(order) = event.order() {
                    orders.entry(order.id).or_default().push(order);
                    seen.insert(order.ticket.id);
                }
                if let Event::StockUpdated(stock) = event {
                    stocks.push(stock);
                    seen.insert(stock.ticket_id);
                }
                // Those of one video are in their order: the last one is the newest.
                videos.extend(Video::of(event).map(|video| (video.id, video)));
                if let Event::UserDeleted(user) = event {
                    departed.insert(user.id);
                }
            }
            let changes = store::hold(tx, &orders).await?;
            store::count(tx, changes).await?;
            for stock in stocks {
                store::keep_capacity(tx, stock).await?;
            }
            for ticket in seen {
                self.announce(tx, ticket);
            }
            self.copy(tx, videos).await?;
            self.depart(tx, departed).await
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
