//! Events of several traces share transactions, and each goes on in its own. One whose row has no trace, as if the
//! way through the outbox were cut, is in none of them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use contracts::{Event, ExpirationState, PaymentState, PaymentStatus};
use db::{Db, Location, Tx};
use engines::Home;
use events::{Bus, Handler, Service, Subscription};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::{Clock, Money, OrderId, PaymentId, Result, Trace, UserId};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use traces::{About, Span};

const TRACES: u128 = 5;

/// Keeps spans.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Kept {
    /// The spans of each trace: name, own id, that of the parent.
    fn traces(&self) -> BTreeMap<u128, Vec<(String, u64, u64)>> {
        let mut traces: BTreeMap<u128, Vec<_>> = BTreeMap::new();
        for span in self.0.lock().unwrap().iter() {
            let number = u128::from_be_bytes(span.span_context.trace_id().to_bytes());
            let own = u64::from_be_bytes(span.span_context.span_id().to_bytes());
            let parent = u64::from_be_bytes(span.parent_span_id.to_bytes());
            traces.entry(number).or_default().push((span.name.to_string(), own, parent));
        }
        traces
    }
}

/// Answers each payment by an event about its order, all of a batch in one go, and notes how large that was.
struct Echo(Arc<Mutex<Vec<usize>>>);

impl Handler for Echo {
    fn subjects(&self) -> &'static [&'static str] {
        &["payment:created"]
    }

    fn handle<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>> {
        async move {
            self.0.lock().unwrap().push(events.len());
            let echoes = events.iter().rev().filter_map(|event| match event {
                Event::PaymentCreated(PaymentState { order_id, .. }) => {
                    let (order_id, expires_at) = (*order_id, tx.clock().now());
                    Some(Event::ExpirationComplete(ExpirationState { order_id, expires_at }))
                }
                _ => None,
            });
            tx.emit_all(&echoes.collect::<Vec<_>>()).await
        }
        .boxed()
    }
}

async fn open(home: &Home, name: &'static str) -> Db {
    let location = Location::new(home.url(), home.directory(), name);
    let db = Db::open(&location, name, Clock::system()).unwrap();
    db.migrate(&[]).await.unwrap();
    db
}

async fn pay(db: &Db) {
    let clock = db.clock();
    let event = &Event::PaymentCreated(PaymentState {
        id: PaymentId::new(clock),
        version: 0,
        order_id: OrderId::new(clock),
        user_id: UserId::new(clock),
        amount: Money::from_minor(100),
        status: PaymentStatus::Pending,
        refund_requested: false,
    });
    db.write(|tx| async move { tx.emit(event).await }).await.unwrap();
}

#[tokio::test]
async fn each_event_of_a_batch_goes_on_in_its_own_trace() {
    let home = Home::new().await;
    let (source, consumer) = (open(&home, "payments").await, open(&home, "consumer").await);
    pay(&source).await;
    assert!(source.outbox_waiting(1).await.unwrap()[0].trace.is_none(), "nobody collects");

    let kept = Kept::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build();
    opentelemetry::global::set_tracer_provider(provider);
    traces::turn_on();
    for number in 1..=TRACES {
        let work = Span::after(Trace::new(number, 77, 1), || About::named("work"));
        work.around(pay(&source)).await;
    }

    let batches = Arc::default();
    let subscription = Subscription::new(consumer.clone(), Arc::new(Echo(Arc::clone(&batches))));
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let bus = Bus::local(vec![subscription]);
    let services = vec![Service::new(source, None), Service::new(consumer, None)];
    events::run(&bus, services, "one", &tasks, &stop);
    let echoes = |kept: &Kept| kept.0.lock().unwrap().iter().filter(|s| s.name.starts_with("exp")).count();
    common::until("every trace has its echo", async || echoes(&kept) > TRACES as usize).await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;

    assert_eq!(*batches.lock().unwrap(), [TRACES as usize + 1], "they shared a transaction");
    let mut traces = kept.traces();
    let chain = ["work", "payment:created publish", "payment:created process", "expiration:complete publish"];
    for number in 1..=TRACES {
        let spans = traces.remove(&number).unwrap();
        assert_eq!(spans.len(), chain.len(), "{spans:#?}");
        let mut parent = 77;
        for name in chain {
            let (_, own, of) = spans.iter().find(|(known, ..)| known == name).unwrap();
            assert_eq!(*of, parent, "{name} in {spans:#?}");
            parent = *own;
        }
    }
    // The control: what has no trace of its own begins one, and is not taken for a part of another.
    let cut: Vec<_> = traces.into_values().flatten().collect();
    let names: Vec<&str> = cut.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names.len(), chain.len() - 1, "{names:?}");
    assert!(cut.iter().any(|(name, _, parent)| name == "payment:created publish" && *parent == 0));
}
