//! Full disks and failed commits, made for real: nobody is told that something lasts which does not.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use kernel::{Clock, Kind};
use tempfile::TempDir;

use crate::{Db, Engine, Migration};

const TABLE: Migration =
    Migration { name: "0001_things", sql: "CREATE TABLE things (id BIGINT PRIMARY KEY, body TEXT NOT NULL)" };

async fn database() -> (TempDir, Db) {
    let dir = TempDir::new().unwrap();
    let db = Db::open_sqlite(&dir.path().join("test.db"), "test", Clock::system()).unwrap();
    db.migrate(&[TABLE]).await.unwrap();
    (dir, db)
}

/// Runs `count` concurrent inserts of `size` bytes; answers the ids that were acknowledged.
async fn crowd(db: &Db, count: i64, size: usize) -> BTreeSet<i64> {
    let body = "x".repeat(size);
    let jobs: Vec<_> = (0..count)
        .map(|id| {
            let (db, body) = (db.clone(), body.clone());
            tokio::spawn(async move {
                let body = &body;
                let done = db
                    .write(|tx| async move {
                        tx.execute("INSERT INTO things (id, body) VALUES ($1, $2)", &[&id, body]).await
                    })
                    .await;
                done.map(|_| id).map_err(|e| assert_eq!(e.kind, Kind::Unavailable, "{e:?}"))
            })
        })
        .collect();
    let mut acknowledged = BTreeSet::new();
    for job in jobs {
        acknowledged.extend(job.await.unwrap());
    }
    acknowledged
}

/// What a process that starts afterwards finds.
async fn found(dir: &TempDir) -> BTreeSet<i64> {
    let again = Db::open_sqlite(&dir.path().join("test.db"), "test", Clock::system()).unwrap();
    let rows: Vec<(i64,)> = again.all("SELECT id FROM things LIMIT 100000", &[]).await.unwrap();
    rows.into_iter().map(|(id,)| id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let (dir, db) = database().await;
    let Engine::Sqlite(sqlite) = &db.engine else { unreachable!() };
    sqlite.writer().await.connection.raw.execute_batch("PRAGMA max_page_count = 60").unwrap();
    let acknowledged = crowd(&db, 400, 1_000).await;
    assert!(acknowledged.len() > 10 && acknowledged.len() < 400, "{} fitted", acknowledged.len());
    assert_eq!(found(&dir).await, acknowledged);

    sqlite.writer().await.connection.raw.execute_batch("PRAGMA max_page_count = 10000").unwrap();
    db.write(|tx| async move { tx.execute("INSERT INTO things (id, body) VALUES (9999, '')", &[]).await })
        .await
        .expect("the database works again once there is room");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_commit_acknowledges_nobody() {
    static FAIL: AtomicBool = AtomicBool::new(true);
    let (dir, db) = database().await;
    let Engine::Sqlite(sqlite) = &db.engine else { unreachable!() };
    // SQLite turns this COMMIT into a ROLLBACK and answers with an error, as it does when the disk fails.
    sqlite.writer().await.connection.raw.commit_hook(Some(|| FAIL.load(Ordering::SeqCst))).unwrap();
    assert_eq!(crowd(&db, 50, 10).await, BTreeSet::new());
    assert_eq!(found(&dir).await, BTreeSet::new());

    FAIL.store(false, Ordering::SeqCst);
    assert_eq!(crowd(&db, 50, 10).await.len(), 50);
    assert_eq!(found(&dir).await.len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_ends_under_its_group_fails_the_whole_group() {
    let (dir, db) = database().await;
    let Engine::Sqlite(sqlite) = &db.engine else { unreachable!() };
    // Hold the lock so that the jobs below queue up and share one group.
    let held = sqlite.writer().await;
    let insert = |id: i64| {
        let db = db.clone();
        tokio::spawn(async move {
            db.write(
                |tx| async move { tx.execute("INSERT INTO things (id, body) VALUES ($1, '')", &[&id]).await },
            )
            .await
        })
    };
    let first = insert(1);
    while first_in_line(&db) < 1 {
        tokio::task::yield_now().await;
    }
    let saboteur = {
        let db = db.clone();
        // What SQLITE_FULL and SQLITE_IOERR may do by themselves; the job does not even notice.
        tokio::spawn(async move {
            db.write(|tx| async move { tx.execute("ROLLBACK", &[]).await.map(drop) }).await
        })
    };
    drop(held);
    let saboteur = saboteur.await.unwrap();
    assert_eq!(saboteur.unwrap_err().kind, Kind::Unavailable);
    let first = first.await.unwrap();
    assert_eq!(found(&dir).await.contains(&1), first.is_ok());
    insert(2).await.unwrap().expect("the next group is not affected");
}

/// Tasks alive beyond the test's own: the job that queues for the lock.
fn first_in_line(_: &Db) -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn awaiting_anything_but_the_transaction_is_an_error_and_rolls_back() {
    let (dir, db) = database().await;
    let error = db
        .write(|tx| async move {
            tx.execute("INSERT INTO things (id, body) VALUES (1, '')", &[]).await?;
            tokio::task::yield_now().await;
            Ok(())
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Internal);
    assert!(found(&dir).await.is_empty());
}

#[tokio::test]
async fn a_handle_is_dead_once_its_closure_has_ended() {
    let (_dir, db) = database().await;
    let kept = db.write(|tx| async move { Ok(tx) }).await.unwrap();
    assert_eq!(kept.execute("DELETE FROM things", &[]).await.unwrap_err().kind, Kind::Internal);
}

#[tokio::test]
async fn an_error_undoes_its_own_job_only_and_calls_nothing() {
    static CALLED: AtomicBool = AtomicBool::new(false);
    let (dir, db) = database().await;
    let (kept, undone) = tokio::join!(
        db.write(|tx| async move { tx.execute("INSERT INTO things (id, body) VALUES (1, '')", &[]).await }),
        db.write(|tx| async move {
            tx.execute("INSERT INTO things (id, body) VALUES (2, '')", &[]).await?;
            tx.after_commit(|| CALLED.store(true, Ordering::SeqCst));
            Err::<(), _>(kernel::Error::conflict("no"))
        }),
    );
    kept.unwrap();
    assert_eq!(undone.unwrap_err().kind, Kind::Conflict);
    assert_eq!(found(&dir).await, BTreeSet::from([1]));
    assert!(!CALLED.load(Ordering::SeqCst));
}

/// What is in a log has to be read at the next start, and a copy of the file alone would lack it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_database_is_one_file() {
    let (dir, db) = database().await;
    let acknowledged = crowd(&db, 100, 1_000).await;
    let log = dir.path().join("test.db-wal");
    assert!(log.exists());
    drop(db);
    assert!(!log.exists(), "whoever drops the last clone closes it, on the spot");
    assert_eq!(found(&dir).await, acknowledged);
}
