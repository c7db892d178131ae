//! The wire between a browser and the server: what is asked on it, and how fast it takes what is sent.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What is passed on at a time, in bytes.
const PART: usize = 64 * 1024;

/// A wire; it is cut when it is dropped.
pub(super) struct Wire {
    base: String,
    tap: Tap,
    _passing: JoinSet<()>,
}

#[derive(Clone)]
struct Tap {
    server: String,
    asked: Arc<Mutex<Vec<String>>>,
    /// In bytes a second.
    rate: Arc<AtomicU64>,
}

impl Wire {
    /// A fast wire to the server at `base`.
    pub(super) async fn to(base: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = base.strip_prefix("http://").expect("plain HTTP").to_owned();
        let tap = Tap { server, asked: Arc::default(), rate: Arc::new(AtomicU64::new(u64::MAX)) };
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut passing = JoinSet::new();
        let all = tap.clone();
        passing.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((browser, _)) = listener.accept().await {
                let tap = all.clone();
                open.spawn(async move { tap.pass(browser).await });
                while open.try_join_next().is_some() {}
            }
        });
        Self { base, tap, _passing: passing }
    }

    /// Where the browser finds the server.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// From now on the server gets at most so many bytes a second on each connection.
    pub(super) fn take(&self, rate: u64) {
        self.tap.rate.store(rate, Ordering::Relaxed);
    }

    /// What the requests that begin with `start` said in their header `name`; nothing of those that did not say it.
    pub(super) fn said(&self, start: &str, name: &str) -> Vec<String> {
        let asked = self.tap.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let said = |head: &String| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find_map(|(said, value)| said.eq_ignore_ascii_case(name).then(|| value.to_owned()))
        };
        asked.iter().filter(|head| head.starts_with(start)).filter_map(said).collect()
    }
}

impl Tap {
    async fn pass(self, browser: TcpStream) {
        let Ok(server) = TcpStream::connect(&self.server).await else { return };
        let ((mut from_browser, mut to_browser), (mut from_server, mut to_server)) =
            (browser.into_split(), server.into_split());
        let up = async {
            let mut part = vec![0; PART];
            while let Ok(length @ 1..) = from_browser.read(&mut part).await {
                self.note(&part[..length]);
                if to_server.write_all(&part[..length]).await.is_err() {
                    break;
                }
                // The next part waits for its turn: that is what makes the wire slow.
                let rate = self.rate.load(Ordering::Relaxed);
                if rate < u64::MAX {
                    tokio::time::sleep(Duration::from_secs_f64(length as f64 / rate as f64)).await;
                }
            }
        };
        let down = tokio::io::copy(&mut from_server, &mut to_browser);
        // Whoever hangs up first, the other is told.
        tokio::select! {
            () = up => {}
            _ = down => {}
        }
    }

    /// Keeps the head of a request: a browser begins to send one at the begin of a part.
    fn note(&self, part: &[u8]) {
        if !part.first().is_some_and(u8::is_ascii_uppercase) {
            return;
        }
        let end = part.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(head) = end.and_then(|end| std::str::from_utf8(&part[..end]).ok()) {
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(head.to_owned());
        }
    }
}
