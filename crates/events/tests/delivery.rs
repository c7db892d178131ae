//! Delivery on the local bus: once, in order, through restarts, and around what cannot be taken.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contracts::{Event, PaymentState, PaymentStatus};
use db::{Db, Migration, Tx};
use events::{Bus, Handler, Replayed, Subscription, run_relay};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::{Clock, Error, Money, OrderId, PaymentId, Result, UserId};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Writes down what it hears; refuses amounts of 13 while it is superstitious, panics at 14.
struct Scribe {
    superstitious: Arc<AtomicBool>,
}

impl Handler for Scribe {
    fn subjects(&self) -> &'static [&'static str] {
        &["payment:created", "payment:updated"]
    }
    fn handle<'a>(&'a self, tx: Tx, event: &'a Event) -> BoxFuture<'a, Result<()>> {
        async move {
            let (Event::PaymentCreated(state) | Event::PaymentUpdated(state)) = event else {
                return Err(Error::internal("not asked for"));
            };
            if self.superstitious.load(Ordering::SeqCst) {
                match state.amount.minor() {
                    13 => return Err(Error::internal("thirteen")),
                    14 => panic!("fourteen"),
                    _ => {}
                }
            }
            let sql = "INSERT INTO heard (payment, version) VALUES ($1, $2)";
            tx.execute(sql, &[&state.id, &state.version]).await.map(drop)
        }
        .boxed()
    }
}

struct House {
    _dir: TempDir,
    source: Db,
    consumer: Db,
    superstitious: Arc<AtomicBool>,
    subscription: Subscription,
}

impl House {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let open =
            |name: &'static str| Db::open_sqlite(&dir.path().join(name), name, Clock::system()).unwrap();
        let (source, consumer) = (open("source"), open("consumer"));
        source.migrate(&[]).await.unwrap();
        let heard =
            "CREATE TABLE heard (n INTEGER PRIMARY KEY, payment TEXT NOT NULL, version BIGINT NOT NULL)";
        consumer.migrate(&[Migration { name: "0001_heard", sql: heard }]).await.unwrap();
        let superstitious = Arc::new(AtomicBool::new(true));
        let scribe = Arc::new(Scribe { superstitious: Arc::clone(&superstitious) });
        let subscription = Subscription::new(consumer.clone(), scribe);
        Self { _dir: dir, source, consumer, superstitious, subscription }
    }

    fn payment(&self, amount: i64) -> PaymentState {
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

    async fn emit(&self, state: &PaymentState, version: i64) {
        let event = &Event::PaymentUpdated(PaymentState { version, ..state.clone() });
        self.source.write(|tx| async move { tx.emit(event).await }).await.unwrap();
    }

    /// Runs a relay until the outbox is empty.
    async fn drain(&self) {
        let stop = CancellationToken::new();
        let relay = tokio::spawn(run_relay(
            self.source.clone(),
            Bus::local(vec![self.subscription.clone()]),
            stop.clone(),
        ));
        let drained = async {
            while self.source.outbox_lag().await.unwrap().0 > 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), drained).await.expect("the outbox is drained");
        stop.cancel();
        relay.await.unwrap();
    }

    async fn heard(&self) -> BTreeMap<String, Vec<i64>> {
        let rows: Vec<(String, i64)> = self
            .consumer
            .all("SELECT payment, version FROM heard ORDER BY n LIMIT 100000", &[])
            .await
            .unwrap();
        let mut heard: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (payment, version) in rows {
            heard.entry(payment).or_default().push(version);
        }
        heard
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_once_and_in_order() {
    let house = House::new().await;
    let payments: Vec<PaymentState> = (0..50).map(|_| house.payment(100)).collect();
    for version in 0..5 {
        for payment in &payments {
            house.emit(payment, version).await;
        }
    }
    house.drain().await;
    let heard = house.heard().await;
    assert_eq!(heard.len(), 50);
    assert!(heard.values().all(|versions| versions == &[0, 1, 2, 3, 4]), "{heard:?}");
}

#[tokio::test]
async fn a_crash_between_save_and_publish_loses_nothing_and_repeats_nothing() {
    let house = House::new().await;
    let payment = house.payment(100);
    house.emit(&payment, 0).await;
    house.emit(&payment, 1).await;
    // The relay of a process that was killed had delivered, and had not got round to marking it.
    Bus::local(vec![house.subscription.clone()])
        .publish(house.source.outbox_after(0, 1).await.unwrap())
        .await
        .unwrap();
    house.drain().await;
    assert_eq!(house.heard().await[&payment.id.to_string()], [0, 1]);
}

#[tokio::test]
async fn what_cannot_be_taken_is_parked_with_what_follows_it_and_blocks_nobody() {
    let house = House::new().await;
    let (bad, worse, good) = (house.payment(13), house.payment(14), house.payment(1));
    for version in 0..3 {
        for payment in [&bad, &good, &worse] {
            house.emit(payment, version).await;
        }
    }
    house.drain().await;
    assert_eq!(house.heard().await, BTreeMap::from([(good.id.to_string(), vec![0, 1, 2])]));
    let letters = house.subscription.dead_letters().await.unwrap();
    assert_eq!(letters.len(), 6);
    assert!(
        letters.iter().any(|l| l.reason == "thirteen")
            && letters.iter().any(|l| l.reason.contains("panicked"))
    );

    assert_eq!(house.subscription.replay().await.unwrap(), Replayed { done: 0, left: 6 });
    house.superstitious.store(false, Ordering::SeqCst);
    assert_eq!(house.subscription.replay().await.unwrap(), Replayed { done: 6, left: 0 });
    assert_eq!(house.heard().await[&bad.id.to_string()], [0, 1, 2]);
    assert_eq!(house.heard().await[&worse.id.to_string()], [0, 1, 2]);
}
