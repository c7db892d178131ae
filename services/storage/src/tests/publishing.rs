//! Publishing: whole or not at all, once however often it is asked for, and whatever was broken off before.

use axum::body::Bytes;
use axum::http::Method;
use kernel::Kind;
use objects::{Objects as _, Piece, Publication};

use super::{House, ask, eventually, hex, kind, noise, on_all, sha256};
use crate::store;

on_all!(
    an_upload_becomes_an_object,
    pieces_of_an_upload_become_an_object,
    small_and_large_objects_are_the_same,
    the_same_bytes_make_the_same_object,
    asked_for_at_once_it_is_made_once,
    an_empty_upload_becomes_an_empty_object,
    whoever_was_gone_before_the_row_is_followed,
    what_was_let_go_meanwhile_stays_gone,
    what_is_let_go_is_gone,
    objects_are_listed_in_order,
);

async fn an_upload_becomes_an_object(house: House) {
    let id = house.uploaded(&[b"a film"]).await;
    assert!(house.ask(id, Method::GET, &[]).await.is_err(), "it is none yet");
    let stored = house.objects.publish(id, None).await.unwrap();
    assert_eq!((stored.size, &stored.sha256), (6, &hex(&sha256(b"a film"))));
    let answer = house.ask(id, Method::GET, &[]).await.unwrap();
    assert_eq!(answer.header("etag"), format!("\"{}\"", stored.sha256));
    assert_eq!((answer.header("content-type"), answer.header("content-length")), ("video/mp4", "6"));
    assert_eq!(answer.body.unwrap(), "a film");
    assert_eq!(house.objects.publish(id, None).await.unwrap(), stored, "twice is once");
    house.gives_back(id).await;
    // Whoever was gone when it was published goes on from there.
    assert_eq!(house.objects.uploaded(id).await.unwrap(), 6);
    assert_eq!(house.objects.read_upload(id, 2..100).await.unwrap(), "film");
    assert_eq!(kind(house.append(id, 6, b"!").await), Kind::NotFound, "it is an upload no more");
    let found = house.storage.collect(false).await.unwrap();
    assert_eq!(found, crate::Collected::default(), "nothing is left");
}

async fn pieces_of_an_upload_become_an_object(house: House) {
    let id = house.uploaded(&[b"0123", b"4567", b"89"]).await;
    let beyond = vec![Piece::Upload(8..11)];
    assert_eq!(kind(house.objects.publish(id, Some(beyond)).await), Kind::Invalid);
    let pieces = vec![
        Piece::Upload(8..10),
        Piece::Bytes(Bytes::from_static(b"\nab\n")),
        Piece::Upload(2..9),
        Piece::Upload(5..5),
        Piece::Bytes(Bytes::new()),
    ];
    let stored = house.objects.publish(id, Some(pieces)).await.unwrap();
    let whole = b"89\nab\n2345678";
    assert_eq!((stored.size, stored.sha256), (13, hex(&sha256(whole))));
    assert_eq!(house.bytes(id).await, whole.as_slice());
}

async fn small_and_large_objects_are_the_same(house: House) {
    let large = noise(20 * 1024 * 1024 + 77);
    for bytes in [&large[..512], &large] {
        let half = bytes.len() / 3 * 2;
        // The digest is known as it goes, and is computed again after a restart.
        for is_restarted in [false, true] {
            let id = house.uploaded(&[&bytes[..half], &bytes[half..]]).await;
            let stored = match is_restarted {
                false => house.objects.publish(id, None).await.unwrap(),
                true => house.restarted().publish(id, None).await.unwrap(),
            };
            assert_eq!((stored.size, stored.sha256), (bytes.len() as u64, hex(&sha256(bytes))));
            let tail = house.ask(id, Method::GET, &[("range", "bytes=-100")]).await.unwrap();
            assert_eq!(tail.body.unwrap(), bytes[bytes.len() - 100..]);
            assert!(house.bytes(id).await == *bytes);
        }
    }
    let one = house.stored(&large).await;
    assert!(house.bytes(one.0).await == large, "and of one part");
    let last = large.len() - 4;
    let pieces = vec![Piece::Upload(last as u64..large.len() as u64), Piece::Upload(0..last as u64)];
    let id = house.uploaded(&[&large]).await;
    house.objects.publish(id, Some(pieces)).await.unwrap();
    assert!(house.bytes(id).await == [&large[last..], &large[..last]].concat());
}

/// However they came: two who publish at once overwrite each other, and the tag of either is noted.
async fn the_same_bytes_make_the_same_object(house: House) {
    let bytes = noise(17 * 1024 * 1024 + 5);
    let mut made = Vec::new();
    for cuts in [vec![], vec![1], vec![3 << 20, (8 << 20) + 1, (16 << 20) + 3]] {
        let ends = cuts.iter().copied().chain([bytes.len()]);
        let begins = std::iter::once(0).chain(cuts.iter().copied());
        let parts: Vec<&[u8]> = begins.zip(ends).map(|(begin, end)| &bytes[begin..end]).collect();
        let id = house.uploaded(&parts).await;
        let (parts, multipart) = (
            store::parts(&house.db, id).await.unwrap(),
            house.store.begin(id, bytes.len() as u64).await.unwrap(),
        );
        let publication = Publication { id, parts, pieces: None, sha256: None, multipart };
        made.push(house.store.publish(publication).await.unwrap());
    }
    assert_eq!(made[0].0.sha256, hex(&sha256(&bytes)));
    assert_eq!(made[0].1.is_some(), house.bucket.is_some());
    assert!(made[1..].iter().all(|other| *other == made[0]), "{made:?}");
}

async fn asked_for_at_once_it_is_made_once(house: House) {
    let large = noise(9 * 1024 * 1024);
    let id = house.uploaded(&[&large[..5], &large[5..]]).await;
    let all = futures_util::future::join_all((0..4).map(|_| house.objects.publish(id, None))).await;
    assert!(all.into_iter().all(|stored| stored.unwrap().sha256 == hex(&sha256(&large))));
    house.gives_back(id).await;
    assert_eq!(house.storage.collect(false).await.unwrap(), crate::Collected::default());
}

#[tokio::test]
async fn an_upload_of_which_rows_are_missing_becomes_nothing() {
    let house = House::disk().await;
    let id = house.uploaded(&[b"all ", b"or ", b"nothing"]).await;
    let gap = "DELETE FROM parts WHERE upload_id = $1 AND start = 4";
    house.db.write(|tx| async move { tx.execute(gap, &[&id]).await }).await.unwrap();
    assert_eq!(kind(house.objects.publish(id, None).await), Kind::Internal);
    assert!(store::object(&house.db, id).await.unwrap().is_none());
}

#[tokio::test]
async fn it_is_made_when_whoever_waits_goes_away() {
    let house = House::disk().await;
    let id = house.uploaded(&[b"in ", b"parts"]).await;
    // The turn is somebody else's until whoever waits has gone.
    let turn = house.storage.0.publishing.turn(id).await;
    let storage = house.storage.clone();
    let mut waits = Box::pin(async move { storage.publish(id, None).await });
    assert!(futures_util::FutureExt::now_or_never(waits.as_mut()).is_none());
    drop(waits);
    assert!(store::object(&house.db, id).await.unwrap().is_none());
    drop(turn);
    eventually("it is made", async || store::object(&house.db, id).await.unwrap().is_some()).await;
}

async fn an_empty_upload_becomes_an_empty_object(house: House) {
    let id = house.uploaded(&[]).await;
    let stored = house.objects.publish(id, None).await.unwrap();
    assert_eq!((stored.size, stored.sha256), (0, hex(&sha256(b""))));
    assert_eq!(house.bytes(id).await, "");
}

/// What a publication does, up to where the process is killed: the object is in its place, its row is not.
async fn published_without_a_row(house: &House, id: kernel::ObjectId, pieces: Option<Vec<Piece>>) {
    let parts = store::parts(&house.db, id).await.unwrap();
    let size = parts.iter().map(|part| part.length).sum();
    let multipart = house.store.begin(id, size).await.unwrap();
    store::note(&house.db, id, multipart.as_deref()).await.unwrap();
    let publication = Publication { id, parts, pieces, sha256: None, multipart };
    house.store.publish(publication).await.unwrap();
}

async fn whoever_was_gone_before_the_row_is_followed(house: House) {
    let large = noise(9 * 1024 * 1024);
    for parts in [vec![b"whole".as_slice()], vec![b"in ", b"parts"], vec![&large[..]]] {
        let whole = parts.concat();
        let id = house.uploaded(&parts).await;
        published_without_a_row(&house, id, None).await;
        assert!(house.ask(id, Method::GET, &[]).await.is_err(), "nobody sees it");
        assert_eq!(house.storage.collect(false).await.unwrap(), crate::Collected::default(), "nor takes it");
        let next = house.restarted();
        assert_eq!(next.uploaded(id).await.unwrap(), whole.len() as u64);
        assert_eq!(next.read_upload(id, 0..3).await.unwrap(), whole[..3]);
        let stored = next.publish(id, None).await.unwrap();
        assert_eq!(stored.sha256, hex(&sha256(&whole)));
        let answer = ask(&next, id, Method::GET, &[]).await.unwrap();
        assert!(answer.body.unwrap() == whole);
    }
    // Begun, noted, and no byte of it sent.
    let id = house.uploaded(&[&large]).await;
    let multipart = house.store.begin(id, large.len() as u64).await.unwrap();
    store::note(&house.db, id, multipart.as_deref()).await.unwrap();
    house.restarted().publish(id, None).await.unwrap();
    assert!(house.bytes(id).await == large);
    assert_eq!(house.storage.collect(false).await.unwrap(), crate::Collected::default());
}

async fn what_was_let_go_meanwhile_stays_gone(house: House) {
    house.stored(b"wanted").await;
    let id = house.uploaded(&[b"unwanted"]).await;
    published_without_a_row(&house, id, None).await;
    // Whoever let it go was done with its bytes before the object had its place.
    store::note(&house.db, id, Some("begun")).await.unwrap();
    assert_eq!(store::remove(&house.db, id).await.unwrap().as_deref(), Some("begun"), "it is given up");
    assert_eq!(store::remove(&house.db, id).await.unwrap(), None);
    let stored = objects::Stored { size: 8, sha256: hex(&sha256(b"unwanted")) };
    assert_eq!(kind(house.storage.became(id, &stored, None).await), Kind::NotFound);
    assert!(store::object(&house.db, id).await.unwrap().is_none());
    assert_eq!(house.storage.collect(false).await.unwrap(), crate::Collected::default(), "nothing is left");
}

async fn what_is_let_go_is_gone(house: House) {
    let (object, _) = house.stored(b"an object").await;
    let upload = house.uploaded(&[b"an upload"]).await;
    house.bytes(object).await;
    for id in [object, upload, house.id()] {
        house.objects.remove(id).await.unwrap();
        house.objects.remove(id).await.unwrap();
        assert_eq!(kind(house.ask(id, Method::GET, &[]).await.map(drop)), Kind::NotFound);
        assert_eq!(kind(house.objects.uploaded(id).await), Kind::NotFound);
    }
    let lying = house.store.list().await.unwrap();
    assert_eq!(lying, objects::Lying::default());
    assert!(house.storage.is_empty().await.unwrap());
}

async fn objects_are_listed_in_order(house: House) {
    assert_eq!(house.objects.list(None).await.unwrap(), []);
    let mut ids = Vec::new();
    for text in [b"a", b"b", b"c"] {
        ids.push(house.stored(text).await.0);
    }
    house.uploaded(&[b"no object"]).await;
    ids.sort();
    assert_eq!(house.objects.list(None).await.unwrap(), ids);
    assert_eq!(house.objects.list(Some(ids[0])).await.unwrap(), ids[1..]);
    assert_eq!(house.objects.list(Some(ids[2])).await.unwrap(), []);
    assert!(!house.storage.is_empty().await.unwrap());
}
