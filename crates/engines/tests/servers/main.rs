//! The engines that tests stand on do what they say.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod leftovers;
mod nats;
mod nginx;
mod postgres;
mod redis;
mod s3;

use std::time::Duration;

/// Long enough for an answer that would come, short enough to wait for one that must not.
const MOMENT: Duration = Duration::from_millis(300);
