//! Drives all connections at once, each of them one request after the other.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

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
    /// From the first request to the last answer.
    pub took: Duration,
    /// Of each answer, in microseconds, ascending.
    pub latencies: Vec<u32>,
}

impl Load {
    /// How many answers.
    pub fn answers(&self) -> usize {
        self.latencies.len()
    }

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
    let mut running = JoinSet::new();
    let started = Instant::now();
    let until = started + seconds;
    for (place, buyer) in std::mem::take(buyers).into_iter().enumerate() {
        running.spawn(one(buyer, place, ask.clone(), until));
    }
    let mut load = Load::default();
    while let Some(ended) = running.join_next().await {
        let (buyer, latencies) = ended??;
        load.latencies.extend(latencies);
        buyers.push(buyer);
    }
    load.took = started.elapsed();
    load.latencies.sort_unstable();
    Ok(load)
}

async fn one(mut buyer: Buyer, place: usize, ask: Ask, until: Instant) -> Result<(Buyer, Vec<u32>)> {
    let first = ask.ids.first().cloned().unwrap_or_default();
    let body = ask.field.map(|field| format!("{{\"{field}\":\"{first}\"}}"));
    let mut bytes = request(ask.method, ask.path, Some(&buyer.cookie), body.as_deref());
    // The id is the body's end but for `"}`: it is written over in place.
    let id = bytes.len().saturating_sub(ID + 2)..bytes.len().saturating_sub(2);
    let mut latencies = Vec::with_capacity(1 << 15);
    let mut began = Instant::now();
    for turn in 0.. {
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
        if now >= until {
            break;
        }
        began = now;
    }
    Ok((buyer, latencies))
}
