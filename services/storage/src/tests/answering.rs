//! Answering: ranges and preconditions, on any store, and what becomes of an answer when the store has lost something. All
//! that RFC 9110 has to say about it is in the table of `objects::cases`.

use std::time::Duration;

use axum::http::Method;
use kernel::Kind;

use super::{House, ask, noise, on_all};

on_all!(ranges_and_preconditions_are_answered, what_is_lost_is_an_error);

async fn ranges_and_preconditions_are_answered(house: House) {
    let (id, stored) = house.stored(b"0123456789").await;
    let tag = format!("\"{}\"", stored.sha256);
    for (asked, status, body) in [
        (vec![("range", "bytes=0-0")], 206, "0"),
        (vec![("range", "bytes=7-99")], 206, "789"),
        (vec![("range", "bytes=-3")], 206, "789"),
        (vec![("range", "bytes=10-")], 416, ""),
        (vec![("range", "bites=1-2")], 200, "0123456789"),
        (vec![("range", "bytes=1-2"), ("if-range", &tag)], 206, "12"),
        (vec![("range", "bytes=1-2"), ("if-range", "\"other\"")], 200, "0123456789"),
        (vec![("if-none-match", &tag)], 304, ""),
        (vec![("if-match", "\"other\"")], 412, ""),
    ] {
        let answer = house.ask(id, Method::GET, &asked).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{asked:?}");
        // What is said of a failure is not ours.
        if status < 400 {
            assert_eq!(answer.body.unwrap(), body, "{asked:?}");
        }
    }
    let (long, _) = house.stored(&b"0123456789".repeat(1000)).await;
    let both = house.ask(long, Method::GET, &[("range", "bytes=0-1,9998-9999")]).await.unwrap();
    assert!(both.header("content-type").starts_with("multipart/byteranges"));
    let text = String::from_utf8(both.body.unwrap().to_vec()).unwrap();
    assert!(
        text.contains("0-1/10000\r\n\r\n01\r\n") && text.contains("9998-9999/10000\r\n\r\n89\r\n"),
        "{text}"
    );
    let head = house.ask(id, Method::HEAD, &[]).await.unwrap();
    assert_eq!(head.body.as_ref().unwrap().len(), 0);
    assert_eq!((head.header("content-length"), head.header("etag")), ("10", &*tag));
    assert_eq!(head.header("accept-ranges"), "bytes");
}

async fn what_is_lost_is_an_error(house: House) {
    let bytes = noise(3 * 1024 * 1024);
    let (shorter, _) = house.stored(&bytes).await;
    let (lost, _) = house.stored(&bytes).await;
    house.store.remove(lost).await.unwrap();
    match &house.bucket {
        None => {
            let name = shorter.to_string();
            let shelf = house.store.directory().unwrap().join("objects").join(&name[name.len() - 2..]);
            let file = std::fs::OpenOptions::new().write(true).open(shelf.join(&name)).unwrap();
            file.set_len(1024 * 1024 + 5).unwrap();
        }
        Some(bucket) => {
            use object_store::ObjectStoreExt as _;
            let key = object_store::path::Path::from(format!("marquee/objects/{shorter}"));
            bucket.store().put(&key, bytes[..1024].to_vec().into()).await.unwrap();
        }
    }
    // A half that looks like a whole would be worse than none.
    let restarted = house.restarted();
    for (id, objects) in [(shorter, &*house.objects), (shorter, &restarted), (lost, &restarted)] {
        let told = ask(objects, id, Method::GET, &[]).await.map(|answer| answer.body);
        assert!(!matches!(told, Ok(Ok(_))), "{told:?}");
    }
    let (other, _) = house.stored(b"others are there").await;
    assert_eq!(house.bytes(other).await, "others are there");
    // Where another copy let it go, it is remembered for a while and then not.
    let (gone, _) = house.stored(b"gone").await;
    house.bytes(gone).await;
    house.restarted().0.store.remove(gone).await.unwrap();
    crate::store::remove(&house.db, gone).await.unwrap();
    house.clock.advance(Duration::from_secs(60));
    let told = ask(&house.restarted(), gone, Method::GET, &[]).await.map(drop);
    assert_eq!(told.unwrap_err().kind, Kind::NotFound);
}
