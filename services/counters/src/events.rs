//! What counters hears: what other services count. A unit that was sold counts when its order is complete, and once
//! more, as refunded, when the money goes back; each once, however often an order's versions say so. A play has one
//! version, which the inbox lets through once.
//!
//! | Counter | Counts |
//! |---|---|
//! | `marquee:sold`, `marquee:sold:<ticket>` | units of orders that were completed |
//! | `marquee:refunded`, `marquee:refunded:<ticket>` | those of them whose order was cancelled afterwards |
//! | `marquee:plays`, `marquee:plays:<video>` | sittings in which somebody watched |

use std::collections::BTreeMap;

use contracts::{Event, OrderState, OrderStatus};
use db::Tx;
use events::Handler;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::{Error, Id, Result};

use crate::model::RESERVED;
use crate::noted::Noted;
use crate::{Counters, store};

impl Handler for Counters {
    fn subjects(&self) -> &'static [&'static str] {
        &["order:updated", "order:cancelled", "play:created"]
    }

    fn handle<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>> {
        async move {
            let orders: Vec<&OrderState> = events.iter().filter_map(|event| event.order()).collect();
            let mut sums = Sums::default();
            sold(tx, &orders, &mut sums).await?;
            refunded(tx, &orders, &mut sums).await?;
            for event in events {
                if let Event::PlayCreated(play) = event {
                    sums.note("plays", play.video_id, 1);
                }
            }
            sums.add(tx, &self.0.noted).await
        }
        .boxed()
    }
}

async fn sold(tx: &Tx, orders: &[&OrderState], sums: &mut Sums) -> Result<()> {
    let complete = orders.iter().filter(|order| order.status == OrderStatus::Complete);
    // One statement cannot insert a row twice; an order's versions all say the same.
    let complete: BTreeMap<_, _> =
        complete.map(|order| (order.id, (order.ticket.id, order.quantity))).collect();
    let sales: Vec<_> =
        complete.iter().map(|(order, (ticket, quantity))| (*order, *ticket, *quantity)).collect();
    for order in store::sell(tx, &sales).await? {
        if let Some((ticket, quantity)) = complete.get(&order) {
            sums.note("sold", *ticket, *quantity);
        }
    }
    Ok(())
}

async fn refunded(tx: &Tx, orders: &[&OrderState], sums: &mut Sums) -> Result<()> {
    // Where a batch ends with an order, for it may have been revived after its cancellation.
    let last: BTreeMap<_, _> = orders.iter().map(|order| (order.id, order.status)).collect();
    for (order, _) in last.into_iter().filter(|(_, status)| *status == OrderStatus::Cancelled) {
        if let Some((ticket, quantity)) = store::take_back(tx, order).await? {
            sums.note("refunded", ticket, quantity);
        }
    }
    Ok(())
}

/// What a batch of events adds to which counter.
#[derive(Default)]
struct Sums(BTreeMap<String, i64>);

impl Sums {
    /// `of` is the ticket or the video.
    fn note<K>(&mut self, what: &str, of: Id<K>, number: i64) {
        for key in [format!("{RESERVED}{what}"), format!("{RESERVED}{what}:{of}")] {
            *self.0.entry(key).or_default() += number;
        }
    }

    async fn add(&self, tx: &Tx, noted: &Noted) -> Result<()> {
        let sums: BTreeMap<&str, i64> = self.0.iter().map(|(key, sum)| (key.as_str(), *sum)).collect();
        let added = store::add(tx, &sums).await?;
        if added.len() != sums.len() {
            return Err(Error::internal("a counter of the system is near its end"));
        }
        let before = sums.iter().filter_map(|(key, sum)| Some((*key, added.get(*key)?.checked_sub(*sum)?)));
        noted.note(tx.clock().now(), before);
        Ok(())
    }
}
