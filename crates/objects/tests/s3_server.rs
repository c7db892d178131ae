//! What storage relies on of an S3 server, asked of a real one by the client that storage uses.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::time::Duration;

use engines::{Bucket, S3};
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::signer::Signer as _;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
};

/// The smallest part of a multipart upload that is not its last.
const PART: usize = 5 << 20;

async fn bucket() -> Option<Bucket> {
    Some(S3::shared().await?.bucket("relied-on").await)
}

/// Bytes of which no two neighbouring pieces are alike.
fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8 ^ (n >> 12) as u8).collect()
}

async fn short(store: &AmazonS3) -> Path {
    let path = Path::from("short");
    store.put(&path, PutPayload::from_static(b"0123456789")).await.unwrap();
    path
}

async fn part_of(store: &AmazonS3, path: &Path, range: GetRange) -> Result<(String, u64), Error> {
    let got = store.get_opts(path, GetOptions { range: Some(range), ..GetOptions::default() }).await?;
    let size = got.meta.size;
    Ok((String::from_utf8(got.bytes().await?.to_vec()).unwrap(), size))
}

#[tokio::test]
async fn what_was_put_is_there_at_once_and_gone_when_deleted() {
    let Some(bucket) = bucket().await else { return };
    let store = bucket.store();
    let path = short(&store).await;
    let head = store.head(&path).await.unwrap();
    assert_eq!((head.location, head.size), (path.clone(), 10));
    let got = store.get(&path).await.unwrap();
    assert_eq!((got.meta.size, got.meta.e_tag.clone()), (10, head.e_tag));
    assert_eq!(&got.bytes().await.unwrap()[..], b"0123456789");

    let empty = Path::from("empty");
    store.put(&empty, PutPayload::new()).await.unwrap();
    assert_eq!(store.head(&empty).await.unwrap().size, 0);
    assert!(store.get(&empty).await.unwrap().bytes().await.unwrap().is_empty());

    store.delete(&path).await.unwrap();
    assert!(matches!(store.get(&path).await, Err(Error::NotFound { .. })));
    assert!(matches!(store.head(&path).await, Err(Error::NotFound { .. })));
    store.delete(&path).await.expect("what is not there can be deleted");
}

#[tokio::test]
async fn a_range_is_what_the_rfc_says() {
    let Some(bucket) = bucket().await else { return };
    let store = bucket.store();
    let path = short(&store).await;
    let cases = [
        (GetRange::Bounded(0..1), "0"),
        (GetRange::Bounded(2..5), "234"),
        (GetRange::Bounded(9..10), "9"),
        (GetRange::Bounded(7..5000), "789"),
        (GetRange::Offset(8), "89"),
        (GetRange::Suffix(3), "789"),
        (GetRange::Suffix(10), "0123456789"),
        (GetRange::Suffix(5000), "0123456789"),
    ];
    for (range, expected) in cases {
        let got = part_of(&store, &path, range.clone()).await;
        assert_eq!(got.unwrap(), (expected.to_owned(), 10), "{range}");
    }
    for range in [GetRange::Bounded(10..11), GetRange::Offset(10), GetRange::Offset(5000)] {
        let refused = part_of(&store, &path, range.clone()).await.unwrap_err();
        assert!(format!("{refused:?}").contains("416"), "{range}: {refused:?}");
    }
}

#[tokio::test]
async fn if_match_is_heeded_with_a_range_and_without() {
    let Some(bucket) = bucket().await else { return };
    let store = bucket.store();
    let path = short(&store).await;
    let tag = store.head(&path).await.unwrap().e_tag.unwrap();
    for range in [None, Some(GetRange::Bounded(2..5))] {
        let asked = |tag: &str| GetOptions {
            if_match: Some(tag.to_owned()),
            range: range.clone(),
            ..GetOptions::default()
        };
        let got = store.get_opts(&path, asked(&tag)).await.unwrap().bytes().await.unwrap();
        assert_eq!(&got[..], if range.is_some() { b"234".as_slice() } else { b"0123456789" });
        let refused = store.get_opts(&path, asked("\"another\"")).await;
        assert!(matches!(refused, Err(Error::Precondition { .. })), "{range:?}: {refused:?}");
        let none_match = GetOptions { if_match: None, if_none_match: Some(tag.clone()), ..asked("") };
        let unchanged = store.get_opts(&path, none_match).await;
        assert!(matches!(unchanged, Err(Error::NotModified { .. })), "{range:?}: {unchanged:?}");
    }
    // Another object at the same key is another entity.
    store.put(&path, PutPayload::from_static(b"9876543210")).await.unwrap();
    let stale = GetOptions { if_match: Some(tag), ..GetOptions::default() };
    assert!(matches!(store.get_opts(&path, stale).await, Err(Error::Precondition { .. })));
}

#[tokio::test]
async fn what_is_put_where_something_is_may_be_refused() {
    let Some(bucket) = bucket().await else { return };
    let store = bucket.store();
    let path = Path::from("once");
    let once = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    store.put_opts(&path, PutPayload::from_static(b"first"), once()).await.unwrap();
    let refused = store.put_opts(&path, PutPayload::from_static(b"second"), once()).await;
    assert!(matches!(refused, Err(Error::AlreadyExists { .. })), "{refused:?}");
    assert_eq!(&store.get(&path).await.unwrap().bytes().await.unwrap()[..], b"first");
}

#[tokio::test]
async fn an_upload_in_parts_is_there_whole_when_it_is_completed_and_not_before() {
    let Some(bucket) = bucket().await else { return };
    let store = bucket.store();
    let (path, whole) = (Path::from("films/long"), bytes(2 * PART + 12_345));
    let mut upload = store.put_multipart(&path).await.unwrap();
    for part in whole.chunks(PART) {
        upload.put_part(part.to_vec().into()).await.unwrap();
    }
    assert!(matches!(store.head(&path).await, Err(Error::NotFound { .. })), "it is not there yet");
    assert!(names(&store, None).await.is_empty(), "nor is it listed");
    upload.complete().await.unwrap();

    assert_eq!(store.head(&path).await.unwrap().size, whole.len() as u64);
    assert!(store.get(&path).await.unwrap().bytes().await.unwrap() == whole);
    let (from, to) = (PART - 7, PART + 9);
    let seam = store.get_range(&path, from as u64..to as u64).await.unwrap();
    assert!(seam == whole[from..to], "a range over the seam of two parts");
    // Streamed, with what has not been taken yet waiting at the server.
    let got = store.get(&path).await.unwrap().into_stream();
    let taken = got.try_fold(0, async |sum, piece| Ok(sum + piece.len())).await.unwrap();
    assert_eq!(taken, whole.len());
}

#[tokio::test]
async fn parts_are_sent_again_out_of_order_and_by_another_process() {
    let Some(bucket) = bucket().await else { return };
    let (path, whole) = (Path::from("films/resumed"), bytes(2 * PART + 1));
    let id = bucket.store().create_multipart(&path).await.unwrap();
    let store = bucket.store();
    let part = |n: usize| PutPayload::from(whole.chunks(PART).nth(n).unwrap().to_vec());
    let last = store.put_part(&path, &id, 2, part(2)).await.unwrap();
    store.put_part(&path, &id, 0, part(1)).await.expect("the wrong bytes");
    let second = store.put_part(&path, &id, 1, part(1)).await.unwrap();
    let first = store.put_part(&path, &id, 0, part(0)).await.expect("and the right ones over them");
    store.complete_multipart(&path, &id, vec![first, second, last]).await.unwrap();
    assert!(store.get(&path).await.unwrap().bytes().await.unwrap() == whole);
}

#[tokio::test]
async fn an_upload_that_is_aborted_leaves_nothing_and_takes_no_more() {
    let Some(bucket) = bucket().await else { return };
    let store = bucket.store();
    let path = Path::from("films/aborted");
    let id = store.create_multipart(&path).await.unwrap();
    let part: PartId = store.put_part(&path, &id, 0, bytes(PART).into()).await.unwrap();
    store.abort_multipart(&path, &id).await.unwrap();
    assert!(store.put_part(&path, &id, 1, bytes(1).into()).await.is_err(), "a part");
    assert!(store.complete_multipart(&path, &id, vec![part]).await.is_err(), "the end");
    assert!(matches!(store.get(&path).await, Err(Error::NotFound { .. })));
    assert!(names(&store, None).await.is_empty());
    // Whoever is not sure that it was aborted aborts it again.
    let again = store.abort_multipart(&path, &id).await;
    assert!(matches!(again, Ok(()) | Err(Error::NotFound { .. })), "{again:?}");
}

async fn names(store: &AmazonS3, prefix: Option<&str>) -> Vec<String> {
    let listed = store.list(prefix.map(Path::from).as_ref()).try_collect::<Vec<_>>().await.unwrap();
    listed.into_iter().map(|object| object.location.to_string()).collect()
}

#[tokio::test]
async fn a_list_is_in_order_from_where_it_is_asked() {
    let Some(bucket) = bucket().await else { return };
    let store = bucket.store();
    for name in ["films/c", "films/a", "posters/a", "films/b", "films/d"] {
        store.put(&Path::from(name), PutPayload::from_static(b"x")).await.unwrap();
    }
    assert_eq!(names(&store, Some("films")).await, ["films/a", "films/b", "films/c", "films/d"]);
    assert_eq!(names(&store, Some("posters")).await, ["posters/a"]);
    assert!(names(&store, Some("none")).await.is_empty());
    for offset in ["films/b", "films/bb"] {
        let after = store.list_with_offset(Some(&Path::from("films")), &Path::from(offset));
        let after: Vec<_> = after.map_ok(|object| object.location.to_string()).try_collect().await.unwrap();
        assert_eq!(after, ["films/c", "films/d"], "after {offset}");
    }
}

#[tokio::test]
async fn a_list_of_more_than_a_page_is_whole() {
    let Some(bucket) = bucket().await else { return };
    let store = bucket.store();
    let mut expected: Vec<_> = (0..1_005).map(|n| format!("many/{n:04}")).collect();
    for some in expected.chunks(50) {
        let puts = some.iter().map(|name| {
            let (store, path) = (&store, Path::from(name.as_str()));
            async move { store.put(&path, PutPayload::from_static(b"x")).await }
        });
        futures_util::future::try_join_all(puts).await.unwrap();
    }
    assert_eq!(names(&store, Some("many")).await, expected);
    let after = store.list_with_offset(Some(&Path::from("many")), &Path::from("many/0002"));
    let after: Vec<_> = after.map_ok(|object| object.location.to_string()).try_collect().await.unwrap();
    assert_eq!(after, expected.split_off(3));
}

fn with(bucket: &Bucket, key: &str, secret: &str) -> AmazonS3 {
    let builder = AmazonS3Builder::new().with_endpoint(bucket.endpoint()).with_bucket_name(bucket.name());
    let builder = builder.with_region("us-east-1").with_allow_http(true);
    builder.with_access_key_id(key).with_secret_access_key(secret).build().unwrap()
}

#[tokio::test]
async fn only_who_has_the_keys_is_let_in() {
    let Some(bucket) = bucket().await else { return };
    let path = short(&bucket.store()).await;
    let right = with(&bucket, bucket.access_key(), bucket.secret_key());
    right.get(&path).await.expect("with the right secret");
    for (key, secret) in [(bucket.access_key(), "wrong"), ("nobody", bucket.secret_key())] {
        let store = with(&bucket, key, secret);
        let refused = store.get(&path).await;
        assert!(matches!(refused, Err(Error::PermissionDenied { .. })), "{refused:?}");
        assert!(store.put(&path, PutPayload::from_static(b"x")).await.is_err());
        assert!(store.delete(&path).await.is_err());
        assert!(store.list(None).try_next().await.is_err());
    }
    let nobody = reqwest::get(format!("{}/{}/short", bucket.endpoint(), bucket.name())).await.unwrap();
    assert_eq!(nobody.status(), 403, "without keys");
    assert_eq!(right.head(&path).await.unwrap().size, 10, "nothing has changed");

    let link = right.signed_url(reqwest::Method::GET, &path, Duration::from_mins(1)).await.unwrap();
    assert_eq!(reqwest::get(link.clone()).await.unwrap().text().await.unwrap(), "0123456789");
    let forged = link.as_str().replace("X-Amz-Expires=60", "X-Amz-Expires=6000");
    assert_ne!(forged, link.as_str());
    assert_eq!(reqwest::get(forged).await.unwrap().status(), 403, "a link made to last");
}
