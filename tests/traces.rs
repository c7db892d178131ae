//! One order's trace, as a collector sees it: one connected tree across HTTP, outbox, bus and handlers, in one
//! process and in many. And the log, which has the same ids.

mod collector;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use futures_util::future::join_all;
use kernel::{Clock, EventId};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Client, DEADLINE, Installation, Process, Topology, eventually};
use tokio::io::{AsyncBufReadExt as _, BufReader};

pub use self::collector::Collector;
use self::collector::{Seen, faults};
use crate::BINARY;
use crate::journey::{left, order_is};

/// The span of whoever calls us, in a trace of its own.
struct Caller {
    trace: String,
    span: String,
}

impl Caller {
    fn new() -> Self {
        let trace = EventId::new(&Clock::system()).as_uuid().simple().to_string();
        let span = trace[16..].to_owned();
        Self { trace, span }
    }

    fn header(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.span)
    }

    /// Posts within this trace.
    async fn post(&self, client: &Client, path: &str, body: &Value) -> Answer {
        let request = client.request(Method::POST, path).header("traceparent", self.header());
        client.try_send(request.json(body)).await.unwrap()
    }

    /// Waits until all of what is wanted has arrived of this trace, so many times each; answers what did, which is
    /// one tree.
    async fn tree(&self, collector: &Collector, wanted: &[(&str, usize)]) -> Vec<Seen> {
        let all = async || {
            let count = count(&collector.of(&self.trace));
            wanted.iter().all(|(what, times)| count.get(*what).is_some_and(|n| n >= times)).then_some(())
        };
        let found = tokio::time::timeout(DEADLINE, eventually("all spans of a trace", all)).await;
        let spans = collector.of(&self.trace);
        assert!(found.is_ok(), "{:#?}", count(&spans));
        assert_eq!(faults(&spans, &self.span), Vec::<String>::new());
        spans
    }
}

/// How often each was seen.
fn count(spans: &[Seen]) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for span in spans {
        *count.entry(span.what()).or_default() += 1;
    }
    count
}

/// What a hold comes to.
const HELD: [(&str, usize); 7] = [
    ("POST /api/orders", 1),
    ("reserve", 1),
    ("order:created publish", 1),
    ("order:created process by tickets", 1),
    ("order:created process by expiration", 1),
    ("order:created process by payments", 1),
    ("order:created process by streaming", 1),
];

/// What a payment comes to: the order awaits it, and then it is complete.
const PAID: [(&str, usize); 12] = [
    ("POST /api/payments", 1),
    ("gateway charge", 1),
    ("payment:created publish", 1),
    ("payment:created process by orders", 1),
    ("payment:updated publish", 1),
    ("payment:updated process by orders", 1),
    ("order:updated publish", 2),
    ("order:updated process by tickets", 2),
    ("order:updated process by expiration", 2),
    ("order:updated process by payments", 2),
    ("order:updated process by counters", 2),
    ("order:updated process by streaming", 2),
];

/// Holds and pays, each in a trace of its own that is not that of a try which came too early.
async fn hold_and_pay(buyer: &Client, ticket: &str) -> (Caller, Caller) {
    let held = eventually("the ticket can be held", async || {
        let caller = Caller::new();
        let answer = caller.post(buyer, "/api/orders", &json!({"ticketId": ticket, "quantity": 1})).await;
        (answer.status != 404).then(|| (caller, answer.expect(201).text_of("id")))
    });
    let (holding, order) = held.await;
    let paying = eventually("the order can be paid", async || {
        let caller = Caller::new();
        let answer =
            caller.post(buyer, "/api/payments", &json!({"orderId": order, "token": "tok_visa"})).await;
        (answer.status != 404).then(|| answer.expect(201)).map(|_| caller)
    });
    let paying = paying.await;
    order_is(buyer, &order, "complete").await;
    (holding, paying)
}

/// From signing in to the door; answers the traces of the hold and of the payment.
async fn walk(house: &Installation, collector: &Collector) -> (Vec<Seen>, Vec<Seen>) {
    let (mut seller, mut buyer) = (house.client(), house.client());
    seller.sign_up("planted-seller@example.com").await;
    buyer.sign_up("planted-buyer@example.com").await;
    buyer.sign_in("planted-buyer@example.com").await;
    let ticket = seller.list_ticket("Metropolis", "19.99", 3).await;
    let (holding, paying) = hold_and_pay(&buyer, &ticket).await;
    let (held, paid) = (holding.tree(collector, &HELD).await, paying.tree(collector, &PAID).await);
    left(&buyer, &ticket, 2).await;

    let redeeming = Caller::new();
    let orders = buyer.get("/api/orders?planted=query").await.expect(200).json;
    let order = buyer.get(&format!("/api/orders/{}", orders[0]["id"].as_str().unwrap())).await.expect(200);
    let code = order.json["admissions"][0]["code"].as_str().unwrap().to_owned();
    redeeming.post(&seller, &format!("/api/admissions/{code}/redeem"), &json!({})).await.expect(200);
    redeeming.tree(collector, &[("POST /api/admissions/{code}/redeem", 1)]).await;

    let everything = format!("{:?}", collector.all());
    for secret in ["planted", "a long password", buyer.session().unwrap(), code.as_str()] {
        assert!(!everything.contains(secret), "a span says {secret}");
    }
    // The look whether a copy is ready tells nothing.
    assert!(!everything.contains("/readyz"));
    (held, paid)
}

fn one<'a>(spans: &'a [Seen], what: &str) -> &'a Seen {
    spans.iter().find(|span| span.what() == what).unwrap_or_else(|| panic!("no {what}"))
}

/// The processes that made spans.
fn instances(spans: &[Seen]) -> BTreeSet<&str> {
    spans.iter().map(|span| span.resource["service.instance.id"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_one_tree_in_one_process() {
    let collector = Collector::start().await;
    let flags = ["--otlp-endpoint", &collector.url()];
    let mut house = Installation::start(BINARY, Topology::One, &flags).await.unwrap();
    let (held, paid) = walk(&house, &collector).await;
    // One process hears everything once: no span is there that was not asked for.
    let wanted = |all: &[(&str, usize)]| all.iter().map(|(what, times)| (what.to_string(), *times)).collect();
    assert_eq!(count(&held), wanted(&HELD));
    assert_eq!(count(&paid), wanted(&PAID));

    let request = one(&held, "POST /api/orders");
    let told = |name: &str| request.attributes.get(name).map(String::as_str);
    assert_eq!((told("http.request.method"), told("http.route")), (Some("POST"), Some("/api/orders")));
    assert_eq!((told("http.response.status_code"), request.kind), (Some("201"), SpanKind::Server));
    assert_eq!((request.resource["service.name"].as_str(), request.failed), ("marquee", false));
    let follows = |spans: &[Seen], child: &str, parent: &str| {
        assert_eq!(one(spans, child).parent, one(spans, parent).span, "{child} follows from {parent}");
    };
    follows(&held, "reserve", "POST /api/orders");
    follows(&held, "order:created publish", "reserve");
    follows(&held, "order:created process by payments", "order:created publish");
    follows(&paid, "gateway charge", "POST /api/payments");
    follows(&paid, "payment:created process by orders", "payment:created publish");
    let kinds = |what| one(&paid, what).kind;
    assert_eq!(kinds("payment:created publish"), SpanKind::Producer);
    assert_eq!(kinds("payment:created process by orders"), SpanKind::Consumer);
    assert_eq!(kinds("gateway charge"), SpanKind::Client);

    // The control: what a row of the outbox without its trace would leave is seen to be no tree any more.
    let mut cut = paid.clone();
    let place = cut.iter().position(|span| span.what() == "payment:updated publish").unwrap();
    cut[place].parent = String::new();
    assert!(!faults(&cut, &Caller::root_of(&paid)).is_empty());
    cut.remove(place);
    assert!(!faults(&cut, &Caller::root_of(&paid)).is_empty());

    // What was said last arrives, for the end waits for it.
    let last = Caller::new();
    last.post(&house.client(), "/api/orders", &json!({})).await.expect(401);
    assert!(house.processes[0].terminate().await.success());
    assert_eq!(one(&collector.of(&last.trace), "POST /api/orders").parent, last.span);
}

impl Caller {
    /// Of a tree, the span elsewhere that it hangs on.
    fn root_of(spans: &[Seen]) -> String {
        let known: BTreeSet<&String> = spans.iter().map(|span| &span.span).collect();
        spans.iter().map(|span| &span.parent).find(|parent| !known.contains(parent)).unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_one_tree_in_a_process_per_service() {
    let collector = Collector::start().await;
    let flags = ["--otlp-endpoint", &collector.url()];
    let Some(house) = Installation::start(BINARY, Topology::Apart, &flags).await else { return };
    let (held, paid) = walk(&house, &collector).await;
    assert_eq!(
        (instances(&held).len(), instances(&paid).len()),
        (5, 6),
        "all but accounts and storage, and counters only once money is there"
    );
}

/// Twenty buyers at once, whose wishes share transactions and whose events share batches: everybody's spans stay in
/// their own trace.
async fn crowd(house: &Installation, collector: &Collector) {
    const PEOPLE: usize = 20;
    let mut seller = house.client();
    seller.sign_up("seller@example.com").await;
    let ticket = seller.list_ticket("Metropolis", "19.99", 1000).await;
    crate::journey::hold(&seller, &ticket, 1).await;
    let walks = join_all((0..PEOPLE).map(|_| async {
        let (holding, paying) = hold_and_pay(&seller, &ticket).await;
        (holding.tree(collector, &HELD).await, paying.tree(collector, &PAID).await)
    }));
    let mut messages = BTreeSet::new();
    for (held, paid) in walks.await {
        for (spans, published) in [(held, 1), (paid, 4)] {
            let mine: BTreeSet<String> = spans
                .iter()
                .filter_map(|span| span.attributes.get("messaging.message.id").cloned())
                .collect();
            assert_eq!(mine.len(), published, "{:#?}", count(&spans));
            for message in mine {
                assert!(messages.insert(message), "an event is in two traces");
            }
        }
    }
    assert_eq!(messages.len(), PEOPLE * 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_in_one_process_keeps_its_traces_apart() {
    let collector = Collector::start().await;
    let flags = ["--otlp-endpoint", &collector.url()];
    let house = Installation::start(BINARY, Topology::One, &flags).await.unwrap();
    crowd(&house, &collector).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_at_two_copies_keeps_its_traces_apart() {
    let collector = Collector::start().await;
    let flags = ["--otlp-endpoint", &collector.url()];
    let Some(house) = Installation::start(BINARY, Topology::Copies(2), &flags).await else { return };
    crowd(&house, &collector).await;
}

/// A collector that is not there costs nothing but spans; when it comes, it gets what comes then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_may_be_away_and_come_back() {
    let collector = Collector::start().await;
    let (address, url) = (collector.address(), collector.url());
    drop(collector);
    let mut process = Process::start(BINARY, &["--otlp-endpoint", &url]).await;
    let mut person = process.client();
    person.sign_up("somebody@example.com").await;
    let collector = Collector::start_at(address).await;
    eventually("spans arrive", async || {
        person.get("/api/orders").await.expect(200);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        (!collector.all().is_empty()).then_some(())
    })
    .await;
    drop(collector);
    person.get("/api/orders").await.expect(200);
    assert!(process.terminate().await.success());
}

/// Only what was sampled elsewhere, or falls into the share that is recorded, is exported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_sampled_is_not_exported() {
    let collector = Collector::start().await;
    let flags = ["--otlp-endpoint", &collector.url(), "--trace-share", "0"];
    let mut house = Installation::start(BINARY, Topology::One, &flags).await.unwrap();
    let mut seller = house.client();
    seller.sign_up("seller@example.com").await;
    let ticket = seller.list_ticket("Metropolis", "19.99", 10).await;
    let (sampled, unsampled) = (Caller::new(), Caller::new());
    let wish = json!({"ticketId": ticket, "quantity": 1});
    let request = seller.request(Method::POST, "/api/orders");
    let request = request.header("traceparent", unsampled.header().replace("-01", "-00"));
    seller.try_send(request.json(&wish)).await.unwrap().expect(201);
    sampled.post(&seller, "/api/orders", &wish).await.expect(201);
    sampled.tree(&collector, &HELD).await;
    assert!(house.processes[0].terminate().await.success());
    assert!(collector.all().iter().all(|span| span.trace == sampled.trace), "{:#?}", count(&collector.all()));
}

/// Starts a server that logs, sends it a call, and answers the line about that.
async fn line_of(caller: &Caller, flags: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(BINARY);
    command.arg("serve").arg("--data").arg(dir.path()).args(["--port", "0"]).args(flags);
    command.env("RUST_LOG", "info").stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let greeting = tokio::time::timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let client = Client::new(format!("http://127.0.0.1:{}", greeting.rsplit(':').next().unwrap()));
    caller.post(&client, "/api/orders?planted=query", &json!({})).await.expect(401);
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let found = async {
        loop {
            let line = log.next_line().await.unwrap().expect("the log goes on");
            if line.contains("answered") {
                return line;
            }
        }
    };
    tokio::time::timeout(DEADLINE, found).await.expect("a line about it")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_has_the_ids_of_the_trace() {
    let collector = Collector::start().await;
    let url = collector.url();
    // Without a collector, what the caller said of its trace is there all the same.
    for flags in [&["--log-format", "json"][..], &["--log-format", "json", "--otlp-endpoint", &url]] {
        let caller = Caller::new();
        let line: Value = serde_json::from_str(&line_of(&caller, flags).await).unwrap();
        assert_eq!((&line["message"], &line["route"]), (&json!("answered"), &json!("/api/orders")));
        assert_eq!(line["trace_id"], json!(caller.trace));
        assert!(line["request_id"].is_string(), "{line}");
        assert_eq!(line["span_id"].is_string(), flags.len() > 2, "{line}");
        assert_ne!(line["span_id"], json!(caller.span), "it is our span and not the caller's");
    }
    let caller = Caller::new();
    let line = line_of(&caller, &["--otlp-endpoint", &url]).await;
    assert!(line.contains(&caller.trace) && line.contains("span_id") && !line.contains("planted"), "{line}");
}
