//! A SQLite file that another process keeps locked: whoever waits for it is told in bounded time, all of them at once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use db::Db;
use futures_util::future::join_all;
use kernel::{Clock, Kind};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_for_a_locked_file_do_not_wait_one_after_the_other() {
    let home = TempDir::new().unwrap();
    let open = || Db::open_sqlite(&home.path().join("test.db"), "test", Clock::system()).unwrap();
    let (db, other) = (open(), open());
    let ((begin, begun), (end, ended)) = (mpsc::channel(), mpsc::channel::<()>());
    // With a connection of its own, as from another process.
    let locking = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let lock = other.write(|_| {
            begin.send(()).unwrap();
            let _ = ended.recv();
            async { Ok(()) }
        });
        runtime.block_on(lock).unwrap();
    });
    begun.recv().unwrap();
    let write = || {
        let db = db.clone();
        tokio::spawn(async move { db.write(|_| async { Ok(()) }).await })
    };
    let started = Instant::now();
    for answer in join_all((0..20).map(|_| write())).await {
        assert_eq!(answer.unwrap().unwrap_err().kind, Kind::Unavailable);
    }
    // One waits for five seconds. Some may have come just after it gave up, and waited for as long.
    assert!(started.elapsed() < Duration::from_secs(11), "{:?}", started.elapsed());
    drop(end);
    locking.join().unwrap();
    write().await.unwrap().unwrap();
}
