//! A database of a test's own on a PostgreSQL server.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_postgres::{Error, NoTls};

use crate::ports::chance;
use crate::{DEADLINE, complain};

/// How long a test that is over waits for its database to be dropped.
const DROP: Duration = Duration::from_secs(10);

/// A new database, dropped again when this is dropped, even if somebody is still connected to it. If its server
/// does not run then, or is paused, it stays until the server goes.
pub struct Database {
    url: String,
    name: String,
    server: String,
    up: Arc<AtomicBool>,
}

impl Database {
    /// Creates one on the server whose maintenance database is at `server`; `up` says whether that runs.
    ///
    /// # Panics
    /// If it cannot be created.
    pub(crate) async fn create(server: &str, up: &Arc<AtomicBool>) -> Self {
        let name = format!("marquee_test_{}_{:016x}", std::process::id(), chance());
        // Of template0, which nobody can have changed or be connected to.
        let sql = format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0");
        let created = timeout(DEADLINE, execute(server, &sql)).await.expect("a database is created in time");
        created.expect("a database can be created");
        Self { url: with_name(server, &name), name, server: server.to_owned(), up: Arc::clone(up) }
    }

    /// Where it is: `postgres://user@127.0.0.1:port/name`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !self.up.load(Ordering::Relaxed) {
            return;
        }
        let server = self.server.clone();
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // On a thread of its own: where this is dropped a runtime may be in the middle of something, or gone.
        let dropping = thread::spawn(move || {
            let runtime =
                Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
            match runtime.block_on(async { timeout(DROP, execute(&server, &sql)).await }) {
                Ok(done) => done.map_err(|error| format!("{error:?}")),
                Err(_) => Err("it took too long".to_owned()),
            }
        });
        if let Ok(Err(reason)) = dropping.join() {
            complain(&format!("the database {} could not be dropped: {reason}", self.name));
        }
    }
}

/// Runs a statement over a connection of its own.
pub(crate) async fn execute(url: &str, sql: &str) -> Result<(), Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let mut work = pin!(client.batch_execute(sql));
    tokio::select! {
        done = &mut work => done,
        // Nothing carries the work any more, so it says how it ended.
        _ = connection => work.await,
    }
}

/// The URL of another database of the same server, with the same parameters.
fn with_name(url: &str, name: &str) -> String {
    let (address, parameters) =
        url.split_once('?').map_or((url, String::new()), |(a, p)| (a, format!("?{p}")));
    let (scheme, rest) =
        address.split_once("://").expect("the URL of a server: postgres://user@host:port/database");
    let authority = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{authority}/{name}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::with_name;

    #[test]
    fn only_the_name_changes() {
        let url = "postgres://ada:pw@db:5432/postgres?sslmode=disable";
        assert_eq!(with_name(url, "new"), "postgres://ada:pw@db:5432/new?sslmode=disable");
        assert_eq!(with_name("postgresql://ada@db", "new"), "postgresql://ada@db/new");
        assert_eq!(with_name("postgres://ada@db/?host=/run/pg", "new"), "postgres://ada@db/new?host=/run/pg");
    }
}
