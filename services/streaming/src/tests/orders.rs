//! By which orders somebody watched: each that admits them is used, and none of them counts another play.

use contracts::Event;
use kernel::OrderId;
use serde_json::json;

use super::ending::{film, watched};
use super::{FIRST, House, eventually};

/// Versions of plays and by which order each was, as it was announced.
async fn told(house: &House) -> Vec<(i64, Option<OrderId>)> {
    let recorded = house.db.outbox_waiting(1000).await.unwrap();
    let play = |text: &str| match serde_json::from_str::<Event>(text).unwrap() {
        Event::PlayCreated(play) | Event::PlayUpdated(play) => Some((play.version, play.order_id)),
        _ => None,
    };
    recorded.iter().filter_map(|recorded| play(&recorded.payload)).collect()
}

#[tokio::test]
async fn whoever_watches_on_by_another_order_uses_that_too() {
    let house = House::new().await;
    let id = house.video(FIRST, "ticket").await;
    let watch = async || house.watch(&id, Some(&house.viewer)).await.expect(200);
    let (_, first) = house.sold(&house.owner, &id).await;
    watch().await;
    eventually("they watch", async || told(&house).await == [(0, Some(first.id))]).await;
    house.refunded(&first).await;
    let (_, second) = house.sold(&house.owner, &id).await;
    for _ in 0..3 {
        watch().await;
        let both = [(0, Some(first.id)), (1, Some(second.id))];
        eventually("they watch by the other", async || told(&house).await == both).await;
    }
    assert_eq!(house.plays().await, 1);
}

#[tokio::test]
async fn what_was_for_everybody_is_watched_on_by_an_order() {
    let house = House::new().await;
    let id = house.video(FIRST, "public").await;
    let show = async |visibility: &str| {
        let path = format!("/api/videos/{id}");
        house.call("PATCH", &path, Some(&house.owner), json!({ "visibility": visibility })).await.expect(200);
    };
    let watch = async || house.watch(&id, Some(&house.viewer)).await.expect(200);
    watch().await;
    eventually("they watch", async || told(&house).await == [(0, None)]).await;
    show("ticket").await;
    let (_, order) = house.sold(&house.owner, &id).await;
    let both = [(0, None), (1, Some(order.id))];
    watch().await;
    eventually("they watch by the order", async || told(&house).await == both).await;
    // Once nobody needs one any more, the order stays used.
    show("public").await;
    watch().await;
    show("ticket").await;
    watch().await;
    assert_eq!(told(&house).await, both);
}

#[tokio::test]
async fn an_answer_under_way_goes_on_by_another_order() {
    let house = House::new().await;
    let id = house.video(&film(), "ticket").await;
    let (_, first) = house.sold(&house.owner, &id).await;
    let (_, second) = house.sold(&house.owner, &id).await;
    let uri = format!("/video?id={id}");
    assert!(watched(&house, &uri, Some(&house.viewer), async || house.refunded(&first).await).await);
    let both = [(0, Some(first.id)), (1, Some(second.id))];
    eventually("they watched by both", async || told(&house).await == both).await;
}
