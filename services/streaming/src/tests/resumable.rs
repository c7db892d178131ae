//! Resumable uploads by tus 1.0, as its specification has them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use db::Param;
use serde_json::json;

use super::{FIRST, House, LAST, Reply, base64, broken, eventually, sha256};
use crate::Settings;

pub(super) const V: (&str, &str) = ("tus-resumable", "1.0.0");
pub(super) const TYPE: (&str, &str) = ("content-type", "application/offset+octet-stream");

/// Begins an upload of `length` bytes; answers its path.
pub(super) async fn begun(house: &House, length: usize) -> String {
    let length = length.to_string();
    let metadata = format!("filename {}", base64(b"my film.mp4"));
    let headers = [V, ("upload-length", length.as_str()), ("upload-metadata", &metadata)];
    let reply = house.ask("POST", "/api/uploads", Some(&house.owner), &headers, ()).await.expect(201);
    assert_eq!(reply.header("tus-resumable"), "1.0.0");
    assert!(reply.header("upload-expires").ends_with(" GMT"));
    reply.header("location").to_owned()
}

pub(super) async fn patch(house: &House, path: &str, offset: usize, body: impl Into<Body>) -> Reply {
    let offset = offset.to_string();
    house.ask("PATCH", path, Some(&house.owner), &[V, TYPE, ("upload-offset", &offset)], body).await
}

pub(super) async fn head(house: &House, path: &str) -> Reply {
    house.ask("HEAD", path, Some(&house.owner), &[V], ()).await
}

pub(super) fn id_of(path: &str) -> String {
    path.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_upload_goes_on_until_it_is_a_video() {
    let house = House::new().await;
    let told = house.ask("OPTIONS", "/api/uploads", None, &[], ()).await.expect(204);
    assert_eq!((told.header("tus-version"), told.header("tus-max-size")), ("1.0.0", "21474836480"));
    for extension in ["creation", "creation-with-upload", "termination", "checksum", "expiration"] {
        assert!(told.header("tus-extension").split(',').any(|one| one == extension), "{extension}");
    }
    let path = begun(&house, LAST.len()).await;
    assert_eq!(patch(&house, &path, 0, &LAST[..1000]).await.expect(204).header("upload-offset"), "1000");
    assert_eq!(
        patch(&house, &path, 0, &LAST[..10]).await.error(),
        (409, "The upload ends at 1000".to_owned())
    );
    assert_eq!(patch(&house, &path, 1001, &LAST[1001..]).await.status, 409);
    let at = head(&house, &path).await.expect(200);
    assert_eq!((at.header("upload-offset"), at.header("upload-length")), ("1000", "4448"));
    assert_eq!(at.header("cache-control"), "no-store");
    assert_eq!(at.header("upload-metadata"), format!("filename {}", base64(b"my film.mp4")));
    assert_eq!(patch(&house, &path, 1000, broken(&LAST[1000..1500])).await.status, 400);
    assert_eq!(head(&house, &path).await.header("upload-offset"), "1500", "what came is kept");
    let list = house.get("/api/uploads", Some(&house.owner)).await.expect(200).json();
    assert_eq!((&list[0]["offset"], &list[0]["location"]), (&json!(1500), &json!(path)));
    assert_eq!(house.get("/api/uploads", Some(&house.other)).await.json(), json!([]));
    assert_eq!(house.catalogue(Some(&house.owner)).await, Vec::<String>::new());

    assert_eq!(patch(&house, &path, 1500, [&LAST[1500..], b"x"].concat()).await.status, 413);
    let done = patch(&house, &path, 1500, &LAST[1500..]).await.expect(204);
    assert_eq!(done.header("upload-offset"), "4448");
    let video =
        house.get(&format!("/api/videos/{}", id_of(&path)), Some(&house.owner)).await.expect(200).json();
    assert_eq!((&video["path"], &video["title"]), (&json!("my film.mp4"), &json!("my film")));
    // Whoever did not hear that it is done asks again.
    let at = head(&house, &path).await.expect(200);
    assert_eq!((at.header("upload-offset"), at.header("upload-length")), ("4448", "4448"));
    assert_eq!(patch(&house, &path, 0, FIRST).await.status, 409);
    assert_eq!(house.get("/api/uploads", Some(&house.owner)).await.json(), json!([]));
    assert_eq!(house.announced().await.len(), 1);
}

#[tokio::test]
async fn what_does_not_speak_tus_is_told_so() {
    let house = House::new().await;
    let path = begun(&house, 10).await;
    let owner = Some(&house.owner);
    for (method, path) in
        [("POST", "/api/uploads"), ("HEAD", &path), ("PATCH", &path), ("DELETE", &path), ("POST", &path)]
    {
        for headers in [vec![], vec![("tus-resumable", "0.2.2")]] {
            let reply = house.ask(method, path, owner, &headers, ()).await;
            assert_eq!((reply.status, reply.header("tus-version")), (412, "1.0.0"), "{method} {path}");
        }
        let stranger = house.ask(method, path, None, &[V], ()).await;
        assert_eq!((stranger.status, stranger.header("tus-resumable")), (401, "1.0.0"), "{method} {path}");
        if path != "/api/uploads" {
            let headers = [V, TYPE, ("upload-offset", "0"), ("x-http-method-override", "PATCH")];
            assert_eq!(
                house.ask(method, path, Some(&house.other), &headers, ()).await.status,
                404,
                "{method}"
            );
        }
    }
    let create =
        async |headers: &[(&str, &str)]| house.ask("POST", "/api/uploads", owner, headers, ()).await.status;
    assert_eq!(create(&[V]).await, 400);
    assert_eq!(create(&[V, ("upload-length", "-1")]).await, 400);
    assert_eq!(create(&[V, ("upload-length", "5"), ("upload-metadata", "filename !")]).await, 400);
    let long = format!("filename {}", base64(&[b'x'; 4096]));
    assert_eq!(create(&[V, ("upload-length", "5"), ("upload-metadata", &long)]).await, 400);
    assert_eq!(create(&[V, TYPE, ("upload-length", "5"), ("upload-checksum", "md5 AA==")]).await, 400);
    assert_eq!(create(&[V, ("upload-length", "21474836481")]).await, 413);
    let offset = ("upload-offset", "0");
    let append = async |headers: &[(&str, &str)]| house.ask("PATCH", &path, owner, headers, "x").await.status;
    assert_eq!(append(&[V, offset]).await, 415);
    assert_eq!(append(&[V, offset, ("content-type", "video/mp4")]).await, 415);
    assert_eq!(append(&[V, TYPE]).await, 400);
    assert_eq!(append(&[V, TYPE, offset, ("upload-checksum", "md5 AA==")]).await, 400);
    let nobody = format!("/api/uploads/{}", kernel::VideoId::new(&house.clock));
    assert_eq!(head(&house, &nobody).await.status, 404);
    assert_eq!(patch(&house, &nobody, 0, "x").await.status, 404);
    assert_eq!(head(&house, "/api/uploads/7").await.status, 404);
    assert_eq!(head(&house, &path).await.header("upload-offset"), "0");
}

#[tokio::test]
async fn the_first_bytes_may_come_along() {
    let house = House::new().await;
    let length = FIRST.len().to_string();
    let headers = [V, TYPE, ("upload-length", length.as_str())];
    let part =
        house.ask("POST", "/api/uploads", Some(&house.owner), &headers, &FIRST[..100]).await.expect(201);
    assert_eq!(part.header("upload-offset"), "100");
    assert_eq!(head(&house, part.header("location")).await.header("upload-offset"), "100");
    let metadata = format!("filename {},visibility {}", base64(b"b.mp4"), base64(b"public"));
    let headers = [V, TYPE, ("upload-length", length.as_str()), ("upload-metadata", &metadata)];
    let all = house.ask("POST", "/api/uploads", Some(&house.owner), &headers, FIRST).await.expect(201);
    assert_eq!(all.header("upload-offset"), length);
    assert_eq!(house.watch(&id_of(all.header("location")), None).await.expect(200).bytes, FIRST);
    // Of what breaks off, what came is kept; what is no video is not.
    let headers = [V, TYPE, ("upload-length", length.as_str())];
    let half = house.ask("POST", "/api/uploads", Some(&house.owner), &headers, broken(&FIRST[..70])).await;
    let half = half.expect(201);
    assert_eq!(half.header("upload-offset"), "70");
    house.ask("DELETE", half.header("location"), Some(&house.owner), &[V], ()).await.expect(204);
    let headers = [V, TYPE, ("upload-length", "6")];
    house.ask("POST", "/api/uploads", Some(&house.owner), &headers, "<html>").await.expect(415);
    eventually("it is given up", async || {
        let list = house.get("/api/uploads", Some(&house.owner)).await.expect(200).json();
        list.as_array().unwrap().len() == 1
    })
    .await;
    let wrong = format!("sha256 {}", base64(&sha256(b"other")));
    let headers = [V, TYPE, ("upload-length", length.as_str()), ("upload-checksum", &wrong)];
    assert_eq!(house.ask("POST", "/api/uploads", Some(&house.owner), &headers, FIRST).await.status, 460);
    eventually("nobody knows where that would go on", async || {
        house.streaming.let_objects_go().await.unwrap();
        house.shelf.count() == (1, 1)
    })
    .await;
}

#[tokio::test]
async fn parts_are_checked_and_uploads_given_up() {
    let house = House::new().await;
    let path = begun(&house, FIRST.len()).await;
    let send = async |sum: &str, body: &'static [u8]| {
        let headers = [V, TYPE, ("upload-offset", "0"), ("upload-checksum", sum)];
        house.ask("PATCH", &path, Some(&house.owner), &headers, body).await
    };
    let right = format!("sha256 {}", base64(&sha256(&FIRST[..50])));
    assert_eq!(send(&right, &FIRST[..51]).await.status, 460);
    assert_eq!(head(&house, &path).await.header("upload-offset"), "0");
    assert_eq!(send(&right, &FIRST[..50]).await.expect(204).header("upload-offset"), "50");

    let meant = |method| [V, TYPE, ("upload-offset", "50"), ("x-http-method-override", method)];
    let by_post =
        async |method| house.ask("POST", &path, Some(&house.owner), &meant(method), &FIRST[50..60]).await;
    assert_eq!(by_post("GET").await.status, 400);
    assert_eq!(by_post("PATCH").await.expect(204).header("upload-offset"), "60");
    by_post("DELETE").await.expect(204);
    assert_eq!(head(&house, &path).await.status, 404);
    assert_eq!(house.ask("DELETE", &path, Some(&house.owner), &[V], ()).await.status, 404);
    let other = begun(&house, 5).await;
    house.ask("DELETE", &other, Some(&house.owner), &[V], ()).await.expect(204);
    house.streaming.let_objects_go().await.unwrap();
    assert_eq!(house.shelf.count(), (0, 0));
}

#[tokio::test]
async fn what_is_no_video_is_refused_and_stays_so() {
    let house = House::new().await;
    let path = begun(&house, 6).await;
    let refused = patch(&house, &path, 0, "<html>").await.expect(415).error().1;
    assert_eq!(head(&house, &path).await.status, 410);
    assert_eq!(patch(&house, &path, 6, "").await.error(), (410, refused.clone()));
    let list = house.get("/api/uploads", Some(&house.owner)).await.json();
    assert_eq!(list[0]["refused"], json!(refused));
    house.streaming.let_objects_go().await.unwrap();
    assert_eq!(house.shelf.count(), (0, 0));
    house.clock.advance(Duration::from_secs(86_401));
    house.streaming.end_uploads().await.unwrap();
    assert_eq!(head(&house, &path).await.status, 404);
}

#[tokio::test]
async fn uploads_end_when_nobody_goes_on() {
    let house = House::new().await;
    let path = begun(&house, FIRST.len()).await;
    house.clock.advance(Duration::from_secs(80_000));
    patch(&house, &path, 0, &FIRST[..10]).await.expect(204);
    house.clock.advance(Duration::from_secs(80_000));
    house.streaming.end_uploads().await.unwrap();
    assert_eq!(head(&house, &path).await.expect(200).header("upload-offset"), "10", "somebody went on");
    house.clock.advance(Duration::from_secs(6_401));
    house.streaming.end_uploads().await.unwrap();
    assert_eq!(head(&house, &path).await.status, 404);
    house.streaming.let_objects_go().await.unwrap();
    assert_eq!(house.shelf.count(), (0, 0));
}

#[tokio::test]
async fn room_is_set_aside_when_an_upload_begins() {
    let house = House::with(Settings { limit: 1000, quota: 1500, ..Settings::default() }).await;
    let create = async |length: &str| {
        house.ask("POST", "/api/uploads", Some(&house.owner), &[V, ("upload-length", length)], ()).await
    };
    assert_eq!(create("1001").await.status, 413);
    let (a, b) = tokio::join!(create("1000"), create("1000"));
    let mut both = [a.status, b.status];
    both.sort_unstable();
    assert_eq!(both, [201, 507], "not both");
    for _ in 0..19 {
        create("1").await.expect(201);
    }
    assert_eq!(create("1").await.status, 409);
}

/// Killed between its row and storage's: it can be seen and given up, and is in nobody's way.
#[tokio::test]
async fn an_upload_that_storage_never_heard_of_can_be_given_up() {
    let house = House::new().await;
    let path = begun(&house, 5).await;
    let upload =
        crate::store::uploads::find(&house.db, id_of(&path).parse().unwrap()).await.unwrap().unwrap();
    objects::Objects::remove(&*house.shelf, upload.object_id).await.unwrap();
    let list = house.get("/api/uploads", Some(&house.owner)).await.expect(200).json();
    assert_eq!((&list[0]["offset"], &list[0]["location"]), (&json!(0), &json!(path)));
    assert_eq!(patch(&house, &path, 0, "12345").await.status, 404);
    house.ask("DELETE", &path, Some(&house.owner), &[V], ()).await.expect(204);
    assert_eq!(house.get("/api/uploads", Some(&house.owner)).await.json(), json!([]));
}

/// Whoever asks, it becomes one video, once.
#[tokio::test]
async fn an_upload_is_finished_once() {
    let house = House::new().await;
    let path = begun(&house, FIRST.len()).await;
    patch(&house, &path, 0, &FIRST[..FIRST.len() - 1]).await.expect(204);
    let last = FIRST.len() - 1;
    let send = || patch(&house, &path, last, &FIRST[last..]);
    let (a, b, c) = tokio::join!(send(), send(), send());
    assert_eq!([a, b, c].iter().filter(|reply| reply.status == 204).count(), 1);
    let (a, b) = tokio::join!(head(&house, &path), head(&house, &path));
    assert_eq!((a.status, b.status), (200, 200));
    house.streaming.end_uploads().await.unwrap();
    let videos: Vec<_> = house.announced().await;
    assert_eq!(videos, [(format!("video:{}", id_of(&path)), "video:created", 0)]);
    assert_eq!(house.shelf.count(), (1, 0));
}

/// Killed at each step of finishing, the job goes on from there.
#[tokio::test]
async fn what_was_left_half_finished_is_finished() {
    for is_published in [false, true] {
        let house = House::new().await;
        let path = begun(&house, LAST.len()).await;
        patch(&house, &path, 0, &LAST[..10]).await.expect(204);
        let id: kernel::VideoId = id_of(&path).parse().unwrap();
        let upload = crate::store::uploads::find(&house.db, id).await.unwrap().unwrap();
        let part =
            objects::Part { offset: 10, most: 99_999, body: LAST[10..].into(), digest: None, at_hand: false };
        let shelf: &dyn objects::Objects = &*house.shelf;
        shelf.append(upload.object_id, part).await.unwrap();
        let until = house.clock.now() + Duration::from_secs(60);
        let ends = until + Duration::from_secs(86_400);
        assert!(crate::store::uploads::take(&house.db, id, until, ends).await.unwrap().is_some());
        if is_published {
            shelf.publish(upload.object_id, None).await.unwrap();
        }
        house.streaming.end_uploads().await.unwrap();
        assert_eq!(house.catalogue(Some(&house.owner)).await.len(), 0, "somebody has it");
        house.clock.advance(Duration::from_secs(61));
        house.shelf.is_away.store(true, Ordering::SeqCst);
        house.streaming.end_uploads().await.unwrap();
        house.shelf.is_away.store(false, Ordering::SeqCst);
        assert_eq!(head(&house, &path).await.expect(200).header("upload-offset"), "4448");
        eventually("it is finished", async || {
            house.clock.advance(Duration::from_secs(61));
            house.streaming.end_uploads().await.unwrap();
            house.catalogue(Some(&house.owner)).await == [id.to_string()]
        })
        .await;
        assert_eq!(house.announced().await.len(), 1);
        let rest: Vec<(String,)> =
            house.db.all("SELECT id FROM uploads", &[] as &[&dyn Param]).await.unwrap();
        assert_eq!(rest, []);
    }
}

/// One that cannot be finished does not keep the others waiting.
#[tokio::test]
async fn one_that_cannot_be_finished_is_in_nobodys_way() {
    let house = House::new().await;
    let (stuck, idle) = (begun(&house, FIRST.len()).await, begun(&house, 5).await);
    let id: kernel::VideoId = id_of(&stuck).parse().unwrap();
    let upload = crate::store::uploads::find(&house.db, id).await.unwrap().unwrap();
    let part = objects::Part { offset: 0, most: 99_999, body: FIRST.into(), digest: None, at_hand: false };
    objects::Objects::append(&*house.shelf, upload.object_id, part).await.unwrap();
    let user = house.owner.id;
    house.db.write(|tx| async move { crate::store::mark_departed(&tx, user).await }).await.unwrap();
    house.clock.advance(Duration::from_secs(86_401));
    house.streaming.end_uploads().await.unwrap();
    assert_eq!(head(&house, &idle).await.status, 404);
    assert_eq!(head(&house, &stuck).await.status, 404, "whoever is gone publishes nothing");
    house.streaming.let_objects_go().await.unwrap();
    assert_eq!(house.shelf.count(), (0, 0));
}
