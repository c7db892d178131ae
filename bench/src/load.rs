//! Drives all connections at once, each of them one request after the other.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::interval_at;

use crate::Result;
use crate::http::{Connection, request, request_of};

/// A buyer, signed in, with a connection.
pub struct Buyer {
    /// The connection.
    pub connection: Connection,
    /// `session=…`; nothing for who is not signed in.
    pub cookie: String,
}

/// What is asked for again and again.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// The body, around each of `values` in turn; without one they stand at the end of the path.
    pub body: Option<Body>,
    /// Ids, keys, or whole bodies: all of one length, for each is written over the one before it.
    pub values: Vec<String>,
    /// The only status that is right.
    pub status: u16,
    /// What the answers' bodies have to be; nobody looks at them otherwise.
    pub expected: Option<Expected>,
}

/// What is looked at in each answer, at the price of a comparison.
#[derive(Debug, Clone)]
pub struct Expected {
    /// How many answers begin like this is counted.
    pub begin: &'static str,
    /// All end like this: one for each of the values, or one for all.
    pub ends: Vec<String>,
}

impl Expected {
    /// How the answer to the value at that place ends.
    fn end(&self, place: usize) -> &[u8] {
        self.ends.get(place).or(self.ends.first()).map_or(&[], String::as_bytes)
    }
}

/// A body but for the value in it.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    /// Its media type.
    pub media: &'static str,
    /// What stands before the value.
    pub before: &'static str,
    /// What stands after it.
    pub after: &'static str,
}

impl Body {
    /// JSON.
    pub fn json(before: &'static str, after: &'static str) -> Self {
        Self { media: "application/json", before, after }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Load {
    /// Right answers.
    pub answers: usize,
    /// Those of them that begin as [`Expected::begin`] has it.
    pub begun: usize,
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

/// A buyer who has done, with the latencies of the answers and how many of these began as expected.
type Done = (Buyer, Vec<u32>, usize);

/// Buyers at work.
struct Crowd {
    running: JoinSet<Result<Done>>,
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
        let ask = Arc::new(ask.clone());
        for (place, buyer) in buyers.into_iter().enumerate() {
            running.spawn(one(buyer, place, Arc::clone(&ask), period, enough.clone()));
        }
        Self { running, started }
    }

    /// Waits for the last answers, and gives the buyers back.
    async fn end(mut self, buyers: &mut Vec<Buyer>) -> Result<Load> {
        let mut load = Load::default();
        while let Some(ended) = self.running.join_next().await {
            let (buyer, latencies, begun) = ended??;
            load.latencies.extend(latencies);
            load.begun += begun;
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
    ask: Arc<Ask>,
    period: Option<Duration>,
    enough: impl Fn() -> bool,
) -> Result<Done> {
    let (mut bytes, value) = prepare(&ask, &buyer.cookie);
    if ask.values.iter().any(|other| other.len() != value.len()) {
        return Err(format!("not all that is sent to {} is of one length", ask.path).into());
    }
    let (mut latencies, mut begun) = (Vec::with_capacity(1 << 15), 0);
    // They do not all come at once.
    let late = |period: Duration| period.mul_f64(place as f64 * 0.618 % 1.0);
    let mut pace = period.map(|period| interval_at(tokio::time::Instant::now() + late(period), period));
    let mut began = Instant::now();
    for turn in 0.. {
        if let Some(pace) = &mut pace {
            pace.tick().await;
            began = Instant::now();
        }
        let mut at = 0;
        if ask.values.len() > 1 {
            // Each buyer walks all values from a place of its own, in steps that have no factor in common
            // with their number, unless somebody asks for a multiple of 61.
            at = (place * 17 + turn * 61) % ask.values.len();
            bytes[value.clone()].copy_from_slice(ask.values[at].as_bytes());
        }
        let (status, body) = buyer.connection.answer(&bytes).await?;
        if let Some(expected) = ask.expected.as_ref().filter(|_| status == ask.status) {
            if !body.ends_with(expected.end(at)) {
                let said = String::from_utf8_lossy(body);
                return Err(format!("{} {} answered something else: {said}", ask.method, ask.path).into());
            }
            begun += usize::from(body.starts_with(expected.begin.as_bytes()));
        }
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
    Ok((buyer, latencies, begun))
}

/// The bytes of the request with the first value, and where in them that is.
fn prepare(ask: &Ask, cookie: &str) -> (Vec<u8>, Range<usize>) {
    let cookie = Some(cookie).filter(|cookie| !cookie.is_empty());
    let first = ask.values.first().map_or("", String::as_str);
    let Some(Body { media, before, after }) = ask.body else {
        let begin = ask.method.len() + 1 + ask.path.len();
        let bytes = request(ask.method, &format!("{}{first}", ask.path), cookie, None);
        return (bytes, begin..begin + first.len());
    };
    let bytes = request_of(media, ask.method, ask.path, cookie, Some(&format!("{before}{first}{after}")));
    let end = bytes.len() - after.len();
    (bytes, end - first.len()..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_its_request() {
        let body = Some(Body::json("{\"key\":\"", "\",\"value\":1}"));
        let values = vec!["k01".to_owned(), "k02".to_owned()];
        let ask = Ask { method: "POST", path: "/api/increment", body, values, status: 200, expected: None };
        let (mut bytes, value) = prepare(&ask, "session=a");
        bytes[value].copy_from_slice(b"k02");
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.ends_with("Content-Length: 23\r\n\r\n{\"key\":\"k02\",\"value\":1}"), "{text}");
        assert!(text.contains("Cookie: session=a\r\n"));
    }

    #[test]
    fn who_is_not_signed_in_sends_no_cookie() {
        let ask =
            Ask { method: "GET", path: "/", body: None, values: Vec::new(), status: 200, expected: None };
        assert_eq!(prepare(&ask, "").0, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }

    #[test]
    fn a_value_without_a_body_ends_the_path() {
        let values = vec!["01".to_owned(), "02".to_owned()];
        let ask = Ask { method: "GET", path: "/a?id=", body: None, values, status: 200, expected: None };
        let (mut bytes, value) = prepare(&ask, "");
        bytes[value].copy_from_slice(b"02");
        assert_eq!(bytes, b"GET /a?id=02 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }

    #[test]
    fn what_is_expected_is_of_the_value_or_of_all() {
        let expected =
            |ends: &[&str]| Expected { begin: "", ends: ends.iter().map(|&end| end.to_owned()).collect() };
        assert_eq!(expected(&["a", "b"]).end(1), b"b");
        assert_eq!(expected(&["a"]).end(7), b"a");
        assert_eq!(expected(&[]).end(0), b"");
    }
}
