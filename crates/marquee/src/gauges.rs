//! What is read at the moment of a scrape rather than counted as it happens: how the process is, and what its
//! databases say of their queues. Databases are asked side by side and for a short time, since the metrics of an
//! outage are the ones that are wanted most; what they do not say keeps its last value, and `database_up` is 0.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use accounts::Accounts;
use counters::Counters;
use db::Db;
use events::Subscription;
use expiration::Expiration;
use futures_util::future::{join_all, try_join4};
use kernel::{Error, Result};
use metrics::{Unit, describe_gauge, gauge};
use payments::Payments;
use streaming::Streaming;
use tickets::Tickets;
use tokio::time::timeout;
use web::Web;

use crate::look::Look;
use crate::{House, process};

/// How long all databases together may take.
const BOUND: Duration = Duration::from_millis(900);

/// Describes what is read here. The recorder has to be installed before.
pub(crate) fn describe() {
    describe_gauge!("marquee_build_info", "1; the labels say what runs.");
    describe_gauge!("database_up", "Whether the database of a service answered this scrape.");
    describe_gauge!("outbox_waiting", "Events that wait to be published; more than 10,001 are not counted.");
    describe_gauge!(
        "outbox_oldest_seconds",
        Unit::Seconds,
        "Age of the oldest event that waits to be published."
    );
    describe_gauge!("dead_letters", "Events that a service could not take.");
    describe_gauge!("sessions_revoked", "Sessions that ended before their time, as this process knows.");
    describe_gauge!("data_disk_size_bytes", Unit::Bytes, "Size of the disk that has the data directory.");
    describe_gauge!("data_disk_available_bytes", Unit::Bytes, "What is free of it for us.");
    process::describe();
}

/// What is asked. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Gauges {
    accounts: Option<Accounts>,
    tickets: Option<Tickets>,
    databases: Arc<[Db]>,
    subscriptions: Arc<[Subscription]>,
    expiration: Option<Expiration>,
    payments: Option<Payments>,
    counters: Option<Counters>,
    streaming: Option<Streaming>,
    web: Web,
    data: Arc<PathBuf>,
    look: Look<()>,
}

impl Gauges {
    /// Of the services of `house`.
    pub(crate) fn new(house: &House) -> Self {
        let build = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("os", std::env::consts::OS),
            ("arch", std::env::consts::ARCH),
        ];
        gauge!("marquee_build_info", &build).set(1.0);
        Self {
            accounts: house.accounts().ok().cloned(),
            tickets: house.tickets().ok().cloned(),
            databases: house.databases().into(),
            subscriptions: house.subscriptions().into(),
            expiration: house.expiration().cloned(),
            payments: house.payments().ok().cloned(),
            counters: house.counters().cloned(),
            streaming: house.streaming().ok().cloned(),
            web: house.web.clone(),
            data: Arc::new(house.data().to_path_buf()),
            look: Look::default(),
        }
    }

    /// Brings them up to date, within a second. All who scrape at a time share one look.
    pub(crate) async fn refresh(&self) {
        self.look.share(self.read()).await;
    }

    async fn read(&self) {
        process::observe();
        gauge!("sessions_revoked").set(self.web.revocations().count() as f64);
        self.disk();
        self.subscriptions.iter().for_each(Subscription::observe);
        if let Some(accounts) = &self.accounts {
            accounts.observe();
        }
        if let Some(tickets) = &self.tickets {
            tickets.observe();
        }
        if let Some(counters) = &self.counters {
            counters.gauge();
        }
        if let Some(streaming) = &self.streaming {
            streaming.observe();
        }
        join_all(self.databases.iter().map(|db| self.database(db))).await;
    }

    /// Where there is no such directory, nothing is kept on this disk.
    fn disk(&self) {
        let Ok(disk) = rustix::fs::statvfs(self.data.as_path()) else { return };
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize) as f64;
        gauge!("data_disk_size_bytes").set(bytes(disk.f_blocks));
        gauge!("data_disk_available_bytes").set(bytes(disk.f_bavail));
    }

    async fn database(&self, db: &Db) {
        db.observe();
        let late = |_| Error::unavailable("the database did not answer in time");
        let said = timeout(BOUND, self.ask(db)).await.map_err(late).flatten();
        if let Err(error) = &said {
            tracing::debug!(db = db.name(), ?error, "its own figures are not to be had");
        }
        gauge!("database_up", "service" => db.name()).set(f64::from(u8::from(said.is_ok())));
    }

    async fn ask(&self, db: &Db) -> Result<()> {
        let holds = async {
            match &self.expiration {
                Some(expiration) if db.name() == "expiration" => expiration.observe().await,
                _ => Ok(()),
            }
        };
        let money = async {
            match &self.payments {
                Some(payments) if db.name() == "payments" => payments.observe().await,
                _ => Ok(()),
            }
        };
        let ((waiting, since), letters, (), ()) =
            try_join4(db.outbox_lag(), db.count_dead_letters(), holds, money).await?;
        let age = since.map_or(0.0, |at| at.until(db.clock().now()).as_secs_f64());
        gauge!("outbox_waiting", "service" => db.name()).set(waiting as f64);
        gauge!("outbox_oldest_seconds", "service" => db.name()).set(age);
        gauge!("dead_letters", "service" => db.name()).set(letters as f64);
        Ok(())
    }
}
