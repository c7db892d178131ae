//! How a process is: what it says of itself when an operator asks. Nothing of it is secret.

use std::sync::Arc;
use std::time::Duration;

use db::Db;
use events::{Nats, Subscription};
use futures_util::future::{join, join_all};
use kernel::{Error, Instant, Result};
use payments::Payments;
use serde::{Deserialize, Serialize};
use web::Web;

use crate::House;
use crate::health::Health;

/// What processes ask each other for their reports by.
const TOPIC: &str = "house";
/// How long the other processes are waited for.
const ANSWERS: Duration = Duration::from_millis(500);
/// More processes than one house has.
const PROCESSES: usize = 64;
/// How long a database is waited for that is only asked how it is. Less than [`ANSWERS`]: a process whose
/// database hangs has to say so in time.
const LOOK: Duration = Duration::from_millis(350);

/// One process, as it sees itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Its own name, random and new at each start.
    pub process: String,
    /// The machine and the number that the process has there.
    pub place: String,
    /// Of the program.
    pub version: String,
    /// When it started.
    pub since: Instant,
    /// How it reaches the others.
    pub bus: BusState,
    /// Who moves the money, if it runs payments.
    pub gateway: Option<GatewayKind>,
    /// What it runs.
    pub services: Vec<ServiceReport>,
}

/// How events travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BusState {
    /// Within the process.
    Local,
    /// Over NATS, which answers.
    Connected,
    /// Over NATS, which is away.
    Away,
}

/// Who moves the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GatewayKind {
    /// The one that is built in.
    Test,
    /// Stripe.
    Stripe,
}

/// One service in one process. What the database did not say in time is not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServiceReport {
    /// Its name.
    pub service: String,
    /// Whether its database is on a server, and not a file.
    pub on_server: bool,
    /// How long the database took to answer, in microseconds.
    pub ping: Option<u64>,
    /// Events in its outbox that wait to be published.
    pub waiting: Option<i64>,
    /// Since when the oldest of them does.
    pub oldest: Option<Instant>,
    /// Events that it could not take.
    pub letters: Option<i64>,
}

/// What looks after the services of this process for the operators. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Inspector {
    pub(crate) web: Web,
    pub(crate) databases: Arc<[Db]>,
    pub(crate) subscriptions: Arc<[Subscription]>,
    pub(crate) bus: Option<Nats>,
    gateway: Option<GatewayKind>,
    process: String,
    since: Instant,
}

impl Inspector {
    /// For the services of `house`.
    pub(crate) fn new(house: &House) -> Self {
        let kind = |payments: &Payments| match payments.gateway().as_test() {
            Some(_) => GatewayKind::Test,
            None => GatewayKind::Stripe,
        };
        Self {
            web: house.web.clone(),
            databases: house.databases().into(),
            subscriptions: house.subscriptions().into(),
            bus: house.bus().cloned(),
            gateway: house.payments().ok().map(kind),
            process: house.owner().to_owned(),
            since: house.since(),
        }
    }

    /// Answers the other processes.
    ///
    /// # Errors
    /// `Unavailable` if the connection to the bus has ended.
    pub(crate) async fn answer(&self, nats: &Nats) -> Result<()> {
        let this = self.clone();
        let report = move |_| {
            let this = this.clone();
            async move { json(&this.report().await) }
        };
        nats.answer_each(TOPIC, report).await?;
        self.answer_letters(nats).await
    }

    /// How the whole house is, as far as it can be heard of from here.
    pub(crate) async fn health(&self) -> Health {
        let others = async {
            match &self.bus {
                Some(nats) => nats.ask_all(TOPIC, "", ANSWERS, PROCESSES).await,
                None => Ok(Vec::new()),
            }
        };
        let (own, others) = join(self.report(), others).await;
        let others = others.unwrap_or_default();
        // One of another version may say it differently.
        let read = others.iter().filter_map(|text| serde_json::from_str::<Report>(text).ok());
        let mut reports: Vec<Report> = read.filter(|report| report.process != own.process).collect();
        reports.insert(0, own);
        Health::of(reports, self.web.clock().now())
    }

    /// How this process is.
    async fn report(&self) -> Report {
        let bus = match &self.bus {
            None => BusState::Local,
            Some(nats) if nats.is_connected() => BusState::Connected,
            Some(_) => BusState::Away,
        };
        Report {
            process: self.process.clone(),
            place: place(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: self.since,
            bus,
            gateway: self.gateway,
            services: join_all(self.databases.iter().map(look)).await,
        }
    }
}

/// How a service is, as its database says.
async fn look(db: &Db) -> ServiceReport {
    let begun = tokio::time::Instant::now();
    let until = begun + LOOK;
    let ping = tokio::time::timeout_at(until, db.ping()).await.is_ok_and(|answered| answered.is_ok());
    let ping = ping.then(|| u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
    let rest = async { join(db.outbox_lag(), db.count_dead_letters()).await };
    let (lag, letters) = match tokio::time::timeout_at(until, rest).await {
        Ok((lag, letters)) if ping.is_some() => (lag.ok(), letters.ok()),
        _ => (None, None),
    };
    ServiceReport {
        service: db.name().to_owned(),
        on_server: db.is_shared(),
        ping,
        waiting: lag.map(|(waiting, _)| waiting),
        oldest: lag.and_then(|(_, oldest)| oldest),
        letters,
    }
}

/// The machine's name and this process's number there.
fn place() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "this machine" } else { host.trim() };
    format!("{host}, process {}", std::process::id())
}

pub(crate) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::internal("no JSON").because(e))
}
