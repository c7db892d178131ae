//! Who may watch what, by what address.

use std::time::Duration;

use contracts::{Event, OrderState, OrderStatus, TicketState};
use kernel::OrderId;
use serde_json::json;

use super::{FIRST, House, Person};

#[tokio::test]
async fn a_path_leads_to_its_video_and_nowhere_else() {
    let house = House::new().await;
    let id = house.video(FIRST, "public").await;
    house.watch(&id, None).await.expect(200);
    assert_eq!(house.get("/video?path=film.mp4", None).await.expect(200).bytes, FIRST);
    for path in [
        "other.mp4",
        "../film.mp4",
        "..%2Ffilm.mp4",
        "%2e%2e%2ffilm.mp4",
        "%252e%252e%252ffilm.mp4",
        "/film.mp4",
        "%2Fetc%2Fpasswd",
        "./film.mp4",
        "film.mp4%00",
        "film.mp4/",
        "FILM.mp4",
        "",
        "..",
        "%ff",
        "a%0ab",
    ] {
        assert_eq!(house.get(&format!("/video?path={path}"), None).await.status, 404, "{path}");
    }
    assert_eq!(house.get(&format!("/video?path={}", "a".repeat(5000)), None).await.status, 404);
    assert_eq!(house.get("/video", None).await.status, 400);
    assert_eq!(house.get(&format!("/video?id={id}&path=film.mp4"), None).await.status, 400);
    assert_eq!(house.get("/video?id=7", None).await.status, 404);
}

#[tokio::test]
async fn storage_answers_to_ranges_and_preconditions() {
    let house = House::new().await;
    let id = house.video(FIRST, "public").await;
    let path = format!("/video?id={id}");
    let ask =
        async |method: &str, headers: &[(&str, &str)]| house.ask(method, &path, None, headers, ()).await;
    let part = ask("GET", &[("range", "bytes=4-7")]).await.expect(206);
    assert_eq!((&part.bytes[..], part.header("content-range")), (b"ftyp".as_slice(), "bytes 4-7/4448"));
    assert_eq!(part.header("content-type"), "video/mp4");
    assert_eq!(part.header("content-disposition"), "inline; filename*=UTF-8''film.mp4");
    let tag = part.header("etag").to_owned();
    assert_eq!(ask("GET", &[("if-none-match", &tag)]).await.expect(304).bytes.len(), 0);
    assert_eq!(ask("GET", &[("if-match", "\"x\"")]).await.status, 412);
    assert_eq!(
        ask("GET", &[("range", "bytes=9999-")]).await.expect(416).header("content-range"),
        "bytes */4448"
    );
    let head = ask("HEAD", &[]).await.expect(200);
    assert_eq!((head.header("content-length"), head.bytes.len()), ("4448", 0));
}

/// What is answered to the anonymous, a stranger, the viewer and the owner.
async fn answered(house: &House, id: &str) -> [u16; 4] {
    let who: [Option<&Person>; 4] = [None, Some(&house.other), Some(&house.viewer), Some(&house.owner)];
    let mut all = [0; 4];
    for (status, who) in all.iter_mut().zip(who) {
        *status = house.watch(id, who).await.status;
    }
    all
}

#[tokio::test]
async fn who_may_watch() {
    let house = House::new().await;
    for (visibility, statuses) in
        [("public", [200; 4]), ("private", [404, 404, 404, 200]), ("ticket", [401, 401, 401, 200])]
    {
        let id = house.video(FIRST, visibility).await;
        assert_eq!(answered(&house, &id).await, statuses, "{visibility}");
    }
    let id = house.video(FIRST, "ticket").await;
    let (ticket, order) = house.sold(&house.owner, &id).await;
    assert_eq!(answered(&house, &id).await, [401, 401, 200, 200]);
    assert_eq!(house.watch(&id, Some(&house.viewer)).await.header("cache-control"), "private, no-cache");

    // Before it opens, until it closes.
    let now = house.clock.now();
    let (opens_at, closes_at) = (Some(now + Duration::from_secs(60)), Some(now + Duration::from_secs(120)));
    let window = TicketState { version: 1, opens_at, closes_at, ..ticket.clone() };
    house.hear(&Event::TicketUpdated(window.clone())).await;
    let refused = house.watch(&id, Some(&house.viewer)).await.expect(401).error().1;
    assert!(refused.starts_with("Your ticket admits from "), "{refused}");
    house.clock.advance(Duration::from_secs(60));
    house.watch(&id, Some(&house.viewer)).await.expect(200);
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(
        house.watch(&id, Some(&house.viewer)).await.expect(401).error().1,
        "What your ticket admitted to is over"
    );
    house.watch(&id, Some(&house.owner)).await.expect(200);
    // What was before comes late, and changes nothing.
    house.hear(&Event::TicketUpdated(ticket.clone())).await;
    house.watch(&id, Some(&house.viewer)).await.expect(401);
    let open = TicketState { version: 2, opens_at: None, closes_at: None, ..window };
    house.hear(&Event::TicketUpdated(open)).await;
    house.watch(&id, Some(&house.viewer)).await.expect(200);

    house.refunded(&order).await;
    house.watch(&id, Some(&house.viewer)).await.expect(401);
    house.hear(&Event::OrderUpdated(order)).await;
    house.watch(&id, Some(&house.viewer)).await.expect(401);
}

#[tokio::test]
async fn an_order_admits_once_it_is_complete_however_its_events_come() {
    let house = House::new().await;
    let id = house.video(FIRST, "ticket").await;
    let ticket = house.ticket(&house.owner, &id);
    let held = house.order(&ticket, &house.viewer, 0, OrderStatus::Created);
    let paying = OrderState { version: 1, status: OrderStatus::AwaitingPayment, ..held.clone() };
    let complete = OrderState { version: 2, status: OrderStatus::Complete, ..held.clone() };
    // The order before its ticket, and the last of it before the first.
    house.hear(&Event::OrderUpdated(complete)).await;
    house.watch(&id, Some(&house.viewer)).await.expect(401);
    house.hear(&Event::TicketCreated(ticket.clone())).await;
    house.watch(&id, Some(&house.viewer)).await.expect(200);
    for _ in 0..2 {
        house.hear(&Event::OrderCreated(held.clone())).await;
        house.hear(&Event::OrderUpdated(paying.clone())).await;
        house.watch(&id, Some(&house.viewer)).await.expect(200);
    }
    let theirs = OrderState { id: OrderId::new(&house.clock), user_id: house.other.id, ..paying };
    house.hear(&Event::OrderUpdated(theirs)).await;
    house.watch(&id, Some(&house.other)).await.expect(401);
}

/// Whoever sells tickets to what is not theirs admits nobody.
#[tokio::test]
async fn a_ticket_of_somebody_else_admits_to_nothing() {
    let house = House::new().await;
    let id = house.video(FIRST, "ticket").await;
    house.sold(&house.other, &id).await;
    assert_eq!(answered(&house, &id).await, [401, 401, 401, 200]);
    // Nor is the video sold by that.
    house.ask("DELETE", &format!("/api/videos/{id}"), Some(&house.owner), &[], ()).await.expect(204);
}

#[tokio::test]
async fn a_link_plays_without_a_cookie() {
    let house = House::new().await;
    let id = house.video(FIRST, "ticket").await;
    let path = format!("/api/videos/{id}/links");
    house.call("POST", &path, None, json!({})).await.expect(401);
    house.call("POST", &path, Some(&house.viewer), json!({})).await.expect(401);
    let (_, order) = house.sold(&house.owner, &id).await;
    for wrong in [json!({ "expiresIn": 0 }), json!({ "expiresIn": 604_801 }), json!({ "expiresIn": "x" })] {
        house.call("POST", &path, Some(&house.viewer), wrong).await.expect(400);
    }
    let link = async |lasts: i64| {
        let made =
            house.call("POST", &path, Some(&house.viewer), json!({ "expiresIn": lasts })).await.expect(201);
        made.json()["url"].as_str().unwrap().to_owned()
    };
    let (short, week) = (link(60).await, link(604_800).await);
    assert_eq!(house.get(&short, None).await.expect(200).bytes, FIRST);
    assert_eq!(house.get(&format!("{short}x"), None).await.status, 401);
    let another = house.video(FIRST, "ticket").await;
    assert_eq!(house.get(&short.replace(&id, &another), None).await.status, 401);
    house.clock.advance(Duration::from_secs(60));
    house.get(&short, None).await.expect(401);
    house.get(&week, None).await.expect(200);
    house.refunded(&order).await;
    house.get(&week, None).await.expect(401);
    house
        .call("POST", &format!("/api/videos/{}/links", house.video(FIRST, "private").await), None, json!({}))
        .await
        .expect(404);
}
