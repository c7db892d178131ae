//! Drives all connections at once, each of them one request after the other.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::interval_at;

use crate::Result;
use crate::http::{Connection, request};

/// The length of an id as text.
pub const ID: usize = 36;

/// A buyer, signed in, with a connection.
pub struct Buyer {
    /// The connection.
    pub connection: Connection,
    /// `session=…`
    pub cookie: String,
}

/// What is asked for again and again.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// The JSON body's only field, whose value is each of `ids` in turn; none for no body.
    pub field: Option<&'static str>,
    /// The ids.
    pub ids: Vec<String>,
    /// The only status that is right.
    pub status: u16,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Load {
    /// Right answers.
    pub answers: usize,
    /// From the first request to the last answer.
    pub took: Duration,
    /// Of each answer, in microseconds, ascending; empty where only the answers were counted.
    pub latencies: Vec<u32>,
}

impl Load {
    /// The latency that a part of the answers did not exceed, in milliseconds.
    pub fn quantile(&self, part: f64) -> f64 {
        quantile(&self.latencies, part)
    }
}

/// A quantile of ascending microseconds, in milliseconds.
pub fn quantile(ascending: &[u32], part: f64) -> f64 {
    let last = ascending.len().saturating_sub(1);
    let at = (last as f64 * part).round() as usize;
    ascending.get(at).map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
}

/// Lets every buyer ask for `seconds`. Ends with an error at the first wrong answer.
pub async fn drive(buyers: &mut Vec<Buyer>, ask: &Ask, seconds: Duration) -> Result<Load> {
    let until = Instant::now() + seconds;
    let enough = move || Instant::now() >= until;
    Crowd::start(std::mem::take(buyers), ask, None, enough).end(buyers).await
}

/// Buyers at work.
struct Crowd {
    running: JoinSet<Result<(Buyer, Vec<u32>)>>,
    started: Instant,
}

impl Crowd {
    /// Lets every buyer ask until `enough`: again as soon as there is an answer, or once in each `period`.
    fn start(
        buyers: Vec<Buyer>,
        ask: &Ask,
        period: Option<Duration>,
        enough: impl Fn() -> bool + Clone + Send + 'static,
    ) -> Self {
        let (mut running, started) = (JoinSet::new(), Instant::now());
        for (place, buyer) in buyers.into_iter().enumerate() {
            running.spawn(one(buyer, place, ask.clone(), period, enough.clone()));
        }
        Self { running, started }
    }

    /// Waits for the last answers, and gives the buyers back.
    async fn end(mut self, buyers: &mut Vec<Buyer>) -> Result<Load> {
        let mut load = Load::default();
        while let Some(ended) = self.running.join_next().await {
            let (buyer, latencies) = ended??;
            load.latencies.extend(latencies);
            buyers.push(buyer);
        }
        load.took = self.started.elapsed();
        load.answers = load.latencies.len();
        load.latencies.sort_unstable();
        Ok(load)
    }
}

/// Buyers who ask at a pace of their own, in the background.
pub struct Background {
    crowd: Crowd,
    stop: Arc<AtomicBool>,
}

impl Background {
    /// Lets the buyers ask `rate` times a second together.
    pub fn start(buyers: Vec<Buyer>, ask: &Ask, rate: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let period = Duration::from_secs_f64(buyers.len() as f64 / rate as f64);
        let stopped = Arc::clone(&stop);
        let crowd = Crowd::start(buyers, ask, Some(period), move || stopped.load(Ordering::Relaxed));
        Self { crowd, stop }
    }

    /// Ends it, and gives the buyers back.
    pub async fn stop(self, buyers: &mut Vec<Buyer>) -> Result<Load> {
        self.stop.store(true, Ordering::Relaxed);
        self.crowd.end(buyers).await
    }
}

async fn one(
    mut buyer: Buyer,
    place: usize,
    ask: Ask,
    period: Option<Duration>,
    enough: impl Fn() -> bool,
) -> Result<(Buyer, Vec<u32>)> {
    let first = ask.ids.first().cloned().unwrap_or_default();
    let body = ask.field.map(|field| format!("{{\"{field}\":\"{first}\"}}"));
    let mut bytes = request(ask.method, ask.path, Some(&buyer.cookie), body.as_deref());
    // The id is the body's end but for `"}`: it is written over in place.
    let id: Range<usize> = bytes.len().saturating_sub(ID + 2)..bytes.len().saturating_sub(2);
    let mut latencies = Vec::with_capacity(1 << 15);
    // They do not all come at once.
    let late = |period: Duration| period.mul_f64(place as f64 * 0.618 % 1.0);
    let mut pace = period.map(|period| interval_at(tokio::time::Instant::now() + late(period), period));
    let mut began = Instant::now();
    for turn in 0.. {
        if let Some(pace) = &mut pace {
            pace.tick().await;
            began = Instant::now();
        }
        if ask.ids.len() > 1 {
            // Each buyer walks all tickets from a place of its own, in steps that have no factor in common
            // with their number, unless somebody asks for a multiple of 61.
            let next = &ask.ids[(place * 17 + turn * 61) % ask.ids.len()];
            bytes[id.clone()].copy_from_slice(next.as_bytes());
        }
        let status = buyer.connection.status(&bytes).await?;
        if status != ask.status {
            let again = buyer.connection.call(&bytes).await?;
            let (method, path) = (ask.method, ask.path);
            return Err(format!("{method} {path} answered {status}; the next answer: {}", again.body).into());
        }
        let now = Instant::now();
        latencies.push(u32::try_from((now - began).as_micros()).unwrap_or(u32::MAX));
        if enough() {
            break;
        }
        began = now;
    }
    Ok((buyer, latencies))
}
