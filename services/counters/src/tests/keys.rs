//! Idempotency keys: a repetition counts once and is answered the same, and costs no transaction of its own.

use std::sync::Arc;

use db::{IdempotencyKey, StoredAnswer};
use futures_util::future::join_all;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::tally::Keyed;

#[tokio::test]
async fn the_same_request_counts_once_and_is_answered_the_same() {
    let house = House::new().await;
    let first = house.once("k", "visits", 3).await;
    assert_eq!((first.value(), first.is_replayed()), (3, false));
    house.add("visits", 1).await.value();
    let again = house.once("k", "visits", 3).await;
    assert_eq!((again.status, &again.text, again.is_replayed()), (200, &first.text, true));
    assert_eq!(again.header("content-type"), "application/json");
    assert_eq!(house.read("visits").await, Some(4));
    assert_eq!(house.once("other", "visits", 3).await.value(), 7);

    // Another body is another request, and no counter is looked at for it.
    let refused = house.once("k", "visits", 4).await;
    let told = "This Idempotency-Key was used for another request";
    assert_eq!((refused.status, refused.message()), (422, told));
    assert_eq!(house.once("k", "visits", 3).await.value(), 3, "the first answer is still there");
    // Another path, and another user, have keys of their own.
    let request = house.request("POST", Some(&house.user), "/increment").header("idempotency-key", "k");
    let request =
        request.header("content-type", "application/json").body(Body::from(wish("visits", 3))).unwrap();
    assert_eq!(house.send(request).await.value(), 10);
    let other = House { user: session(&house.clock), ..house };
    assert_eq!(other.once("k", "visits", 3).await.value(), 13);
}

#[tokio::test]
async fn a_refusal_is_an_answer_too() {
    let house = House::new().await;
    house.add("full", i64::MAX).await.value();
    for (key, counter, value, status) in [("a", "full", 1, 409), ("b", "marquee:x", 1, 400)] {
        let first = house.once(key, counter, value).await;
        assert_eq!((first.status, first.is_replayed()), (status, false));
        house.add("full", -1).await.value();
        let again = house.once(key, counter, value).await;
        assert_eq!((again.status, &again.text, again.is_replayed()), (status, &first.text, true));
        assert_eq!(again.header("content-type"), "application/problem+json");
    }
    // Nor can a key be used for both.
    assert_eq!(house.once("a", "marquee:x", 1).await.status, 422);
    assert_eq!(house.once("b", "full", 1).await.status, 422);
}

#[tokio::test]
async fn after_a_day_a_key_counts_again() {
    let house = House::new().await;
    assert_eq!(house.once("k", "visits", 3).await.value(), 3);
    house.clock.advance(Duration::from_secs(24 * 3600) - Duration::from_millis(1));
    let kept = house.once("k", "visits", 3).await;
    assert_eq!((kept.value(), kept.is_replayed()), (3, true));
    house.clock.advance(Duration::from_millis(1));
    let new = house.once("k", "visits", 3).await;
    assert_eq!((new.value(), new.is_replayed()), (6, false));
    let again = house.once("k", "visits", 3).await;
    assert_eq!((again.value(), again.is_replayed()), (6, true), "for another day");
    // For another body, too.
    house.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(house.once("k", "visits", 1).await.value(), 7);
    assert_eq!(house.read("visits").await, Some(7));
}

fn command(key: &str, fingerprint: &str, value: i64) -> Command {
    let [scope, key, fingerprint] = ["somebody POST /x", key, fingerprint].map(str::to_owned);
    let render = |values: &[kernel::Result<i64>]| {
        let told = values.iter().map(|value| value.as_ref().map_or("refused".to_owned(), i64::to_string));
        StoredAnswer { status: 200, body: told.collect::<Vec<_>>().join(" ") }
    };
    let keyed = Keyed { key: IdempotencyKey { scope, key, fingerprint }, render: Arc::new(render) };
    Command { keyed: Some(keyed), ..one("visits", value) }
}

/// What became of each, as a letter for how and the text that is kept.
fn told(outcomes: Vec<kernel::Result<Outcome>>) -> Vec<(&'static str, String)> {
    let tell = |outcome: kernel::Result<Outcome>| match outcome {
        Ok(Outcome::Kept(answer)) => ("kept", answer.body),
        Ok(Outcome::Before(answer)) => ("before", answer.body),
        Ok(Outcome::Counted(_)) => panic!("a key was not kept"),
        Err(error) => ("refused", format!("{:?}", error.kind)),
    };
    outcomes.into_iter().map(tell).collect()
}

/// On one thread, all commands wait before the first is looked at.
#[tokio::test]
async fn in_one_group_too_it_counts_once() {
    let house = House::new().await;
    let group =
        [("a", "1", 1), ("b", "1", 10), ("a", "1", 1), ("a", "2", 5), ("b", "1", 10), ("c", "1", 100)];
    let all = || join_all(group.map(|(key, print, value)| house.counters.count(command(key, print, value))));
    let expected = |how: &'static str| {
        [(how, "1"), (how, "11"), ("before", "1"), ("refused", "KeyReused"), ("before", "11"), (how, "111")]
            .map(|(how, text)| (how, text.to_owned()))
    };
    let (first, beside) = tokio::join!(all(), house.count("visits", 1000));
    assert_eq!(told(first), expected("kept"));
    assert_eq!(beside.unwrap(), 1111);
    assert_eq!(told(all().await), expected("before"), "the group after it");
    assert_eq!(house.read("visits").await, Some(1111));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_are_sent_it_at_once_count_it_once() {
    let house = House::new().await;
    let apps = [house.app.clone(), house.app_of(&house.another())];
    for n in 0..50i64 {
        let key = format!("k{n}");
        // Others beside it, so that the groups of both have several keys, in other orders.
        let others = |side: i64| {
            let house = &house;
            (0..4).map(move |o| {
                house.keyed(&format!("{n}-{side}-{o}"), &format!("beside {}", (o * 7 + side) % 4), 1)
            })
        };
        let send = |side: usize| {
            let mut requests: Vec<_> = others(side as i64).collect();
            requests.insert(side * 3, house.keyed(&key, "visits", 1));
            let app = apps[side].clone();
            async move {
                join_all(requests.into_iter().map(|request| send_to(&app, request))).await.remove(side * 3)
            }
        };
        let (one, other) = tokio::join!(send(0), send(1));
        assert_eq!((one.value(), other.value()), (n + 1, n + 1));
        assert!(one.is_replayed() != other.is_replayed(), "one of them is the first");
    }
    assert_eq!(house.read("visits").await, Some(50));
    let mut beside = 0;
    for n in 0..4 {
        beside += house.read(&format!("beside {n}")).await.unwrap();
    }
    assert_eq!(beside, 50 * 8);
}

#[tokio::test]
async fn keys_cost_no_transactions_of_their_own() {
    const CALLS: usize = 200;
    let recorder = PrometheusBuilder::new().build_recorder();
    let _here = metrics::set_default_local_recorder(&recorder);
    let house = House::new().await;
    let calls = (0..CALLS).map(|n| {
        let house = &house;
        async move { house.once(&format!("k{n}"), ["a", "b", "c"][n % 3], 1).await.value() }
    });
    let mut values = join_all(calls).await;
    values.sort_unstable();
    assert_eq!(values, (0..CALLS as i64).map(|n| n / 3 + 1).collect::<Vec<_>>());
    let told = recorder.handle().render();
    let groups = told.lines().find_map(|line| line.strip_prefix("db_lane_size_count{db=\"counters\"} "));
    let groups: usize = groups.unwrap().parse().unwrap();
    assert!(groups <= CALLS / 20, "{CALLS} calls were {groups} transactions");
}
