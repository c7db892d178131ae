//! Uploads that come to nothing: they are in nobody's way, and their owner hears of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use kernel::Kind;
use serde_json::json;

use super::resumable::{V, begun, head, id_of, patch};
use super::{FIRST, House};
use crate::store::uploads;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const WEBP: &[u8] = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0";

#[tokio::test]
async fn what_was_refused_is_not_under_way() {
    let house = House::new().await;
    let mut refused = Vec::new();
    for _ in 0..22 {
        let path = begun(&house, 5).await;
        assert_eq!(patch(&house, &path, 0, "hello").await.status, 415);
        house.clock.advance(Duration::from_secs(1));
        refused.push(path);
    }
    assert_eq!(head(&house, &refused[1]).await.status, 404, "the oldest are forgotten");
    assert_eq!(head(&house, &refused[2]).await.status, 410);
    for _ in 0..20 {
        begun(&house, FIRST.len()).await;
    }
    let list = house.get("/api/uploads", Some(&house.owner)).await.expect(200).json();
    assert_eq!(list.as_array().unwrap().len(), 40);
    house.ask("DELETE", &refused[21], Some(&house.owner), &[V], ()).await.expect(204);
    let one_more = [V, ("upload-length", "5")];
    assert_eq!(house.ask("POST", "/api/uploads", Some(&house.owner), &one_more, ()).await.status, 409);
}

#[tokio::test]
async fn a_poster_waits_for_no_upload_under_way() {
    let house = House::new().await;
    let id = house.video(FIRST, "public").await;
    for _ in 0..20 {
        begun(&house, 5).await;
    }
    let path = format!("/api/videos/{id}/poster");
    house.ask("PUT", &path, Some(&house.owner), &[], WEBP).await.expect(200);
}

/// Looks after uploads every minute of `time`.
async fn minutes(house: &House, time: Duration) {
    for _ in 0..time.as_secs() / 60 {
        house.clock.advance(MINUTE);
        house.streaming.end_uploads().await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_finished_is_given_up_after_a_day() {
    let house = House::new().await;
    let path = begun(&house, FIRST.len()).await;
    house.clock.advance(DAY - MINUTE);
    *house.shelf.fails.lock().unwrap() = Some(Kind::Full);
    assert_eq!(patch(&house, &path, 0, FIRST).await.status, 507);
    // Whoever asks again and again has it tried no more often.
    for _ in 0..3 {
        head(&house, &path).await.expect(200);
    }
    minutes(&house, DAY - MINUTE).await;
    head(&house, &path).await.expect(200);
    let tries = house.shelf.tries.load(Ordering::SeqCst);
    assert!((24..40).contains(&tries), "{tries}");
    minutes(&house, 2 * 60 * MINUTE).await;
    assert_eq!(head(&house, &path).await.status, 410);
    let list = house.get("/api/uploads", Some(&house.owner)).await.expect(200).json();
    let told = json!("For a day there was no room here to make it ready: upload it again later");
    assert_eq!(list[0]["refused"], told);
    let page = house.get("/videos/new", Some(&house.owner)).await.expect(200);
    assert!(String::from_utf8_lossy(&page.bytes).contains(told.as_str().unwrap()));
    assert_eq!(uploads::used(&house.db, house.owner.id).await.unwrap(), 0);
    house.streaming.let_objects_go().await.unwrap();
    assert_eq!(house.shelf.count(), (0, 0));
    house.clock.advance(8 * DAY);
    house.streaming.end_uploads().await.unwrap();
    assert_eq!(head(&house, &path).await.status, 404);
}

/// The control: what is in the way goes away.
#[tokio::test]
async fn what_can_be_finished_again_is() {
    let house = House::new().await;
    for (kind, time) in [(Kind::Full, DAY / 2), (Kind::Unavailable, 2 * DAY)] {
        let path = begun(&house, FIRST.len()).await;
        *house.shelf.fails.lock().unwrap() = Some(kind);
        assert!(patch(&house, &path, 0, FIRST).await.status > 500);
        minutes(&house, time).await;
        *house.shelf.fails.lock().unwrap() = None;
        minutes(&house, 61 * MINUTE).await;
        house.get(&format!("/api/videos/{}", id_of(&path)), Some(&house.owner)).await.expect(200);
    }
}
