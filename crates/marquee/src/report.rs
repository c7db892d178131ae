//! How a process is: what it says of itself when an operator asks. Nothing of it is secret.

use std::sync::Arc;
use std::time::Duration;

use cache::Redis;
use db::Db;
use events::{Nats, Subscription};
use futures_util::future::{join, join_all, join3};
use kernel::{Error, Instant, Result};
use payments::Payments;
use serde::{Deserialize, Serialize};
use web::Web;

use crate::House;
use crate::health::Health;
use crate::look::Look;

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
    /// Whether the Redis that it was told of does not answer.
    #[serde(default)]
    pub is_redis_away: bool,
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

/// What was last seen. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    report: Look<Report>,
    health: Look<Arc<Health>>,
}

/// What looks after the services of this process for the operators. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Inspector {
    pub(crate) web: Web,
    pub(crate) databases: Arc<[Db]>,
    pub(crate) subscriptions: Arc<[Subscription]>,
    pub(crate) bus: Option<Nats>,
    redis: Option<Redis>,
    seen: Seen,
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
            redis: house.redis().cloned(),
            seen: house.seen().clone(),
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

    /// How the whole house is, as far as it can be heard of from here. All open pages share one look.
    pub(crate) async fn health(&self) -> Arc<Health> {
        self.seen.health.share(async { Arc::new(self.look_around().await) }).await
    }

    async fn look_around(&self) -> Health {
        let now = || self.web.clock().now();
        let Some(nats) = &self.bus else { return Health::of(vec![self.report().await], true, now()) };
        let (own, answers) = join(self.report(), nats.ask_all(TOPIC, "", ANSWERS, PROCESSES)).await;
        if let Err(error) = &answers {
            tracing::warn!(error = ?error, "the other processes cannot be asked how they are");
        }
        // One of another version may say it differently.
        let read = |text: String| serde_json::from_str::<Report>(&text).ok();
        let mut reports: Vec<Report> = answers.unwrap_or_default().into_iter().filter_map(read).collect();
        // It is asked with the others: where it does not hear itself, it may not hear them either.
        let hears = reports.iter().any(|report| report.process == own.process);
        reports.retain(|report| report.process != own.process);
        reports.insert(0, own);
        Health::of(reports, hears, now())
    }

    /// How this process is. All who ask share one look.
    async fn report(&self) -> Report {
        self.seen.report.share(self.look_here()).await
    }

    async fn look_here(&self) -> Report {
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
            is_redis_away: self.redis.as_ref().is_some_and(is_away),
            gateway: self.gateway,
            services: join_all(self.databases.iter().map(look)).await,
        }
    }
}

/// As far as is known; whoever looks again is told what comes of this look.
fn is_away(redis: &Redis) -> bool {
    redis.probe();
    !redis.is_up()
}

/// How a service is, as its database says.
async fn look(db: &Db) -> ServiceReport {
    let begun = tokio::time::Instant::now();
    let ping = async {
        in_time(db.ping()).await?;
        Some(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX))
    };
    // Each for itself: a figure that takes long says nothing about the others.
    let (ping, lag, letters) = join3(ping, in_time(db.outbox_lag()), in_time(db.count_dead_letters())).await;
    ServiceReport {
        service: db.name().to_owned(),
        on_server: db.is_shared(),
        ping,
        waiting: lag.map(|(waiting, _)| waiting),
        oldest: lag.and_then(|(_, oldest)| oldest),
        letters,
    }
}

/// What a database says within [`LOOK`].
async fn in_time<T>(said: impl Future<Output = Result<T>>) -> Option<T> {
    tokio::time::timeout(LOOK, said).await.ok()?.ok()
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
