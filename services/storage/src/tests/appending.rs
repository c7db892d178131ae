//! Appending: what is acknowledged is there, whoever is second is told so, and what is not to stay does not.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures_util::future::join_all;
use kernel::Kind;
use objects::{Appended, Came, Digest, Part};
use tokio::sync::mpsc;

use super::{House, broken, eventually, hex, kind, on_all, part, sha256};
use crate::store;

on_all!(
    what_is_appended_is_there,
    what_came_of_a_broken_body_is_kept,
    of_two_at_once_one_has_appended,
    of_many_at_once_one_has_appended,
    a_part_must_have_its_digest,
    what_is_too_long_is_refused,
);

async fn what_is_appended_is_there(house: House) {
    let id = house.uploaded(&[b"hello ", b"", b"world"]).await;
    house.objects.begin(id).await.unwrap();
    assert_eq!(house.objects.uploaded(id).await.unwrap(), 11, "begun again, it is as it was");
    let read = async |range| house.objects.read_upload(id, range).await.unwrap();
    assert_eq!(read(0..11).await, "hello world");
    assert_eq!(read(3..8).await, "lo wo");
    assert_eq!(read(9..500).await, "ld");
    assert_eq!(read(11..12).await, "");
    assert_eq!(read(500..u64::MAX).await, "");
    let refused = house.append(id, 5, b"x").await.unwrap_err();
    assert_eq!((refused.kind, refused.to_string()), (Kind::Conflict, "The upload ends at 11".to_owned()));
    assert_eq!(kind(house.append(id, 12, b"x").await), Kind::Conflict);
    let nobody = house.id();
    assert_eq!(kind(house.append(nobody, 0, b"x").await), Kind::NotFound);
    assert_eq!(kind(house.objects.uploaded(nobody).await), Kind::NotFound);
    assert_eq!(kind(house.objects.read_upload(nobody, 0..1).await), Kind::NotFound);
    assert_eq!(kind(house.objects.publish(nobody, None).await), Kind::NotFound);
}

async fn what_came_of_a_broken_body_is_kept(house: House) {
    let id = house.uploaded(&[b"so "]).await;
    let rest = match house.objects.append(id, part(3, broken(b"far"))).await {
        Ok(appended) => {
            assert_eq!(appended, Appended { offset: 6, came: Came::Broken });
            b", so good".as_slice()
        }
        // Whoever speaks HTTP hears nothing when their own body breaks off, and may have sent nothing.
        Err(error) => {
            assert!(house.is_apart && error.is_transient(), "{error}");
            if house.objects.uploaded(id).await.unwrap() == 3 {
                b"far, so good".as_slice()
            } else {
                b", so good"
            }
        }
    };
    let end = house.objects.uploaded(id).await.unwrap();
    house.append(id, end, rest).await.unwrap();
    let stored = house.objects.publish(id, None).await.unwrap();
    assert_eq!(stored.sha256, hex(&sha256(b"so far, so good")));
}

/// A body that comes as it is told to.
fn told() -> (mpsc::Sender<&'static str>, Body) {
    let (tell, mut told) = mpsc::channel::<&'static str>(1);
    let frames = futures_util::stream::poll_fn(move |cx| {
        told.poll_recv(cx)
            .map(|text| text.map(|text| Ok::<_, std::io::Error>(Bytes::from_static(text.as_bytes()))))
    });
    (tell, Body::from_stream(frames))
}

async fn of_two_at_once_one_has_appended(house: House) {
    let id = house.uploaded(&[b"begun, "]).await;
    let (tell, body) = told();
    let objects = Arc::clone(&house.objects);
    let slow = tokio::spawn(async move { objects.append(id, part(7, body)).await });
    tell.send("slowly").await.unwrap();
    eventually("it has begun", async || house.storage.0.latest.has(id)).await;
    // Its connection is as good as broken: the same client is here again.
    house.append(id, 7, b"quickly").await.unwrap();
    // The first is told so without having sent any more.
    assert_eq!(kind(slow.await.unwrap()), Kind::Conflict);
    drop(tell);
    assert_eq!(house.objects.read_upload(id, 0..100).await.unwrap(), "begun, quickly");
    house.append(id, 14, b".").await.unwrap();
    house.objects.publish(id, None).await.unwrap();
    assert_eq!(house.bytes(id).await, "begun, quickly.");
}

async fn of_many_at_once_one_has_appended(house: House) {
    let id = house.uploaded(&[]).await;
    let texts: Vec<Vec<u8>> = (0..8).map(|n| vec![b'a' + n; 3000 + usize::from(n)]).collect();
    let all = join_all(texts.iter().map(|text| house.append(id, 0, text))).await;
    let first: Vec<usize> = (0..8).filter(|n| all[*n].is_ok()).collect();
    let [winner] = first.as_slice() else { panic!("{all:?}") };
    assert!(all.iter().flat_map(|one| one.as_ref().err()).all(|error| error.kind == Kind::Conflict));
    assert_eq!(house.objects.publish(id, None).await.unwrap().sha256, hex(&sha256(&texts[*winner])));
    assert_eq!(house.bytes(id).await, texts[*winner]);
}

async fn a_part_must_have_its_digest(house: House) {
    let id = house.uploaded(&[]).await;
    let append = async |offset, body: Body, digest: Vec<u8>| {
        let digest = if digest.len() == 20 { Digest::Sha1(digest) } else { Digest::Sha256(digest) };
        house.objects.append(id, Part { offset, most: 100, body, digest: Some(digest), at_hand: false }).await
    };
    let sha1 = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, b"one ").as_ref().to_vec();
    let whole = |offset| Appended { offset, came: Came::Whole };
    assert_eq!(append(0, "one ".into(), sha1.clone()).await.unwrap(), whole(4));
    assert_eq!(append(4, "two".into(), sha256(b"two")).await.unwrap(), whole(7));
    for wrong in [sha1, sha256(b"three"), vec![0; 32]] {
        let spoilt = append(7, "four".into(), wrong).await.unwrap();
        assert_eq!(spoilt, Appended { offset: 7, came: Came::Spoilt });
    }
    match append(7, broken(b"fo"), sha256(b"four")).await {
        Ok(appended) => assert_eq!(appended, Appended { offset: 7, came: Came::Broken }),
        Err(error) => assert!(house.is_apart && error.is_transient(), "{error}"),
    }
    assert_eq!(house.objects.uploaded(id).await.unwrap(), 7);
    eventually("what was spoilt is gone", async || parts(&house, id).await == 2).await;
    house.objects.publish(id, None).await.unwrap();
    assert_eq!(house.bytes(id).await, "one two");
}

/// How many parts lie in the store of an upload.
async fn parts(house: &House, id: kernel::ObjectId) -> usize {
    use futures_util::TryStreamExt as _;
    use object_store::ObjectStore as _;
    match &house.bucket {
        None => {
            let dir = house.store.directory().unwrap().join("uploads").join(id.to_string());
            std::fs::read_dir(dir).map_or(0, Iterator::count)
        }
        Some(bucket) => {
            let folder = object_store::path::Path::from(format!("marquee/uploads/{id}"));
            bucket.store().list(Some(&folder)).try_collect::<Vec<_>>().await.unwrap().len()
        }
    }
}

async fn what_is_too_long_is_refused(house: House) {
    let id = house.uploaded(&[]).await;
    let most =
        |most, offset, body: Vec<u8>| Part { offset, most, body: body.into(), digest: None, at_hand: false };
    assert_eq!(kind(house.objects.append(id, most(9, 0, b"too long it is".to_vec())).await), Kind::TooLarge);
    house.gives_back(id).await;
    let end = house.objects.uploaded(id).await.unwrap();
    assert_eq!(end, 0);
    house.objects.append(id, most(9, 0, b"as long...".to_vec()[..9].to_vec())).await.unwrap();
    assert_eq!(kind(house.objects.append(id, most(9, 9, b".".to_vec())).await), Kind::TooLarge);
    assert_eq!(house.objects.uploaded(id).await.unwrap(), 9);
}

#[tokio::test]
async fn many_who_send_nothing_keep_nobody_out_until_they_are_too_many() {
    let house = House::disk().await;
    let mut waiting = Vec::new();
    for _ in 0..crate::APPENDING - 1 {
        let (id, storage, (tell, body)) = (house.uploaded(&[]).await, house.storage.clone(), told());
        let slow = tokio::spawn(async move { objects::Objects::append(&storage, id, part(0, body)).await });
        waiting.push((tell, slow));
    }
    let all_wait = async || house.storage.0.appending.available_permits() == 1;
    eventually("they wait", all_wait).await;
    let id = house.uploaded(&[b"one ", b"more"]).await;
    let _last = house.storage.0.appending.acquire().await.unwrap();
    assert_eq!(kind(house.append(id, 8, b"!").await), Kind::Unavailable);
    let poster = house.uploaded(&[]).await;
    let at_hand = Part { at_hand: true, ..part(0, "a poster".into()) };
    house.objects.append(poster, at_hand).await.unwrap();
    for (tell, slow) in waiting {
        drop(tell);
        assert_eq!(slow.await.unwrap().unwrap(), Appended { offset: 0, came: Came::Whole });
    }
    house.append(id, 8, b"!").await.unwrap();
}

#[tokio::test]
async fn what_came_in_too_many_parts_takes_no_more() {
    let house = House::disk().await;
    let id = house.uploaded(&[]).await;
    let laid: Vec<objects::Laid> =
        (0..50_000).map(|start| objects::Laid { start, length: 1, name: "part".to_owned() }).collect();
    assert!(store::grow(&house.db, id, 0, &laid[..49_999]).await.unwrap());
    house.append(id, 49_999, b"x").await.unwrap();
    assert_eq!(kind(house.append(id, 50_000, b"x").await), Kind::TooLarge);
}

#[tokio::test]
async fn what_came_is_kept_when_whoever_waits_goes_away() {
    let house = House::disk().await;
    let id = house.uploaded(&[]).await;
    let (tell, body) = told();
    let storage = house.storage.clone();
    let slow = tokio::spawn(async move { objects::Objects::append(&storage, id, part(0, body)).await });
    tell.send("half").await.unwrap();
    eventually("it has begun", async || parts(&house, id).await == 1).await;
    slow.abort();
    drop(tell);
    eventually("it is kept", async || house.objects.uploaded(id).await.unwrap() == 4).await;
}

/// A body that ends early, without a word: fewer bytes than it said that it has.
#[tokio::test]
async fn a_body_that_ends_early_has_broken_off() {
    struct Short(Option<Bytes>);
    impl http_body::Body for Short {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Ready(self.0.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
        }

        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(if self.0.is_some() { 10 } else { 6 })
        }
    }
    let house = House::disk().await;
    let id = house.uploaded(&[]).await;
    let body = Body::new(Short(Some(Bytes::from_static(b"four"))));
    let appended = house.objects.append(id, part(0, body)).await.unwrap();
    assert_eq!(appended, Appended { offset: 4, came: Came::Broken });
}
