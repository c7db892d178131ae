//! What one process remembers.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cache::{Cache, Guard, Policy, Read, Source};
use common::{BOUND, Database, Name, ROW, Rows, ask, asking, rows, text};
use futures_util::future::join_all;
use kernel::Error;
use tokio::time::Instant;

fn local() -> Rows {
    rows(100, Guard::Compare, None)
}

#[tokio::test]
async fn what_was_read_is_remembered_and_says_so() {
    let (db, rows) = (Database::new(), local());
    assert!(rows.peek(&ROW, 0).is_none());
    let first = ask(&rows, &db, 0).await;
    let second = ask(&rows, &db, 0).await;
    assert_eq!((first.source, second.source), (Source::Database, Source::Process));
    assert_eq!((text(&first), text(&second), second.stamp), (Some("one"), Some("one"), 1));
    assert_eq!(db.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_older_than_promised() {
    let (db, rows) = (Database::new(), local());
    ask(&rows, &db, 0).await;
    let mut oldest = Duration::ZERO;
    for _ in 0..200 {
        tokio::time::advance(Duration::from_millis(100)).await;
        oldest = oldest.max(ask(&rows, &db, 0).await.age());
    }
    assert!(oldest <= BOUND && oldest > BOUND / 2, "{oldest:?}");
    assert!((2..=4).contains(&db.reads()), "{}", db.reads());
}

#[tokio::test(start_paused = true)]
async fn that_a_row_is_absent_is_remembered_briefly_and_forgotten_by_the_write_that_makes_it() {
    let (db, rows) = (Database::new(), local());
    db.write(None);
    for source in [Source::Database, Source::Process] {
        let found = ask(&rows, &db, 0).await;
        assert_eq!((text(&found), found.source), (None, source));
    }
    tokio::time::advance(BOUND / 4).await;
    assert_eq!(ask(&rows, &db, 0).await.source, Source::Database);
    let stamp = db.write(Some("two"));
    rows.wrote_here(&ROW, Some("two".to_owned()), stamp, Instant::now());
    let found = ask(&rows, &db, 0).await;
    assert_eq!((text(&found), found.source), (Some("two"), Source::Process));
}

/// A read that saw what was before the write ends after it.
async fn late_read(guard: Guard, write: impl Fn(&Rows, i64)) -> Option<String> {
    let (db, rows) = (Database::new(), rows(100, guard, None));
    db.hold_up();
    let slow = asking(&rows, &db);
    db.looked(1).await;
    let stamp = db.write(Some("two"));
    write(&rows, stamp);
    db.let_go();
    assert_eq!(text(&slow.await.unwrap()), Some("one"), "it had asked before");
    ask(&rows, &db, 0).await.value
}

#[tokio::test]
async fn a_read_from_before_a_write_never_replaces_it() {
    let wrote = |rows: &Rows, stamp| rows.wrote_here(&ROW, Some("two".to_owned()), stamp, Instant::now());
    assert_eq!(late_read(Guard::Compare, wrote).await.as_deref(), Some("two"));
    assert_eq!(late_read(Guard::Nothing, wrote).await.as_deref(), Some("one"), "the control");
}

#[tokio::test]
async fn nor_when_nothing_is_left_to_compare_it_with() {
    let forgot = |rows: &Rows, stamp| {
        futures_util::FutureExt::now_or_never(rows.forget(&[ROW], stamp)).unwrap();
    };
    assert_eq!(late_read(Guard::Compare, forgot).await.as_deref(), Some("two"));
    assert_eq!(late_read(Guard::Nothing, forgot).await.as_deref(), Some("one"), "the control");
}

#[tokio::test]
async fn who_asks_after_a_write_does_not_wait_for_a_read_from_before_it() {
    let (db, rows) = (Database::new(), local());
    db.hold_up();
    let slow = asking(&rows, &db);
    db.looked(1).await;
    rows.forget(&[ROW], db.write(Some("two"))).await;
    let next = asking(&rows, &db);
    db.looked(2).await;
    db.let_go();
    assert_eq!(text(&slow.await.unwrap()), Some("one"));
    assert_eq!(text(&next.await.unwrap()), Some("two"));
}

#[tokio::test]
async fn an_older_write_does_not_replace_a_later_one() {
    let (db, rows) = (Database::new(), local());
    rows.wrote_here(&ROW, Some("three".to_owned()), 3, Instant::now());
    rows.wrote_here(&ROW, Some("two".to_owned()), 2, Instant::now());
    rows.forget(&[ROW], 3).await;
    assert_eq!(text(&ask(&rows, &db, 0).await), Some("three"));
}

/// Whoever wrote stood still meanwhile: others have written since, and nothing is left that says so.
#[tokio::test(start_paused = true)]
async fn what_was_written_long_ago_is_no_news() {
    let (db, rows) = (Database::new(), local());
    let (stamp, written_at) = (db.write(Some("two")), Instant::now());
    let later = db.write(Some("three"));
    rows.forget(&[ROW], later).await;
    tokio::time::advance(BOUND * 2).await;
    rows.wrote_here(&ROW, Some("two".to_owned()), stamp, written_at);
    assert_eq!(text(&ask(&rows, &db, 0).await), Some("three"));
}

#[tokio::test]
async fn who_has_seen_a_change_is_told_nothing_from_before_it() {
    let (db, rows) = (Database::new(), local());
    ask(&rows, &db, 0).await;
    // Another process wrote, and nobody has said so here.
    let stamp = db.write(Some("two"));
    assert_eq!(text(&ask(&rows, &db, 0).await), Some("one"));
    assert_eq!(text(&ask(&rows, &db, stamp).await), Some("two"));
    assert_eq!(text(&ask(&rows, &db, 0).await), Some("two"), "and so learns everybody else");
    // A mark from a database that was since restored asks for what will never be: it is read, once.
    let before = db.reads();
    let found = ask(&rows, &db, 1_000).await;
    assert_eq!((text(&found), found.source, db.reads()), (Some("two"), Source::Database, before + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_ask_at_once_make_one_read() {
    let (db, rows) = (Database::new(), local());
    db.hold_up();
    let all: Vec<_> = (0..1_000).map(|_| asking(&rows, &db)).collect();
    db.looked(1).await;
    db.let_go();
    for found in join_all(all).await {
        assert_eq!(text(&found.unwrap()), Some("one"));
    }
    assert_eq!(db.reads(), 1);
}

#[tokio::test]
async fn who_waits_reads_when_who_asked_first_has_left() {
    let (db, rows) = (Database::new(), local());
    db.hold_up();
    let first = asking(&rows, &db);
    db.looked(1).await;
    let others: Vec<_> = (0..100).map(|_| asking(&rows, &db)).collect();
    tokio::task::yield_now().await;
    first.abort();
    db.looked(2).await;
    db.let_go();
    for other in join_all(others).await {
        assert_eq!(text(&other.unwrap()), Some("one"));
    }
    assert_eq!(db.reads(), 2, "one of them, for all");
}

#[tokio::test]
async fn reads_wait_for_their_turn() {
    const NAMES: [Name; 6] = [Name("a"), Name("b"), Name("c"), Name("d"), Name("e"), Name("f")];
    let db = Database::new();
    let rows: Rows = Cache::new(Policy { loads: 2, ..Policy::new("rows", BOUND) }, None);
    db.hold_up();
    let all = NAMES.map(|name| {
        let (rows, db) = (rows.clone(), db.clone());
        tokio::spawn(async move { rows.get(&name, 0, || db.read()).await })
    });
    db.looked(2).await;
    db.let_go();
    join_all(all).await;
    assert_eq!((db.reads(), db.most_at_once()), (6, 2));
}

/// What took longer to read than an answer may be old is no older than if each of them had read it.
#[tokio::test(start_paused = true)]
async fn a_slow_database_is_not_asked_once_more_by_each() {
    let (rows, reads) = (local(), AtomicUsize::new(0));
    let load = || {
        reads.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::time::sleep(BOUND * 2).await;
            Ok(Read { value: Some("one".to_owned()), stamp: 1 })
        }
    };
    for found in join_all((0..100).map(|_| rows.get(&ROW, 0, load))).await {
        assert_eq!(text(&found.unwrap()), Some("one"));
    }
    assert_eq!(reads.into_inner(), 1);
}

#[tokio::test]
async fn a_read_that_fails_is_told_and_not_remembered() {
    let (db, rows) = (Database::new(), local());
    let failed = rows.get(&ROW, 0, || async { Err(Error::unavailable("the database is away")) }).await;
    assert_eq!(failed.unwrap_err().kind, kernel::Kind::Unavailable);
    let panicked = rows.get(&ROW, 0, || async { panic!("a bug") }).await;
    assert_eq!(panicked.unwrap_err().kind, kernel::Kind::Internal);
    assert_eq!(text(&ask(&rows, &db, 0).await), Some("one"));
}
