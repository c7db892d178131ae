//! Starts the real app for tests: in this process, where a test drives the clock, or as a process of its
//! own, where a test may kill it. Nothing here is a stand-in.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod app;
mod client;
mod installation;
mod process;
mod proxy;

use std::time::{Duration, Instant};

pub use app::App;
pub use client::{Answer, Client};
pub use installation::{Engines, Installation, Topology};
pub use process::Process;
pub use proxy::Proxy;

/// How long anything may take before a test gives up on it.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Asks `look` until it answers; polls, for there is nothing to wait on from outside.
///
/// # Panics
/// With `what` if there is no answer within [`DEADLINE`].
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
