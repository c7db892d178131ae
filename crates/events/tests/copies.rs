//! Several processes that run the same services on the same databases.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::{House, until};

const PAYMENTS: usize = 40;

/// How many partitions each process reads.
async fn shares(house: &House) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for (name, owner) in house.consumer.lease_owners().await.unwrap() {
        if name.starts_with("payments/") {
            *shares.entry(owner).or_default() += 1;
        }
    }
    shares
}

async fn shared_as(house: &House, expected: &[(&str, usize)]) {
    let expected: BTreeMap<String, usize> = expected.iter().map(|(o, n)| ((*o).to_owned(), *n)).collect();
    until(&format!("partitions are shared as {expected:?}"), async || shares(house).await == expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_share_the_partitions_and_give_them_back() {
    let Some(house) = House::shared().await else { return };
    let payments = house.payments(PAYMENTS);
    let one = house.start("one").await;
    shared_as(&house, &[("one", 8)]).await;
    house.emit_all(&payments, 0).await;
    let (two, three) = (house.start_another("two").await, house.start_another("three").await);
    house.emit_all(&payments, 1).await;
    let evenly = async || {
        let shares = shares(&house).await;
        shares.len() == 3 && shares.values().sum::<usize>() == 8 && shares.values().all(|share| *share <= 3)
    };
    until("three share evenly", evenly).await;
    house.emit_all(&payments, 2).await;
    one.end().await;
    let begun = Instant::now();
    shared_as(&house, &[("two", 4), ("three", 4)]).await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    house.emit_all(&payments, 3).await;
    three.end().await;
    shared_as(&house, &[("two", 8)]).await;
    house.emit_all(&payments, 4).await;
    house.settled(PAYMENTS as i64 * 5).await;
    house.assert_all_in_order(PAYMENTS, 5).await;
    two.end().await;
    assert_eq!(house.consumer.lease_owners().await.unwrap(), [], "everything was given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_dies_is_followed_by_the_other() {
    let Some(house) = House::shared().await else { return };
    let payments = house.payments(PAYMENTS);
    // A process of its own, as far as it goes: what runs in it ends without a word.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (house, mortal) = {
        let house = std::sync::Arc::new(house);
        let starting = std::sync::Arc::clone(&house);
        let copy = runtime.spawn(async move { starting.start_another("mortal").await }).await.unwrap();
        (house, copy)
    };
    shared_as(&house, &[("mortal", 8)]).await;
    house.emit_all(&payments, 0).await;
    let heir = house.start("heir").await;
    house.emit_all(&payments, 1).await;
    runtime.shutdown_background();
    drop(mortal);
    let died = Instant::now();
    house.emit_all(&payments, 2).await;
    house.settled(PAYMENTS as i64 * 3).await;
    shared_as(&house, &[("heir", 8)]).await;
    // A lease, and the time until somebody looks.
    assert!(died.elapsed() < Duration::from_secs(6), "{:?}", died.elapsed());
    house.assert_all_in_order(PAYMENTS, 3).await;
    heir.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_a_process_that_does_not_relay_goes_at_once() {
    let Some(house) = House::shared().await else { return };
    let relaying = house.start_another("relaying").await;
    shared_as(&house, &[("relaying", 8)]).await;
    let other = house.start("other").await;
    shared_as(&house, &[("other", 4), ("relaying", 4)]).await;
    let mut took: Vec<Duration> = Vec::new();
    for done in 1..=21 {
        house.emit(&house.payment(100), 0).await;
        let begun = Instant::now();
        until("it is heard", async || house.count().await == done).await;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    // Without the bell a relay looks twice a second.
    assert!(took[10] < Duration::from_millis(100), "{took:?}");
    relaying.end().await;
    other.end().await;
}
