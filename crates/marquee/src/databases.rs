//! The databases of a process: open once they answer, in no other process where they must not be, and kept from growing.

use std::time::Duration;

use db::{Db, LEASE};
use events::Job;
use kernel::{Error, Kind, Result};
use tokio::time;

use crate::progress::telling;
use crate::{Service, Settings};

/// Published events and old answers are looked through this often.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// Published events are kept this long, so that they can be published again.
const EVENTS_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// How long a start waits for a database that is away, or just starting itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens a service's database, once it answers; `migrate` brings it up to date.
pub(crate) async fn open(settings: &Settings, service: Service, migrate: bool) -> Result<Db> {
    let _telling = telling(format!("opening the database of {service}"));
    let db = Db::open(&settings.location(service.name()), service.name(), settings.clock.clone())?;
    awake(&db).await?;
    if migrate {
        db.migrate(service.migrations()).await?;
    } else {
        db.check_migrated(service.migrations()).await?;
    }
    Ok(db)
}

/// Waits until a database answers: it may be starting at the same time.
async fn awake(db: &Db) -> Result<()> {
    let deadline = time::Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        match db.ping().await {
            Ok(()) => return Ok(()),
            Err(error) if error.kind != Kind::Unavailable => return Err(error),
            Err(error) if time::Instant::now() > deadline => {
                let told =
                    format!("the database of {} is away: see that DATABASE_URL leads to it", db.name());
                return Err(Error::unavailable(told).because(error));
            }
            Err(error) if !told => {
                told = true;
                tracing::warn!(db = db.name(), error = ?error, "waiting for the database");
            }
            Err(_) => {}
        }
        time::sleep(Duration::from_millis(500)).await;
    }
}

/// Without a bus, events do not leave the process `owner`, so nobody else may work on its `databases`. Whoever was killed a
/// moment ago still has its leases for a moment.
///
/// # Errors
/// `Conflict` if another process works on them.
pub(crate) async fn be_alone(databases: &[Db], owner: &str) -> Result<()> {
    let deadline = time::Instant::now() + LEASE + Duration::from_secs(1);
    let _telling =
        telling("waiting for another marquee on this database, which may have been killed, to be gone");
    for db in databases {
        while db.feed(owner).await?.is_none() {
            if time::Instant::now() > deadline {
                return Err(Error::conflict(
                    "another marquee works on this database: set NATS_URL for both, by which they share \
                     the work, or stop the other",
                ));
            }
            time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

/// Keeps the tables that every database has from growing for ever.
pub(crate) fn prune(db: Db) -> Job {
    Job::periodic("prune", PRUNE_EVERY, move || {
        let db = db.clone();
        async move {
            let now = db.clock().now();
            while db.outbox_prune(now - EVENTS_KEPT).await? == 1000 {}
            while db.prune_answers(now).await? == 1000 {}
            Ok(())
        }
    })
}
