//! What ends while somebody watches.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::{House, Person, eventually, long};

/// Whoever may no longer watch is delivered no more after so long.
const SOON: Duration = Duration::from_secs(5);

/// Watches until it ends; `meanwhile` happens once some of it has come. Answers whether it came to its end.
pub(super) async fn watched(
    house: &House,
    uri: &str,
    who: Option<&Person>,
    meanwhile: impl AsyncFnOnce(),
) -> bool {
    house.shelf.is_slow.store(true, Ordering::SeqCst);
    let cookie = who.map_or("", |who| &who.cookie);
    let request = Request::get(uri).header(header::COOKIE, cookie).body(Body::empty()).unwrap();
    let answer = house.app.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    for _ in 0..5 {
        body.frame().await.unwrap().unwrap();
    }
    meanwhile().await;
    let begun = Instant::now();
    loop {
        match body.frame().await {
            None => return true,
            Some(Err(_)) => {
                assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
                return false;
            }
            Some(Ok(_)) => assert!(begun.elapsed() < 2 * SOON, "it goes on and on"),
        }
    }
}

/// Five seconds of it.
pub(super) fn film() -> Vec<u8> {
    long(250_000)
}

#[tokio::test]
async fn a_refund_ends_it() {
    let house = House::new().await;
    let id = house.video(&film(), "ticket").await;
    let (_, order) = house.sold(&house.owner, &id).await;
    let uri = format!("/video?id={id}");
    assert!(!watched(&house, &uri, Some(&house.viewer), async || house.refunded(&order).await).await);
}

/// The control: nothing happens, and it is played to its end.
#[tokio::test]
async fn who_is_admitted_watches_to_the_end() {
    let house = House::new().await;
    let id = house.video(&film(), "ticket").await;
    let (_, order) = house.sold(&house.owner, &id).await;
    let uri = format!("/video?id={id}");
    let somebody_else = async || {
        let theirs =
            house.order(&house.ticket(&house.owner, &id), &house.other, 0, contracts::OrderStatus::Complete);
        house.refunded(&theirs).await;
    };
    assert!(watched(&house, &uri, Some(&house.viewer), somebody_else).await);
    // Nor does a refund send the owner away.
    assert!(watched(&house, &uri, Some(&house.owner), async || house.refunded(&order).await).await);
}

#[tokio::test]
async fn so_does_what_hides_it_or_takes_it_away() {
    let house = House::new().await;
    let id = house.video(&film(), "public").await;
    let uri = format!("/video?id={id}");
    let path = format!("/api/videos/{id}");
    let hide = async || {
        house.call("PATCH", &path, Some(&house.owner), json!({ "visibility": "private" })).await.expect(200);
    };
    assert!(!watched(&house, &uri, None, hide).await);
    let window = house.video(&film(), "ticket").await;
    let (ticket, _) = house.sold(&house.owner, &window).await;
    let closes_at = Some(house.clock.now() + Duration::from_secs(100));
    let ticket = contracts::TicketState { version: 1, closes_at, ..ticket };
    house.hear(&contracts::Event::TicketUpdated(ticket)).await;
    let close = async || house.clock.advance(Duration::from_secs(100));
    assert!(!watched(&house, &format!("/video?id={window}"), Some(&house.viewer), close).await);
}

#[tokio::test]
async fn so_does_the_end_of_a_session_or_a_link() {
    let house = House::new().await;
    let id = house.video(&film(), "ticket").await;
    house.sold(&house.owner, &id).await;
    let uri = format!("/video?id={id}");
    let web = &house.streaming.0.web;
    let sign_out = async |who: &Person| {
        web.revocations().revoke(who.session, house.clock.now() + Duration::from_secs(100));
    };
    // The control: somebody else's session.
    assert!(watched(&house, &uri, Some(&house.viewer), async || sign_out(&house.other).await).await);
    let made = house
        .call("POST", &format!("/api/videos/{id}/links"), Some(&house.viewer), json!({ "expiresIn": 60 }))
        .await
        .expect(201);
    let link = made.json()["url"].as_str().unwrap().to_owned();
    assert!(!watched(&house, &link, None, async || house.clock.advance(Duration::from_secs(60))).await);
    assert!(!watched(&house, &uri, Some(&house.viewer), async || sign_out(&house.viewer).await).await);
    assert!(!watched(&house, &uri, Some(&house.owner), async || sign_out(&house.owner).await).await);
}

#[tokio::test]
async fn a_link_ends_with_whoever_made_it() {
    let house = House::new().await;
    let id = house.video(&film(), "ticket").await;
    house.sold(&house.owner, &id).await;
    let path = format!("/api/videos/{id}/links");
    let made = house.call("POST", &path, Some(&house.viewer), json!({})).await.expect(201);
    let link = made.json()["url"].as_str().unwrap().to_owned();
    // The control: somebody else is gone.
    assert!(watched(&house, &link, None, async || house.deleted(&house.other).await).await);
    assert!(!watched(&house, &link, None, async || house.deleted(&house.viewer).await).await);
}

/// Nobody watches nearly all of it and has not watched.
#[tokio::test]
async fn whoever_leaves_early_has_watched() {
    let house = House::new().await;
    let id = house.video(&film(), "public").await;
    let played = async || {
        house.streaming.note_seats().await.unwrap();
        let history = house.get("/api/history", Some(&house.viewer)).await.expect(200).json();
        history[0]["seconds"].as_f64().unwrap_or(-1.0)
    };
    let request = Request::get(format!("/video?id={id}")).header(header::COOKIE, &house.viewer.cookie);
    let answer = house.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let mut body = answer.into_body();
    body.frame().await.unwrap().unwrap();
    eventually("it counts as it begins", async || house.plays().await == 1).await;
    assert!(played().await < 0.001, "nothing is known to have left");
    drop(body);
    assert!(played().await > 0.5);
}
