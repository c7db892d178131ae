//! Posters and captions.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::{FIRST, House, eventually};
use crate::Settings;
use crate::store::uploads;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
const VTT: &str = "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n";

async fn left(house: &House, objects: usize) {
    eventually("what was replaced is gone", async || {
        house.streaming.let_objects_go().await.unwrap();
        house.shelf.count() == (objects, 0)
    })
    .await;
}

#[tokio::test]
async fn a_video_has_a_poster() {
    let house = House::new().await;
    let id = house.video(FIRST, "ticket").await;
    let path = format!("/api/videos/{id}/poster");
    let owner = Some(&house.owner);
    assert_eq!(house.get(&path, None).await.status, 404);
    let video = house.ask("PUT", &path, owner, &[], PNG).await.expect(200).json();
    assert_eq!(video["poster"], json!(path));
    let poster = house.get(&path, None).await.expect(200);
    assert_eq!((poster.header("content-type"), &poster.bytes[..]), ("image/png", PNG));
    let tag = poster.header("etag").to_owned();
    assert_eq!(house.ask("GET", &path, None, &[("if-none-match", &tag)], ()).await.status, 304);
    house.ask("PUT", &path, owner, &[], JPEG).await.expect(200);
    assert_eq!(house.get(&path, None).await.expect(200).header("content-type"), "image/jpeg");
    left(&house, 2).await;

    assert_eq!(house.ask("PUT", &path, owner, &[], "<svg/>").await.status, 415);
    let large = [PNG, &[0; 5 * 1024 * 1024]].concat();
    assert_eq!(house.ask("PUT", &path, owner, &[], large).await.status, 413);
    assert_eq!(house.ask("PUT", &path, None, &[], PNG).await.status, 401);
    assert_eq!(house.ask("PUT", &path, Some(&house.other), &[], PNG).await.status, 401);
    house.shelf.is_away.store(true, Ordering::SeqCst);
    assert_eq!(house.ask("PUT", &path, owner, &[], PNG).await.status, 503);
    house.shelf.is_away.store(false, Ordering::SeqCst);
    left(&house, 2).await;

    house.ask("DELETE", &path, owner, &[], ()).await.expect(204);
    assert_eq!(house.get(&path, None).await.status, 404);
    left(&house, 1).await;
    let private = house.video(FIRST, "private").await;
    let path = format!("/api/videos/{private}/poster");
    assert_eq!(house.ask("PUT", &path, Some(&house.other), &[], PNG).await.status, 404);
    house.ask("PUT", &path, owner, &[], PNG).await.expect(200);
    assert_eq!(house.get(&path, None).await.status, 404);
    house.get(&path, owner).await.expect(200);
}

#[tokio::test]
async fn a_video_has_captions() {
    let house = House::new().await;
    let id = house.video(FIRST, "ticket").await;
    let path = |lang: &str| format!("/api/videos/{id}/captions/{lang}");
    let owner = Some(&house.owner);
    let put = async |lang: &str, body: String| house.ask("PUT", &path(lang), owner, &[], body).await;
    put("pt-BR", VTT.into()).await.expect(200);
    let video = put("en", VTT.into()).await.expect(200).json();
    assert_eq!(video["captions"], json!(["en", "pt-br"]));
    let captions = house.get(&path("pt-br"), owner).await.expect(200);
    assert_eq!(
        (captions.header("content-type"), &captions.bytes[..]),
        ("text/vtt; charset=utf-8", VTT.as_bytes())
    );
    assert_eq!(captions.header("vary"), "cookie, authorization");
    for nothing in ["%ff", "%00", "en%00"] {
        assert_eq!(house.get(&path(nothing), owner).await.status, 404, "{nothing}");
        assert_eq!(house.ask("DELETE", &path(nothing), owner, &[], ()).await.status, 404, "{nothing}");
    }
    // They tell what the film does, so whoever may not watch may not read.
    assert_eq!(house.get(&path("en"), None).await.status, 401);
    assert_eq!(house.get(&path("de"), owner).await.status, 404);
    put("en", format!("{VTT}again")).await.expect(200);
    left(&house, 3).await;

    assert_eq!(put("en", "1\n00:00:00,000".into()).await.status, 415);
    assert_eq!(put("en_US", VTT.into()).await.status, 400);
    assert_eq!(put("%ff", "x".repeat(3 * 1024 * 1024)).await.status, 404, "before the body is read");
    assert_eq!(house.ask("PUT", "/api/videos/x/captions/en_US", owner, &[], VTT).await.status, 400);
    assert_eq!(house.ask("PUT", "/api/videos/x/captions/en", owner, &[], VTT).await.status, 404);
    assert_eq!(put("en", format!("{VTT}{}", "x".repeat(2 * 1024 * 1024))).await.status, 413);
    assert_eq!(house.ask("PUT", &path("en"), Some(&house.other), &[], VTT).await.status, 401);
    for n in 2..50 {
        let lang = format!("{}{}-x", char::from(b'a' + n / 26), char::from(b'a' + n % 26));
        put(&lang, VTT.into()).await.expect(200);
    }
    assert_eq!(put("zz", VTT.into()).await.status, 409);
    left(&house, 51).await;
    house.ask("DELETE", &path("EN"), owner, &[], ()).await.expect(204);
    house.ask("DELETE", &path("en"), owner, &[], ()).await.expect(404);
    let with_poster =
        house.ask("PUT", &format!("/api/videos/{id}/poster"), owner, &[], PNG).await.expect(200);
    assert_eq!(with_poster.json()["captions"].as_array().unwrap().len(), 49);
    left(&house, 51).await;
    house.ask("DELETE", &format!("/api/videos/{id}"), owner, &[], ()).await.expect(204);
    left(&house, 0).await;
}

#[tokio::test]
async fn both_count_in_their_owners_quota() {
    let film = FIRST.len();
    let house = House::with(Settings { quota: film as u64 + 1000, ..Settings::default() }).await;
    let owner = Some(&house.owner);
    let id = house.video(FIRST, "public").await;
    let (poster, captions) =
        (format!("/api/videos/{id}/poster"), |lang: &str| format!("/api/videos/{id}/captions/{lang}"));
    let used = async || uploads::used(&house.db, house.owner.id).await.unwrap() - film as i64;
    let picture = [PNG, &[0; 500]].concat();
    house.ask("PUT", &poster, owner, &[], picture.clone()).await.expect(200);
    assert_eq!(used().await, picture.len() as i64);
    house.ask("PUT", &captions("en"), owner, &[], VTT).await.expect(200);
    assert_eq!(used().await, (picture.len() + VTT.len()) as i64);
    let long = format!("{VTT}{}", "x".repeat(500));
    let full = house.ask("PUT", &captions("de"), owner, &[], long.clone()).await.expect(507);
    assert!(full.error().1.contains("that you may keep"), "{:?}", full.error());
    assert_eq!(house.ask("PUT", &poster, owner, &[], picture).await.status, 507);
    assert!(
        String::from_utf8_lossy(&house.get("/videos/mine", owner).await.bytes)
            .contains("posters and captions")
    );

    house.ask("PUT", &poster, owner, &[], PNG).await.expect(200);
    assert_eq!(used().await, (PNG.len() + VTT.len()) as i64, "what it replaces counts no more");
    house.ask("PUT", &captions("en"), owner, &[], long.clone()).await.expect(200);
    house.ask("DELETE", &captions("en"), owner, &[], ()).await.expect(204);
    house.ask("DELETE", &poster, owner, &[], ()).await.expect(204);
    assert_eq!(used().await, 0);
    house.ask("PUT", &captions("de"), owner, &[], long).await.expect(200);
    house.ask("DELETE", &format!("/api/videos/{id}"), owner, &[], ()).await.expect(204);
    assert_eq!(used().await, -(film as i64), "nothing is in use");
}
