//! How soon a ticket that was listed can be bought: the lag of its copy in orders.

use std::time::Instant;

use crate::Result;
use crate::http::request;
use crate::load::{Buyer, quantile};
use crate::sale::{create_ticket, order_body};
use crate::server::Server;

/// Milliseconds.
#[derive(Debug)]
pub struct Lag {
    /// The median time of an order of a ticket known long since.
    pub known: f64,
    /// How much longer an order of a new ticket takes: median.
    pub p50: f64,
    /// The same, 99 of 100.
    pub p99: f64,
    /// The longest.
    pub max: f64,
    /// The server's own histogram of the deliveries of tickets' events: what each bound adds to the one before.
    pub histogram: Vec<String>,
}

/// Lists `count` tickets one by one and orders each as soon as its 201 is there. Orders waits for a copy that
/// it does not have yet, so the order's time tells the lag. In between, a ticket of old is ordered.
pub async fn measure(
    server: &mut Server,
    seller: &str,
    buyer: &mut Buyer,
    known: &str,
    count: usize,
) -> Result<Lag> {
    let order = |ticket: &str| request("POST", "/api/orders", Some(&buyer.cookie), Some(&order_body(ticket)));
    let known = order(known);
    let (mut of_new, mut of_known) = (Vec::new(), Vec::new());
    let mut late = 0;
    for number in 0..count {
        let ticket = create_ticket(server.control(), seller, &format!("New {number}"), 10).await?;
        let new = order(&ticket);
        for (bytes, times) in [(&new, &mut of_new), (&known, &mut of_known)] {
            let started = Instant::now();
            let status = buyer.connection.status(bytes).await?;
            times.push(u32::try_from(started.elapsed().as_micros())?);
            match status {
                201 => {}
                404 => late += 1,
                other => return Err(format!("an order of a new ticket answered {other}").into()),
            }
        }
    }
    if late > 0 {
        return Err(format!("{late} of {count} copies took longer than the 250 ms that orders waits").into());
    }
    of_new.sort_unstable();
    of_known.sort_unstable();
    let median = quantile(&of_known, 0.5);
    let lag = |part| (quantile(&of_new, part) - median).max(0.0);
    let histogram = deliveries(&server.metrics().await?);
    Ok(Lag { known: median, p50: lag(0.5), p99: lag(0.99), max: lag(1.0), histogram })
}

/// The buckets of `outbox_delivery_seconds` for tickets that are not empty.
fn deliveries(metrics: &str) -> Vec<String> {
    let prefix = "outbox_delivery_seconds_bucket{service=\"tickets\",le=\"";
    let mut before = 0;
    let mut buckets = Vec::new();
    for line in metrics.lines().filter_map(|line| line.strip_prefix(prefix)) {
        let Some((bound, count)) = line.split_once("\"} ") else { continue };
        let count: u64 = count.parse().unwrap_or(before);
        if count > before {
            buckets.push(format!("{} up to {bound} s", count - before));
        }
        before = count;
    }
    buckets
}
