//! What processes say to each other beside the events in the streams.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::{Duration, Instant};

use common::{House, until};
use contracts::Event;
use events::{Nats, NatsSettings};
use kernel::{Error, Kind};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

/// A server, and two processes that are connected to it.
async fn two() -> Option<(engines::Nats, Nats, Nats)> {
    let server = engines::Nats::start().await?;
    let one = Nats::connect(NatsSettings::new(server.url())).await.unwrap();
    let other = Nats::connect(NatsSettings::new(server.url())).await.unwrap();
    connected(&[&one, &other]).await;
    Some((server, one, other))
}

async fn connected(all: &[&Nats]) {
    until("all are connected", async || all.iter().all(|nats| nats.is_connected())).await;
}

#[tokio::test]
async fn a_broadcast_reaches_those_who_listen_also_after_the_server_came_back() {
    let Some((mut server, one, other)) = two().await else { return };
    let mut heard = other.listen("changes").await.unwrap();
    let mut elsewhere = other.listen("weather").await.unwrap();
    let mut said = 0;
    for _ in 0..2 {
        // At most once: said until it is heard, for a listener may be a moment behind its own words.
        let first = loop {
            said += 1;
            one.broadcast("changes", &format!("ticket:{said}"));
            if let Ok(Some(first)) = timeout(Duration::from_millis(50), heard.recv()).await {
                break first;
            }
        };
        assert!(first.starts_with("ticket:"));
        server.restart().await;
        until("the loss is noticed", async || one.link().borrow().connects > 1).await;
        connected(&[&one, &other]).await;
    }
    assert!(elsewhere.try_recv().is_err());
}

#[tokio::test]
async fn an_event_is_heard_live_in_every_process() {
    let Some(house) = House::nats().await else { return };
    let copy = house.start("one").await;
    let watcher = Nats::connect(house.settings.clone().unwrap()).await.unwrap();
    connected(&[&watcher]).await;
    let mut heard = watcher.hear("payments", "payment:updated").await.unwrap();
    // An answer of the server that is asked after the subscription says that it has got that too.
    let _ = watcher.ask("nobody", "", SOON).await;
    let payment = house.payment(100);
    house.emit(&payment, 7).await;
    let event = timeout(SOON, heard.recv()).await.unwrap().unwrap();
    assert!(matches!(event, Event::PaymentUpdated(state) if state.id == payment.id && state.version == 7));
    copy.end().await;
}

#[tokio::test]
async fn a_question_is_answered_once_or_fails_within_its_limit() {
    let Some((mut server, one, other)) = two().await else { return };
    let begun = Instant::now();
    let nobody = one.ask("revoked", "", SOON).await.unwrap_err();
    assert_eq!(nobody.kind, Kind::Unavailable);
    assert!(begun.elapsed() < SOON, "it is known at once that nobody is there");
    for answering in [&one, &other] {
        let handler = async |question: String| match question.as_str() {
            "fail" => Err(Error::internal("no")),
            other => Ok(format!("{other}!")),
        };
        answering.answer("revoked", handler).await.unwrap();
    }
    until("the question is answered", async || one.ask("revoked", "who", SOON).await.is_ok()).await;
    assert_eq!(one.ask("revoked", "who", SOON).await.unwrap(), "who!");
    assert_eq!(one.ask("revoked", "fail", SOON).await.unwrap_err().kind, Kind::Unavailable);
    server.kill().await;
    let (begun, limit) = (Instant::now(), Duration::from_millis(300));
    assert_eq!(one.ask("revoked", "who", limit).await.unwrap_err().kind, Kind::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_server_that_hangs_is_noticed_and_so_is_its_return() {
    let Some((server, one, _)) = two().await else { return };
    let mut link = one.link();
    let before = *link.borrow();
    server.pause();
    timeout(Duration::from_secs(6), link.wait_for(|link| !link.connected)).await.unwrap().unwrap();
    assert!(!one.is_connected());
    one.broadcast("changes", "to nobody, and without waiting");
    server.resume();
    let after = *timeout(SOON, link.wait_for(|link| link.connected)).await.unwrap().unwrap();
    assert!(after.connects > before.connects);
}

#[tokio::test]
async fn a_start_does_not_wait_for_the_server_and_says_what_is_malformed() {
    let nats = Nats::connect(NatsSettings::new("nats://127.0.0.1:1")).await.unwrap();
    assert!(!nats.is_connected());
    let mut settings = NatsSettings::new("nats://127.0.0.1:1");
    settings.prefix = "Not A Token".into();
    assert_eq!(Nats::connect(settings).await.map(|_| ()).unwrap_err().kind, Kind::Invalid);
    let malformed =
        Nats::connect(NatsSettings::new("postgres://ada:hush@one")).await.map(|_| ()).unwrap_err();
    assert_eq!(malformed.kind, Kind::Invalid);
    assert!(!format!("{malformed:?}").contains("hush"));
    assert!(!format!("{:?}", NatsSettings::new("nats://ada:hush@one")).contains("hush"));
}

#[tokio::test]
async fn everybody_is_asked_and_what_comes_in_time_is_gathered() {
    let Some((server, one, other)) = two().await else { return };
    let begun = Instant::now();
    assert!(one.ask_all("house", "", SOON, 9).await.unwrap().is_empty());
    assert!(begun.elapsed() < SOON, "it is known at once that nobody is there");
    for (name, answering) in [("one", &one), ("other", &other)] {
        let handler = move |question: String| async move {
            match (question.as_str(), name) {
                ("fail", "other") => Err(Error::internal("no")),
                ("wait", "other") => std::future::pending().await,
                (question, name) => Ok(format!("{question} {name}")),
            }
        };
        answering.answer_each("house", handler).await.unwrap();
        // An answer of the server that is asked after the subscription says that it has got that too.
        let _ = answering.ask("nobody", "", SOON).await;
    }
    let mut all = one.ask_all("house", "how", SOON, 2).await.unwrap();
    all.sort();
    assert_eq!(all, ["how one", "how other"], "the asker is one of them");
    assert_eq!(one.ask_all("house", "how", SOON, 1).await.unwrap().len(), 1);
    for bad in ["fail", "wait"] {
        let limit = Duration::from_millis(200);
        assert_eq!(one.ask_all("house", bad, limit, 9).await.unwrap(), [format!("{bad} one")]);
    }
    let all = one.ask_all("house", "how", SOON, 2).await.unwrap();
    assert_eq!(all.len(), 2, "the question that still waits holds up no other");
    server.pause();
    until("the loss is noticed", async || !one.is_connected()).await;
    assert_eq!(one.ask_all("house", "how", SOON, 9).await.unwrap_err().kind, Kind::Unavailable);
    server.resume();
}
