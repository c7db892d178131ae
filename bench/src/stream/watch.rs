//! All viewers at once, each of them one request after the other, until time is up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use crate::Result;
use crate::stream::ask::Ask;
use crate::stream::viewer::Viewer;

/// Somebody who gets nothing for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of it.
#[derive(Debug, Default)]
pub struct Seen {
    /// Bytes of bodies, those of answers that were left in the middle among them.
    pub bytes: u64,
    /// From the first request until time was up.
    pub took: Duration,
    /// Of each answer that came to its end, in microseconds, ascending.
    pub latencies: Vec<u32>,
}

/// Connects so many.
pub async fn crowd(address: SocketAddr, connections: usize) -> Result<Vec<Viewer>> {
    let mut crowd = Vec::new();
    for _ in 0..connections {
        crowd.push(Viewer::open(address).await?);
    }
    Ok(crowd)
}

/// Lets every viewer watch for `seconds`. Ends with an error at the first wrong answer. Answers that are not whole when
/// time is up are left; a film may take longer than that.
pub async fn watch(crowd: Vec<Viewer>, asks: Vec<Ask>, seconds: Duration) -> Result<Seen> {
    let (asks, started) = (Arc::new(asks), Instant::now());
    let mut running = JoinSet::new();
    for (place, viewer) in crowd.into_iter().enumerate() {
        running.spawn(one(viewer, place, Arc::clone(&asks), started + seconds));
    }
    let all = async {
        let mut seen = Seen::default();
        while let Some(ended) = running.join_next().await {
            let (bytes, latencies) = ended??;
            seen.bytes += bytes;
            seen.latencies.extend(latencies);
        }
        seen.took = started.elapsed();
        seen.latencies.sort_unstable();
        Ok(seen)
    };
    timeout(seconds + PATIENCE, all).await.map_err(|_| "somebody's film does not go on")?
}

async fn one(
    mut viewer: Viewer,
    place: usize,
    asks: Arc<Vec<Ask>>,
    until: Instant,
) -> Result<(u64, Vec<u32>)> {
    let (mut bytes, mut latencies) = (0, Vec::with_capacity(1 << 12));
    let mut began = Instant::now();
    for turn in 0.. {
        let ask = &asks[(place * 17 + turn * 61) % asks.len()];
        let mut come = viewer.ask(ask).await?;
        bytes += come;
        while come < ask.length {
            let more = viewer.discard(ask.length - come).await?;
            come += more;
            bytes += more;
            if come < ask.length && Instant::now() >= until {
                return Ok((bytes, latencies));
            }
        }
        let now = Instant::now();
        latencies.push(u32::try_from((now - began).as_micros()).unwrap_or(u32::MAX));
        if now >= until {
            break;
        }
        // One that is answered at once would go on alone, as long as it is.
        yield_now().await;
        began = Instant::now();
    }
    Ok((bytes, latencies))
}
