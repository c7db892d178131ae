//! What is PostgreSQL's own: transactions side by side, and a server that goes away.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use contracts::{Event, SessionState};
use db::{Db, LEASE, Limits, Migration};
use engines::{Database, Postgres};
use kernel::{Clock, Error, Kind, SessionId, UserId};
use tokio::sync::{Barrier, Notify};

const STOCK: Migration =
    Migration { name: "0001_stock", sql: "CREATE TABLE stock (id TEXT PRIMARY KEY, taken BIGINT NOT NULL)" };
const ADD: &str = "UPDATE stock SET taken = taken + 1 WHERE id = $1";
const TAKEN: &str = "SELECT taken FROM stock WHERE id = $1";
const DEADLINE: Duration = Duration::from_secs(20);

fn open(database: &Database) -> Db {
    Db::open_postgres(database.url(), "test", Clock::system(), Limits::default()).unwrap()
}

async fn database() -> Option<(Database, Db)> {
    let database = Postgres::shared().await?.database().await;
    let db = open(&database);
    fill(&db).await;
    Some((database, db))
}

async fn fill(db: &Db) {
    db.migrate(&[STOCK]).await.unwrap();
    for id in ["a", "b"] {
        db.write(|tx| async move { tx.execute("INSERT INTO stock VALUES ($1, 0)", &[&id]).await })
            .await
            .unwrap();
    }
}

async fn taken(db: &Db, id: &str) -> i64 {
    db.one::<(i64,)>(TAKEN, &[&id]).await.unwrap().0
}

fn event() -> Event {
    let clock = Clock::system();
    let (id, user_id) = (SessionId::new(&clock), UserId::new(&clock));
    Event::SessionRevoked(SessionState { id, user_id, expires_at: clock.now() })
}

/// A transaction that takes its place in the outbox, says so, and commits when it may.
fn emit_slowly(
    db: &Db,
    event: &Event,
    emitted: &Arc<Notify>,
    go_on: &Arc<Notify>,
) -> tokio::task::JoinHandle<kernel::Result<()>> {
    let (db, event, emitted, go_on) = (db.clone(), event.clone(), emitted.clone(), go_on.clone());
    tokio::spawn(async move {
        db.write(|tx| {
            let (event, emitted, go_on) = (event.clone(), emitted.clone(), go_on.clone());
            async move {
                tx.emit(&event).await?;
                emitted.notify_one();
                go_on.notified().await;
                Ok(())
            }
        })
        .await
    })
}

async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !look().await {
        assert!(started.elapsed() < DEADLINE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_commits_late_is_not_skipped() {
    let Some((_database, db)) = database().await else { return };
    let (emitted, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (early, late) = (event(), event());
    let slow = emit_slowly(&db, &early, &emitted, &go_on);
    emitted.notified().await;
    let event = &late;
    db.write(|tx| async move { tx.emit(event).await }).await.unwrap();
    let mut feed = db.feed("relay").await.unwrap().unwrap();
    let seen: Vec<String> = feed.next(10).await.unwrap().into_iter().map(|r| r.aggregate).collect();
    assert_eq!(seen, [late.aggregate()]);
    feed.note("").await.unwrap();
    assert!(feed.next(10).await.unwrap().is_empty());
    go_on.notify_one();
    slow.await.unwrap().unwrap();
    let seen: Vec<String> = feed.next(10).await.unwrap().into_iter().map(|r| r.aggregate).collect();
    assert_eq!(seen, [early.aggregate()], "it took its place first and committed last");
    assert_eq!(db.outbox_lag().await.unwrap().0, 2, "nothing above the gap was noted as done");
    feed.note("").await.unwrap();
    assert_eq!(db.outbox_lag().await.unwrap().0, 0);
}

/// The same, where the one that is late has the higher number of the two: a snapshot does not speak of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_is_one_of_a_transaction_that_began_later() {
    let Some((_database, db)) = database().await else { return };
    let (begun, emitted, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (early, late) = (event(), event());
    let first = {
        let (db, begun, go_on, late) = (db.clone(), begun.clone(), emitted.clone(), late.clone());
        tokio::spawn(async move {
            db.write(|tx| {
                let (begun, go_on, late) = (begun.clone(), go_on.clone(), late.clone());
                async move {
                    tx.execute(ADD, &[&"a"]).await?;
                    begun.notify_one();
                    go_on.notified().await;
                    tx.emit(&late).await
                }
            })
            .await
        })
    };
    begun.notified().await;
    let second = emit_slowly(&db, &early, &emitted, &go_on);
    first.await.unwrap().unwrap();
    let mut feed = db.feed("relay").await.unwrap().unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.extend(feed.next(10).await.unwrap().into_iter().map(|r| r.aggregate));
    }
    assert_eq!(seen, [late.aggregate()]);
    go_on.notify_one();
    second.await.unwrap().unwrap();
    let seen: Vec<String> = feed.next(10).await.unwrap().into_iter().map(|r| r.aggregate).collect();
    assert_eq!(seen, [early.aggregate()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_stays_empty_holds_nothing_up() {
    let Some((_database, db)) = database().await else { return };
    let undone = db
        .write(|tx| async move {
            tx.emit(&event()).await?;
            Err::<(), _>(Error::conflict("no"))
        })
        .await;
    assert_eq!(undone.unwrap_err().kind, Kind::Conflict);
    db.write(|tx| async move { tx.emit(&event()).await }).await.unwrap();
    let mut feed = db.feed("relay").await.unwrap().unwrap();
    assert_eq!(feed.next(10).await.unwrap().len(), 1);
    eventually("the gap is forgotten", async || {
        assert!(feed.next(10).await.unwrap().is_empty());
        feed.note("").await.unwrap();
        db.outbox_lag().await.unwrap().0 == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_of_writers_and_a_feed_give_every_event_once() {
    let Some((_database, db)) = database().await else { return };
    const EACH: usize = 40;
    let writers: Vec<_> = (0..6)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    let done = db
                        .write(|tx| async move {
                            for _ in 0..3 {
                                tx.emit(&event()).await?;
                            }
                            if n % 5 == 0 { Err(Error::conflict("no")) } else { Ok(()) }
                        })
                        .await;
                    assert!(done.is_ok() || n % 5 == 0, "{done:?}");
                }
            })
        })
        .collect();
    let wanted = 6 * 3 * (EACH - EACH / 5);
    let mut feed = db.feed("relay").await.unwrap().unwrap();
    let mut seen = std::collections::HashSet::new();
    eventually("all events", async || {
        for row in feed.next(64).await.unwrap() {
            assert!(seen.insert(row.id), "given out twice");
        }
        feed.note("").await.unwrap();
        seen.len() == wanted
    })
    .await;
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_run_again() {
    let Some((_database, db)) = database().await else { return };
    let meet = Arc::new(Barrier::new(2));
    let runs = Arc::new(AtomicUsize::new(0));
    let crossing = |first: &'static str, second: &'static str| {
        let (db, meet, runs) = (db.clone(), meet.clone(), runs.clone());
        tokio::spawn(async move {
            let met = AtomicBool::new(false);
            db.write(|tx| {
                let (meet, runs, met) = (&meet, &runs, &met);
                async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    tx.execute(ADD, &[&first]).await?;
                    if !met.swap(true, Ordering::SeqCst) {
                        meet.wait().await;
                    }
                    tx.execute(ADD, &[&second]).await
                }
            })
            .await
        })
    };
    let (one, two) = (crossing("a", "b"), crossing("b", "a"));
    one.await.unwrap().unwrap();
    two.await.unwrap().unwrap();
    assert_eq!((taken(&db, "a").await, taken(&db, "b").await), (2, 2));
    assert_eq!(runs.load(Ordering::SeqCst), 3, "one of the two was run twice");
}

#[tokio::test]
async fn an_error_that_a_closure_swallows_is_not_committed_over() {
    let Some((_database, db)) = database().await else { return };
    let done = db
        .write(|tx| async move {
            tx.execute(ADD, &[&"a"]).await?;
            let _ = tx.execute("INSERT INTO stock VALUES ('a', 0)", &[]).await;
            Ok(())
        })
        .await;
    assert_eq!(done.unwrap_err().kind, Kind::Internal);
    assert_eq!(taken(&db, "a").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_away_leaves_no_transaction_behind() {
    let Some((_database, db)) = database().await else { return };
    for _ in 0..20 {
        let begun = Notify::new();
        let abandoned = db.write(|tx| {
            let begun = &begun;
            async move {
                tx.execute(ADD, &[&"a"]).await?;
                begun.notify_one();
                std::future::pending::<kernel::Result<()>>().await
            }
        });
        tokio::select! {
            _ = abandoned => unreachable!(),
            () = begun.notified() => {}
        }
    }
    // The row is not locked, and no connection is missing.
    db.write(|tx| async move { tx.execute(ADD, &[&"a"]).await }).await.unwrap();
    assert_eq!(taken(&db, "a").await, 1);
}

/// Whoever gives up on a slow read takes its connection along: the next one does not wait behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_goes_away_holds_nobody_up() {
    let Some((database, _)) = database().await else { return };
    let limits = Limits { connections: 1, ..Limits::default() };
    let db = Db::open_postgres(database.url(), "test", Clock::system(), limits).unwrap();
    assert_eq!(taken(&db, "a").await, 0);
    let slow = db.all::<(i64,)>("SELECT taken FROM stock, pg_sleep(2.5) WHERE id = $1", &[&"a"]);
    assert!(tokio::time::timeout(Duration::from_millis(50), slow).await.is_err());
    let begun = Instant::now();
    assert_eq!(taken(&db, "a").await, 0);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_are_joined_travel_together_and_in_order() {
    let Some((_database, db)) = database().await else { return };
    let rows: Vec<i64> = db
        .write(|tx| async move {
            let add = "UPDATE stock SET taken = taken + 1 WHERE id = $1 RETURNING taken";
            let jobs = (0..50).map(|_| tx.one::<(i64,)>(add, &[&"a"]));
            let rows = futures_util::future::try_join_all(jobs).await?;
            Ok(rows.into_iter().map(|(taken,)| taken).collect())
        })
        .await
        .unwrap();
    assert_eq!(rows, (1..=50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_ends_by_the_servers_clock() {
    let Some((_database, db)) = database().await else { return };
    db.claim("a", "work").await.unwrap().expect("it is free");
    assert!(db.claim("b", "work").await.unwrap().is_none());
    let started = Instant::now();
    eventually("the lease ends", async || db.claim("b", "work").await.unwrap().is_some()).await;
    assert!(started.elapsed() >= LEASE - Duration::from_millis(100));
    assert!(!db.write(|tx| async move { tx.advance("a", "work", 0, 1, "").await }).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_or_restarts_is_a_503_in_bounded_time_and_comes_back() {
    let Some(mut server) = Postgres::start().await else { return };
    let home = server.database().await;
    let db = open(&home);
    fill(&db).await;

    server.pause();
    let started = Instant::now();
    let (write, read) = tokio::join!(
        db.write(|tx| async move { tx.execute(ADD, &[&"a"]).await }),
        db.optional::<(i64,)>(TAKEN, &[&"a"])
    );
    assert_eq!(write.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(read.unwrap_err().kind, Kind::Unavailable);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    server.resume();
    db.write(|tx| async move { tx.execute(ADD, &[&"b"]).await }).await.expect("it goes on");

    server.restart().await;
    let before = taken(&db, "b").await;
    db.write(|tx| async move { tx.execute(ADD, &[&"b"]).await })
        .await
        .expect("a broken connection is replaced");
    assert_eq!(taken(&db, "b").await, before + 1);

    server.stop().await;
    let started = Instant::now();
    assert_eq!(
        db.write(|tx| async move { tx.execute(ADD, &[&"a"]).await }).await.unwrap_err().kind,
        Kind::Unavailable
    );
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}
