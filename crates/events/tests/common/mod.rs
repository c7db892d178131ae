//! A publishing service, `payments`, and a consumer that writes down what it hears, on either bus and engine.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use contracts::{Event, PaymentState, PaymentStatus};
use db::{Db, Location, Migration, Tx};
use engines::Home;
use events::{Bus, Handler, Nats, NatsSettings, Service, Subscription};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::{Clock, Error, Money, OrderId, PaymentId, Result, UserId};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(30);

/// Writes down what it hears and in what order; refuses amounts of 13 while it is superstitious, panics at 14, and wants
/// to be asked again about 15. While its door is closed, it waits before it.
pub struct Scribe {
    superstitious: Arc<AtomicBool>,
    door: Arc<Door>,
}

/// Keeps whoever takes something in, in the middle of it.
#[derive(Default)]
pub struct Door {
    closed: AtomicBool,
    waiting: AtomicBool,
}

impl Door {
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub fn open(&self) {
        self.closed.store(false, Ordering::SeqCst);
    }

    /// Whether somebody has come to it while it was closed.
    pub fn has_somebody(&self) -> bool {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Holds up the thread: a transaction may await nothing but its own statements. Other tasks find another.
    fn pass(&self) {
        tokio::task::block_in_place(|| {
            while self.closed.load(Ordering::SeqCst) {
                self.waiting.store(true, Ordering::SeqCst);
                std::thread::yield_now();
            }
        });
    }
}

impl Handler for Scribe {
    fn subjects(&self) -> &'static [&'static str] {
        &["payment:created", "payment:updated"]
    }
    fn handle<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>> {
        async move {
            self.door.pass();
            for event in events {
                let (Event::PaymentCreated(state) | Event::PaymentUpdated(state)) = event else {
                    return Err(Error::internal("not asked for"));
                };
                if self.superstitious.load(Ordering::SeqCst) {
                    match state.amount.minor() {
                        13 => return Err(Error::internal("thirteen")),
                        14 => panic!("fourteen"),
                        15 => return Err(Error::unavailable("fifteen")),
                        _ => {}
                    }
                }
                let sql = "INSERT INTO heard (payment, version, n)
                    VALUES ($1, $2, (SELECT COUNT(*) FROM heard WHERE payment = $1))";
                tx.execute(sql, &[&state.id, &state.version]).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

const HEARD: Migration = Migration {
    name: "0001_heard",
    sql: "CREATE TABLE heard (payment TEXT NOT NULL, version BIGINT NOT NULL, n BIGINT NOT NULL)",
};

/// The databases of one installation, and its way to NATS.
pub struct House {
    pub home: Home,
    pub server: Option<engines::Nats>,
    pub settings: Option<NatsSettings>,
    pub source: Db,
    pub superstitious: Arc<AtomicBool>,
    /// Before whatever a consumer takes in.
    pub door: Arc<Door>,
    /// The consumer as its first process sees it.
    pub consumer: Db,
    pub subscription: Subscription,
}

/// One process at work.
pub struct Copy {
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
    pub bus: Bus,
}

impl Copy {
    /// Ends it in good order.
    pub async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(DEADLINE, self.tasks.wait()).await.expect("a copy ends");
    }
}

/// Opens a database of the home.
pub fn open(home: &Home, name: &'static str) -> Db {
    let location = Location::new(home.url(), home.directory(), name);
    Db::open(&location, name, Clock::system()).unwrap()
}

impl House {
    /// On the bus within the process.
    pub async fn local() -> Option<Self> {
        Some(Self::new(Home::new().await, None).await)
    }

    /// On a NATS server of its own. `None` if that is not installed.
    pub async fn nats() -> Option<Self> {
        Some(Self::new(Home::new().await, Some(engines::Nats::start().await?)).await)
    }

    /// On a NATS server, and databases that several processes share.
    pub async fn shared() -> Option<Self> {
        Some(Self::new(Home::postgres().await?, Some(engines::Nats::start().await?)).await)
    }

    async fn new(home: Home, server: Option<engines::Nats>) -> Self {
        let (source, consumer) = (open(&home, "payments"), open(&home, "consumer"));
        source.migrate(&[]).await.unwrap();
        consumer.migrate(&[HEARD]).await.unwrap();
        let superstitious = Arc::new(AtomicBool::new(true));
        let door = Arc::<Door>::default();
        let scribe = Scribe { superstitious: Arc::clone(&superstitious), door: Arc::clone(&door) };
        let subscription = Subscription::new(consumer.clone(), Arc::new(scribe));
        let settings = server.as_ref().map(|server| NatsSettings::new(server.url()));
        Self { home, server, settings, source, superstitious, door, consumer, subscription }
    }

    pub async fn bus(&self) -> Bus {
        match &self.settings {
            None => Bus::local(vec![self.subscription.clone()]),
            Some(settings) => Bus::nats(Nats::connect(settings.clone()).await.unwrap()),
        }
    }

    /// Starts a process that runs both services.
    pub async fn start(&self, owner: &str) -> Copy {
        self.start_with(owner, &self.source, self.subscription.clone(), &self.consumer).await
    }

    /// Starts a process that publishes only.
    pub async fn start_publishing(&self, owner: &str) -> Copy {
        let copy = Copy { tasks: TaskTracker::new(), stop: CancellationToken::new(), bus: self.bus().await };
        let services = vec![Service::new(self.source.clone(), None)];
        events::run(&copy.bus, services, owner, &copy.tasks, &copy.stop);
        copy
    }

    /// Starts another process, with connections of its own.
    pub async fn start_another(&self, owner: &str) -> Copy {
        let consumer = open(&self.home, "consumer");
        let scribe = Scribe { superstitious: Arc::clone(&self.superstitious), door: Arc::clone(&self.door) };
        let subscription = Subscription::new(consumer.clone(), Arc::new(scribe));
        self.start_with(owner, &open(&self.home, "payments"), subscription, &consumer).await
    }

    async fn start_with(&self, owner: &str, source: &Db, hears: Subscription, consumer: &Db) -> Copy {
        let copy = Copy { tasks: TaskTracker::new(), stop: CancellationToken::new(), bus: self.bus().await };
        let services = vec![Service::new(source.clone(), None), Service::new(consumer.clone(), Some(hears))];
        events::run(&copy.bus, services, owner, &copy.tasks, &copy.stop);
        copy
    }

    pub fn payment(&self, amount: i64) -> PaymentState {
        let clock = self.source.clock();
        PaymentState {
            id: PaymentId::new(clock),
            version: 0,
            order_id: OrderId::new(clock),
            user_id: UserId::new(clock),
            amount: Money::from_minor(amount),
            status: PaymentStatus::Pending,
            refund_requested: false,
        }
    }

    pub async fn emit(&self, state: &PaymentState, version: i64) {
        let event = &Event::PaymentUpdated(PaymentState { version, ..state.clone() });
        self.source.write(|tx| async move { tx.emit(event).await }).await.unwrap();
    }

    /// So many payments, of which nobody has heard.
    pub fn payments(&self, count: usize) -> Vec<PaymentState> {
        (0..count).map(|_| self.payment(100)).collect()
    }

    /// Publishes one version of each payment.
    pub async fn emit_all(&self, payments: &[PaymentState], version: i64) {
        for payment in payments {
            self.emit(payment, version).await;
        }
    }

    /// Of so many payments each version was heard, once and in order.
    pub async fn assert_all_in_order(&self, payments: usize, versions: i64) {
        let heard = self.heard().await;
        let expected: Vec<i64> = (0..versions).collect();
        assert_eq!(heard.len(), payments);
        assert!(heard.values().all(|heard| *heard == expected), "{heard:?}");
    }

    /// What was heard, by payment, in the order in which it was.
    pub async fn heard(&self) -> BTreeMap<String, Vec<i64>> {
        let rows: Vec<(String, i64)> = self
            .consumer
            .all("SELECT payment, version FROM heard ORDER BY payment, n LIMIT 100000", &[])
            .await
            .unwrap();
        let mut heard: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (payment, version) in rows {
            heard.entry(payment).or_default().push(version);
        }
        heard
    }

    /// How many events were heard.
    pub async fn count(&self) -> i64 {
        self.consumer.one::<(i64,)>("SELECT COUNT(*) FROM heard", &[]).await.unwrap().0
    }

    /// Waits until so many events were heard or parked, and the outbox is empty.
    pub async fn settled(&self, events: i64) {
        until("everything is heard or parked", async || {
            let parked = self.consumer.count_dead_letters().await.unwrap();
            self.count().await + parked >= events && self.source.outbox_lag().await.unwrap().0 == 0
        })
        .await;
        let parked = self.consumer.count_dead_letters().await.unwrap();
        assert_eq!(self.count().await + parked, events, "and nothing twice");
    }

    /// Runs one process until that is so.
    pub async fn run_until_settled(&self, events: i64) {
        let copy = self.start("one").await;
        self.settled(events).await;
        copy.end().await;
    }
}

/// Waits for what must come, and says what did not.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < DEADLINE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
