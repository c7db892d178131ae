//! A video in one request.

use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes};
use axum::http::Request;
use futures_util::StreamExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::{FIRST, House, LAST, Person, Reply, WEBM, base64, broken, eventually, long, sha256};
use crate::Settings;

async fn send(house: &House, who: &Person, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    house.ask("POST", "/api/videos", Some(who), headers, body).await
}

/// Nothing is left of an upload once what has to be let go is.
async fn leaves(house: &House, objects: usize) {
    eventually("nothing is left of it", async || {
        house.streaming.let_objects_go().await.unwrap();
        house.shelf.count() == (objects, 0)
    })
    .await;
}

#[tokio::test]
async fn a_video_is_uploaded_and_named() {
    let house = House::new().await;
    let reply = send(&house, &house.owner, &[("file-name", "..%2FA%20Trip_to.mp4")], FIRST).await.expect(201);
    let video = reply.json();
    for (name, value) in [
        ("title", json!("A Trip to")),
        ("path", json!("A Trip_to.mp4")),
        ("visibility", json!("private")),
        ("size", json!(FIRST.len())),
        ("contentType", json!("video/mp4")),
        ("ownerId", json!(house.owner.id)),
    ] {
        assert_eq!(video[name], value, "{name}");
    }
    assert!((0.9..1.2).contains(&video["duration"].as_f64().unwrap()), "{video}");
    let id = video["id"].as_str().unwrap();
    // Before anybody watches, for that is announced as well.
    assert_eq!(house.announced().await, [(format!("video:{id}"), "video:created", 0)]);
    let seen = house.watch(id, Some(&house.owner)).await.expect(200);
    assert_eq!(seen.bytes, FIRST);
    // What it is called and what it claims to be are not believed.
    let reply = send(&house, &house.owner, &[("content-type", "video/mp4")], WEBM).await.expect(201).json();
    assert_eq!((&reply["contentType"], &reply["path"]), (&json!("video/webm"), &json!("video.mp4")));
    assert_eq!(house.shelf.count(), (2, 0));
    assert!(!house.streaming.is_empty().await.unwrap());
}

#[tokio::test]
async fn paths_are_unique() {
    let house = House::new().await;
    let headers = [("file-name", "film.mp4")];
    let one = || send(&house, &house.owner, &headers, FIRST);
    let (a, b, c) = tokio::join!(one(), one(), one());
    let mut paths = Vec::new();
    for reply in [a, b, c, one().await] {
        let video = reply.expect(201).json();
        let path = video["path"].as_str().unwrap().to_owned();
        assert!(path.starts_with("film") && path.ends_with(".mp4"));
        let reply = house.get(&format!("/video?path={path}"), Some(&house.owner)).await.expect(200);
        assert_eq!(reply.bytes, FIRST);
        paths.push(path);
    }
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 4);
    assert!(paths.contains(&"film.mp4".to_owned()));
}

#[tokio::test]
async fn a_film_whose_index_is_at_its_end_plays_at_once() {
    let house = House::new().await;
    let id = house.video(LAST, "public").await;
    let bytes = house.watch(&id, None).await.expect(200).bytes;
    let at = |name: &[u8]| bytes.windows(4).position(|window| window == name).unwrap();
    assert!(at(b"moov") < at(b"mdat"));
    assert_eq!(bytes.len(), LAST.len());
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let house = House::with(Settings { limit: 100_000, quota: 150_000, ..Settings::default() }).await;
    let owner = &house.owner;
    assert_eq!(house.ask("POST", "/api/videos", None, &[], FIRST).await.status, 401);
    let digest = format!("sha-256=:{}:", base64(&sha256(b"another")));
    for (told, headers, body, status) in [
        ("no film", vec![], Body::from("<html>"), 415),
        ("nothing", vec![], Body::empty(), 415),
        ("too long, as it says", vec![("content-length", "100001")], Body::empty(), 413),
        ("too long, as it turns out", vec![], Body::from(long(100_000)), 413),
        ("another's digest", vec![("content-digest", digest.as_str())], Body::from(FIRST), 400),
        ("no digest", vec![("content-digest", "sha-256=x")], Body::from(FIRST), 400),
        ("broken off", vec![], broken(FIRST), 400),
    ] {
        let reply = send(&house, owner, &headers, body).await;
        assert_eq!(reply.status, status, "{told}: {:?}", reply.bytes);
        leaves(&house, 0).await;
    }
    house.shelf.is_away.store(true, Ordering::SeqCst);
    assert_eq!(send(&house, owner, &[], FIRST).await.status, 503);
    house.shelf.is_away.store(false, Ordering::SeqCst);
    leaves(&house, 0).await;
    assert_eq!(house.catalogue(Some(owner)).await, Vec::<String>::new());
    assert_eq!(house.announced().await, []);

    let right = format!("sha-512=:AA==:, sha-256=:{}:", base64(&sha256(FIRST)));
    send(&house, owner, &[("content-digest", &right)], FIRST).await.expect(201);
    send(&house, owner, &[("content-length", "94456")], long(90_000)[..].to_vec()).await.expect(201);
    let full = send(&house, owner, &[("content-length", "60000")], long(55_544)).await;
    assert_eq!(full.status, 507);
    assert!(full.error().1.contains("delete a video first"), "{:?}", full.error());
    // Without its length, it gets what room there is.
    assert_eq!(send(&house, owner, &[], long(60_000)).await.status, 413);
    leaves(&house, 2).await;
    send(&house, owner, &[], long(30_000)).await.expect(201);
}

/// A stranger who sends a byte and then nothing keeps others out of a few places at most.
#[tokio::test]
async fn nobody_sends_too_many_at_once() {
    let house = House::new().await;
    let (tell, told) = tokio::sync::watch::channel(());
    let halting = || {
        let mut told = told.clone();
        let rest = async move { told.changed().await.map_err(std::io::Error::other).map(|()| Bytes::new()) };
        let first = futures_util::stream::once(async { Ok(Bytes::from_static(b"x")) });
        Body::from_stream(first.chain(futures_util::stream::once(rest)))
    };
    let slow: Vec<_> = (0..3)
        .map(|_| {
            let request = Request::post("/api/videos").header("cookie", &house.other.cookie);
            tokio::spawn(house.app.clone().oneshot(request.body(halting()).unwrap()))
        })
        .collect();
    let more = async || send(&house, &house.other, &[("content-length", "9")], halting()).await;
    eventually("they are under way", async || {
        let none: &[&dyn db::Param] = &[];
        let (rows,): (i64,) = house.db.one("SELECT COUNT(*) FROM uploads", none).await.unwrap();
        rows == 3
    })
    .await;
    let refused = more().await.expect(429);
    assert_eq!(refused.header("retry-after"), "5");
    assert!(refused.error().1.starts_with("You send too many videos at once"));
    let form = [("content-type", "multipart/form-data; boundary=x")];
    let body =
        "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp4\"\r\n\r\nx\r\n--x--\r\n";
    let page = house.ask("POST", "/videos/new", Some(&house.other), &form, body).await.expect(429);
    assert!(String::from_utf8_lossy(&page.bytes).contains("You send too many videos at once"));
    send(&house, &house.owner, &[], FIRST).await.expect(201);
    tell.send(()).unwrap();
    for slow in slow {
        assert_eq!(slow.await.unwrap().unwrap().status(), 415);
    }
    send(&house, &house.other, &[], FIRST).await.expect(201);
    leaves(&house, 2).await;
}

#[tokio::test]
async fn one_key_is_one_video() {
    let house = House::new().await;
    let key = [("idempotency-key", "a-key"), ("file-name", "a.mp4")];
    let first = send(&house, &house.owner, &key, FIRST).await.expect(201).json();
    let again = send(&house, &house.owner, &key, FIRST).await.expect(201).json();
    assert_eq!(first, again);
    assert_eq!(send(&house, &house.owner, &key, WEBM).await.status, 422);
    leaves(&house, 1).await;
    let theirs = send(&house, &house.other, &key, FIRST).await.expect(201).json();
    assert_ne!(first["id"], theirs["id"]);

    let key = [("idempotency-key", "another"), ("file-name", "b.mp4")];
    let one = || send(&house, &house.owner, &key, FIRST);
    let (a, b) = tokio::join!(one(), one());
    assert_eq!(a.expect(201).json(), b.expect(201).json());
    leaves(&house, 3).await;
    assert_eq!(house.catalogue(Some(&house.owner)).await.len(), 2);
}

/// What was answered is answered again, however full everything is since.
#[tokio::test]
async fn a_key_that_has_an_answer_needs_no_room() {
    let length = FIRST.len() as u64;
    let house = House::with(Settings { limit: length + 10, quota: length + 10, ..Settings::default() }).await;
    let key = [("idempotency-key", "a-key"), ("content-length", &length.to_string())];
    let first = send(&house, &house.owner, &key, FIRST).await.expect(201).json();
    let again = send(&house, &house.owner, &key, FIRST).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), again.json()), ("true", first.clone()));
    let tus = [("tus-resumable", "1.0.0"), ("upload-length", "0")];
    for _ in 0..20 {
        house.ask("POST", "/api/uploads", Some(&house.owner), &tus, ()).await.expect(201);
    }
    assert_eq!(send(&house, &house.owner, &key, FIRST).await.expect(201).json(), first);
    let key = &key[..1];
    assert_eq!(send(&house, &house.owner, key, WEBM).await.status, 422);
    assert_eq!(send(&house, &house.owner, key, broken(FIRST)).await.status, 400);
    assert_eq!(send(&house, &house.owner, key, long(1000)).await.status, 413);
    let other = format!("sha-256=:{}:", base64(&sha256(b"another")));
    let spoilt = [key[0], ("content-digest", other.as_str())];
    assert_eq!(send(&house, &house.owner, &spoilt, FIRST).await.status, 400);
    assert_eq!(house.shelf.count(), (1, 20));
}

/// Whoever leaves after the last byte has sent all that there is to say: it becomes a video, and the answer is kept.
#[tokio::test]
async fn a_client_that_leaves_does_not_stop_what_it_sent() {
    let house = House::new().await;
    let turns = house.streaming.0.finishing.acquire_many(2).await.unwrap();
    let request = || {
        let request = Request::post("/api/videos").header("cookie", &house.owner.cookie);
        request.header("idempotency-key", "one").body(Body::from(FIRST)).unwrap()
    };
    let sending = tokio::spawn(house.app.clone().oneshot(request()));
    let none: &[&dyn db::Param] = &[];
    eventually("it waits for its turn", async || {
        let rows: Vec<(i64,)> = house.db.all("SELECT finishing_until FROM uploads", none).await.unwrap();
        rows.first().is_some_and(|(until,)| *until > 0)
    })
    .await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    drop(turns);
    eventually("it is a video", async || house.catalogue(Some(&house.owner)).await.len() == 1).await;
    let id = house.catalogue(Some(&house.owner)).await.remove(0);
    assert_eq!(house.send(request()).await.expect(201).json()["id"], json!(id));
    leaves(&house, 1).await;
}
