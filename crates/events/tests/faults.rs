//! A NATS server that dies, hangs, or loses what it stored: everything is heard, once and in order.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use common::{House, until};

const PAYMENTS: usize = 20;

async fn stored(house: &House) -> u64 {
    let client = async_nats::connect(house.server.as_ref().unwrap().url()).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream("MARQUEE_PAYMENTS").await;
    stream.map_or(0, |stream| stream.cached_info().state.messages)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_the_middle() {
    let Some(mut house) = House::nats().await else { return };
    let copy = house.start("one").await;
    let payments = house.payments(PAYMENTS);
    for version in 0..6 {
        house.emit_all(&payments, version).await;
        if version % 2 == 1 {
            // Whatever is on its way just now.
            house.server.as_mut().unwrap().restart().await;
        }
    }
    house.settled(PAYMENTS as i64 * 6).await;
    house.assert_all_in_order(PAYMENTS, 6).await;
    copy.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_and_goes_on() {
    let Some(house) = House::nats().await else { return };
    let copy = house.start("one").await;
    let (payments, mut link) = (house.payments(PAYMENTS), copy.bus.as_nats().unwrap().link());
    house.emit_all(&payments, 0).await;
    house.server.as_ref().unwrap().pause();
    // Some of it is sent into the old connection before anybody knows, and read from it in the end.
    house.emit_all(&payments, 1).await;
    tokio::time::timeout(Duration::from_secs(10), link.wait_for(|link| !link.connected))
        .await
        .unwrap()
        .unwrap();
    house.emit_all(&payments, 2).await;
    house.server.as_ref().unwrap().resume();
    house.settled(PAYMENTS as i64 * 3).await;
    house.assert_all_in_order(PAYMENTS, 3).await;
    copy.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_not_there_at_the_start() {
    let Some(mut house) = House::nats().await else { return };
    house.server.as_mut().unwrap().kill().await;
    let copy = house.start("one").await;
    let payments = house.payments(PAYMENTS);
    house.emit_all(&payments, 0).await;
    house.server.as_mut().unwrap().restart().await;
    house.settled(PAYMENTS as i64).await;
    house.assert_all_in_order(PAYMENTS, 1).await;
    copy.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_lost_its_store() {
    let Some(mut house) = House::nats().await else { return };
    let copy = house.start("one").await;
    let payments = house.payments(PAYMENTS);
    house.emit_all(&payments, 0).await;
    house.settled(PAYMENTS as i64).await;
    house.server.as_mut().unwrap().lose().await;
    until("everything is published again", async || stored(&house).await == PAYMENTS as u64).await;
    house.emit_all(&payments, 1).await;
    house.settled(PAYMENTS as i64 * 2).await;
    house.assert_all_in_order(PAYMENTS, 2).await;
    copy.end().await;
    // And when it happens while nobody runs.
    house.server.as_mut().unwrap().lose().await;
    let copy = house.start("two").await;
    house.emit_all(&payments, 2).await;
    house.settled(PAYMENTS as i64 * 3).await;
    until("everything is there again", async || stored(&house).await == PAYMENTS as u64 * 3).await;
    house.assert_all_in_order(PAYMENTS, 3).await;
    copy.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_lost_the_end_of_a_stream() {
    let Some(house) = House::nats().await else { return };
    let payments = house.payments(PAYMENTS);
    house.emit_all(&payments, 0).await;
    house.run_until_settled(PAYMENTS as i64).await;
    // As if more had been acknowledged, and heard, than is there now.
    let lost = async |tx: db::Tx| {
        let (mark,): (String,) = tx.one("SELECT mark FROM leases WHERE name = 'outbox'", &[]).await?;
        let (created, _) = mark.split_once(' ').unwrap();
        let longer = format!("{created} 1000");
        tx.execute("UPDATE leases SET mark = $1 WHERE name = 'outbox'", &[&longer]).await
    };
    house.source.write(lost).await.unwrap();
    let ahead = async |tx: db::Tx| {
        tx.execute("UPDATE leases SET position = 1000 WHERE name LIKE 'payments/%'", &[]).await
    };
    house.consumer.write(ahead).await.unwrap();
    let copy = house.start("two").await;
    until("everything is published again", async || stored(&house).await == PAYMENTS as u64).await;
    house.emit_all(&payments, 1).await;
    house.settled(PAYMENTS as i64 * 2).await;
    house.assert_all_in_order(PAYMENTS, 2).await;
    copy.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_that_moves_into_one_process_and_back() {
    let Some(mut house) = House::nats().await else { return };
    let payments = house.payments(PAYMENTS);
    house.emit_all(&payments, 0).await;
    house.run_until_settled(PAYMENTS as i64).await;
    // In the stream, and heard by nobody.
    house.emit_all(&payments, 1).await;
    let publishing = house.start_publishing("two").await;
    until("it is published", async || house.source.outbox_lag().await.unwrap().0 == 0).await;
    publishing.end().await;
    let nats = house.settings.take();
    house.run_until_settled(PAYMENTS as i64 * 2).await;
    house.emit_all(&payments, 2).await;
    house.run_until_settled(PAYMENTS as i64 * 3).await;
    house.settings = nats;
    house.emit_all(&payments, 3).await;
    house.run_until_settled(PAYMENTS as i64 * 4).await;
    house.assert_all_in_order(PAYMENTS, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_changed_reach_a_stream_that_exists() {
    let Some(mut house) = House::nats().await else { return };
    let payments = house.payments(PAYMENTS);
    house.emit_all(&payments, 0).await;
    house.run_until_settled(PAYMENTS as i64).await;
    house.settings.as_mut().unwrap().keep = Duration::from_secs(86_400);
    house.emit_all(&payments, 1).await;
    house.run_until_settled(PAYMENTS as i64 * 2).await;
    let client = async_nats::connect(house.server.as_ref().unwrap().url()).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream("MARQUEE_PAYMENTS").await.unwrap();
    let info = stream.cached_info();
    assert_eq!(info.config.max_age, Duration::from_secs(86_400));
    assert_eq!(info.state.messages, PAYMENTS as u64 * 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_none_of_ours_is_passed_over() {
    let Some(house) = House::nats().await else { return };
    let copy = house.start("one").await;
    let payment = house.payment(100);
    house.emit(&payment, 0).await;
    house.settled(1).await;
    let client = async_nats::connect(house.server.as_ref().unwrap().url()).await.unwrap();
    for partition in 0..events::PARTITIONS {
        client.publish(format!("marquee.payments.{partition}.payment:updated"), "{".into()).await.unwrap();
    }
    client.flush().await.unwrap();
    until("it is stored", async || stored(&house).await == 1 + events::PARTITIONS).await;
    house.emit(&payment, 1).await;
    house.settled(2).await;
    assert_eq!(house.heard().await[&payment.id.to_string()], [0, 1]);
    copy.end().await;
}
