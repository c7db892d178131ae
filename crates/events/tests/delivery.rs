//! Delivery on both buses: once, in order, through restarts, and around what cannot be taken.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::{House, until};
use contracts::PaymentState;
use events::{Bus, Replayed};
use kernel::Kind;

/// The same tests on each bus.
macro_rules! on_each_bus {
    ($($test:ident),+ $(,)?) => {
        mod local {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::House::local().await.expect("a local house")).await;
            })+
        }
        mod nats {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let Some(house) = super::House::nats().await else { return };
                super::$test(house).await;
            })+
        }
    };
}

on_each_bus!(
    every_version_once_and_in_order,
    what_was_delivered_and_not_noted_is_not_heard_twice,
    what_cannot_be_taken_is_parked_with_what_follows_it_and_blocks_nobody,
    what_came_while_nobody_ran_is_heard,
    what_cannot_be_taken_yet_is_seen_to_grow_old,
    a_lone_event_goes_at_once,
);

async fn every_version_once_and_in_order(house: House) {
    let copy = house.start("one").await;
    let payments: Vec<PaymentState> = (0..50).map(|_| house.payment(100)).collect();
    for version in 0..5 {
        for payment in &payments {
            house.emit(payment, version).await;
        }
    }
    house.settled(250).await;
    copy.end().await;
    let heard = house.heard().await;
    assert_eq!(heard.len(), 50);
    assert!(heard.values().all(|versions| versions == &[0, 1, 2, 3, 4]), "{heard:?}");
}

async fn what_was_delivered_and_not_noted_is_not_heard_twice(house: House) {
    let payment = house.payment(100);
    house.emit(&payment, 0).await;
    house.emit(&payment, 1).await;
    // A process that was killed had delivered, and had not got round to writing that down.
    let batch = house.source.feed("killed").await.unwrap().unwrap().next(1).await.unwrap();
    assert_eq!(batch.len(), 1);
    Bus::local(vec![house.subscription.clone()]).publish(batch).await.unwrap();
    house.source.release("killed", "outbox").await.unwrap();
    house.run_until_settled(2).await;
    assert_eq!(house.heard().await[&payment.id.to_string()], [0, 1]);
}

async fn what_cannot_be_taken_is_parked_with_what_follows_it_and_blocks_nobody(house: House) {
    let (bad, worse, good) = (house.payment(13), house.payment(14), house.payment(1));
    for version in 0..3 {
        for payment in [&bad, &good, &worse] {
            house.emit(payment, version).await;
        }
    }
    house.run_until_settled(9).await;
    assert_eq!(house.heard().await, BTreeMap::from([(good.id.to_string(), vec![0, 1, 2])]));
    let letters = house.subscription.dead_letters().await.unwrap();
    assert_eq!(letters.len(), 6);
    assert!(
        letters.iter().any(|l| l.reason == "thirteen")
            && letters.iter().any(|l| l.reason.contains("panicked"))
    );

    house.door.close();
    let again = house.subscription.clone();
    let first = tokio::spawn(async move { again.replay().await });
    until("the first is in the middle of it", async || house.door.has_somebody()).await;
    let second = house.subscription.replay().await;
    house.door.open();
    assert_eq!(second.unwrap_err().kind, Kind::Conflict, "one at a time, whoever asks");
    assert_eq!(first.await.unwrap().unwrap(), Replayed { done: 0, left: 6 });
    house.superstitious.store(false, Ordering::SeqCst);
    assert_eq!(house.subscription.replay().await.unwrap(), Replayed { done: 6, left: 0 });
    assert_eq!(house.heard().await[&bad.id.to_string()], [0, 1, 2]);
    assert_eq!(house.heard().await[&worse.id.to_string()], [0, 1, 2]);
}

async fn what_came_while_nobody_ran_is_heard(house: House) {
    let payment = house.payment(100);
    house.emit(&payment, 0).await;
    house.run_until_settled(1).await;
    house.emit(&payment, 1).await;
    house.run_until_settled(2).await;
    assert_eq!(house.heard().await[&payment.id.to_string()], [0, 1]);
}

async fn what_cannot_be_taken_yet_is_seen_to_grow_old(house: House) {
    let copy = house.start("one").await;
    assert_eq!(house.subscription.oldest_waiting(), Duration::ZERO);
    house.emit(&house.payment(15), 0).await;
    for age in [1, 300, 600].map(Duration::from_millis) {
        until("it grows old", async || house.subscription.oldest_waiting() >= age).await;
    }
    assert_eq!(house.count().await, 0);
    house.superstitious.store(false, Ordering::SeqCst);
    house.settled(1).await;
    until("nothing is at work", async || house.subscription.oldest_waiting().is_zero()).await;
    copy.end().await;
}

async fn a_lone_event_goes_at_once(house: House) {
    let copy = house.start("one").await;
    house.emit(&house.payment(100), 0).await;
    house.settled(1).await;
    let mut took: Vec<Duration> = Vec::new();
    for done in 2..=31 {
        let begun = Instant::now();
        house.emit(&house.payment(100), 0).await;
        until("it is heard", async || house.count().await == done).await;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    // Milliseconds on a quiet machine; far from the half second after which a relay looks by itself.
    assert!(took[15] < Duration::from_millis(100), "{took:?}");
    copy.end().await;
}
