//! An S3 server that tests stand on, spoken to by the client that storage uses.

use std::path::PathBuf;
use std::time::Duration;

use engines::S3;
use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, PutPayload};
use tokio::time::timeout;

use crate::MOMENT;

#[tokio::test]
async fn it_pauses_dies_and_comes_back_with_what_it_acknowledged() {
    let Some(mut server) = S3::start().await else { return };
    let endpoint = server.endpoint().to_owned();
    let (bucket, late) = (server.bucket("kept").await, server.bucket("late").await);
    let (film, store) = (Path::from("films/short.mp4"), bucket.store());
    let bytes: Vec<u8> = (0..9_000_000_u32).map(|n| (n % 251) as u8).collect();
    store.put(&film, PutPayload::from(bytes.clone())).await.unwrap();

    server.pause();
    assert!(timeout(MOMENT, store.head(&film)).await.is_err(), "nobody gets an answer");
    let dropped = tokio::task::spawn_blocking(|| drop(late));
    timeout(Duration::from_secs(5), dropped).await.expect("nor waits for it to remove a bucket").unwrap();
    server.resume();
    assert_eq!(store.head(&film).await.unwrap().size, 9_000_000);

    server.kill().await;
    assert!(store.head(&film).await.is_err(), "it is dead");
    server.restart().await;
    assert_eq!(server.endpoint(), endpoint);
    assert!(store.get(&film).await.unwrap().bytes().await.unwrap() == bytes);

    let sockets = sockets(&server);
    assert!(!sockets.is_empty() && sockets.iter().all(|socket| socket.exists()), "{sockets:?}");
    drop(server);
    assert!(!sockets.iter().any(|socket| socket.exists()), "{sockets:?}");
}

/// What it says that it has put into other places than its own.
fn sockets(server: &S3) -> Vec<PathBuf> {
    let log = server.log();
    let said = log.lines().filter_map(|line| line.split_once("gRPC also listening on Unix socket "));
    said.map(|(_, socket)| PathBuf::from(socket)).collect()
}

#[tokio::test]
async fn a_bucket_is_empty_and_goes_with_what_is_in_it() {
    let Some(server) = S3::shared().await else { return };
    let (one, other) = (server.bucket("twice").await, server.bucket("twice").await);
    assert_ne!(one.name(), other.name());
    let film = Path::from("films/short.mp4");
    one.store().put(&film, PutPayload::from_static(b"x")).await.unwrap();
    assert_eq!(other.store().list(None).try_next().await.unwrap(), None);
    assert!(matches!(other.store().head(&film).await, Err(Error::NotFound { .. })));

    let store = one.store();
    drop(one);
    assert!(store.list(None).try_next().await.is_err(), "there is no such bucket");
    let put = store.put(&film, PutPayload::from_static(b"x")).await;
    assert!(matches!(put, Err(Error::NotFound { .. })), "it is not made by putting into it: {put:?}");
}
