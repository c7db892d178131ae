//! How soon a ticket that was listed can be bought: the lag of its copy in orders.

use std::fmt;
use std::time::Instant;

use crate::Result;
use crate::http::request;
use crate::load::{Buyer, quantile};
use crate::sale::{create_ticket, order_body};
use crate::server::Server;

/// Milliseconds.
#[derive(Debug)]
pub struct Lag {
    /// The time of an order of a ticket known long since: the median, and what 99 of 100 did not exceed.
    pub known: (f64, f64),
    /// How much longer than that median an order of a new ticket takes: median.
    pub p50: f64,
    /// The same, 99 of 100.
    pub p99: f64,
    /// The longest.
    pub max: f64,
    /// Orders that were refused, for the copy was not there after all the time that orders waits; with that time
    /// they are among the others.
    pub refused: usize,
    /// What was answered that is neither a 201 nor that.
    pub wrong: Vec<String>,
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
    let (mut refused, mut wrong) = (0, Vec::new());
    for number in 0..count {
        let ticket = create_ticket(server.control(), seller, &format!("New {number}"), 10).await?;
        let new = order(&ticket);
        for (bytes, times) in [(&new, &mut of_new), (&known, &mut of_known)] {
            let started = Instant::now();
            let answer = buyer.connection.call(bytes).await?;
            times.push(u32::try_from(started.elapsed().as_micros())?);
            match answer.status {
                201 => {}
                404 => refused += 1,
                status => wrong.push(format!("{status} {}", answer.body)),
            }
        }
    }
    of_new.sort_unstable();
    of_known.sort_unstable();
    let known = (quantile(&of_known, 0.5), quantile(&of_known, 0.99));
    let lag = |part| (quantile(&of_new, part) - known.0).max(0.0);
    Ok(Lag { known, p50: lag(0.5), p99: lag(0.99), max: lag(1.0), refused, wrong })
}

impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { known: (median, late), p50, p99, max, refused, .. } = self;
        write!(
            f,
            "p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms beyond an order's {median:.2} ms (p99 {late:.2} ms), \
             {refused} refused"
        )
    }
}

/// The buckets of `outbox_delivery_seconds` for tickets that are not empty.
pub fn deliveries(metrics: &str) -> Vec<String> {
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
