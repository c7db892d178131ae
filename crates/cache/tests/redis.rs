//! What processes remember together, on a real Redis. Each cache here is a process; without entries of its own, unless it
//! is said, so that it is Redis that remembers.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use cache::{Cache, Guard, Policy, Source};
use common::{BOUND, Database, ROW, Rows, ask, asking, connected, rows, text, until};
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

const KEY: &str = "test:rows:row";

async fn talk(server: &engines::Redis) -> MultiplexedConnection {
    let client = redis::Client::open(server.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Nothing may stay for ever: milliseconds that each key has left.
async fn lives(server: &engines::Redis) -> Vec<i64> {
    let mut talk = talk(server).await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut talk).await.unwrap();
    let mut lives = Vec::new();
    for key in keys {
        lives.push(redis::cmd("PTTL").arg(key).query_async(&mut talk).await.unwrap());
    }
    lives
}

#[tokio::test]
async fn one_process_reads_and_all_know() {
    let Some(server) = engines::Redis::start().await else { return };
    let (db, redis) = (Database::new(), connected(&server).await);
    let [one, other, third] = [0, 0, 100].map(|entries| rows(entries, Guard::Compare, Some(&redis)));
    assert_eq!(ask(&one, &db, 0).await.source, Source::Database);
    let found = ask(&other, &db, 0).await;
    assert_eq!((text(&found), found.source, found.stamp), (Some("one"), Source::Redis, 1));
    // One that remembers by itself asks once.
    let sources = [ask(&third, &db, 0).await.source, ask(&third, &db, 0).await.source];
    assert_eq!(sources, [Source::Redis, Source::Process]);
    let stamp = db.write(None);
    one.wrote(&[(ROW, None)], stamp, Instant::now()).await;
    let found = ask(&other, &db, 0).await;
    assert_eq!((text(&found), found.source, found.stamp), (None, Source::Redis, stamp));
    assert_eq!(db.reads(), 1);
    let bound = i64::try_from(BOUND.as_millis()).unwrap();
    assert!(lives(&server).await.iter().all(|life| (1..=bound).contains(life)));
}

/// A read in one process saw what was before the write of another, and ends after it.
async fn late_read(server: &engines::Redis, guard: Guard, flushed: bool) -> Option<String> {
    server.flush().await;
    let (db, redis) = (Database::new(), connected(server).await);
    let [reader, writer, third] = [0, 0, 0].map(|entries| rows(entries, guard, Some(&redis)));
    db.hold_up();
    let slow = asking(&reader, &db);
    db.looked(1).await;
    let stamp = db.write(Some("two"));
    writer.wrote(&[(ROW, Some("two".to_owned()))], stamp, Instant::now()).await;
    if flushed {
        server.flush().await;
    }
    db.let_go();
    slow.await.unwrap();
    ask(&third, &db, 0).await.value
}

#[tokio::test]
async fn a_read_from_before_a_write_never_replaces_it_even_after_a_flush() {
    let Some(server) = engines::Redis::start().await else { return };
    for flushed in [false, true] {
        assert_eq!(late_read(&server, Guard::Compare, flushed).await.as_deref(), Some("two"), "{flushed}");
        assert_eq!(late_read(&server, Guard::Nothing, flushed).await.as_deref(), Some("one"), "the control");
    }
}

#[tokio::test]
async fn an_older_write_does_not_replace_a_later_one() {
    let Some(server) = engines::Redis::start().await else { return };
    let (db, redis) = (Database::new(), connected(&server).await);
    let rows = rows(0, Guard::Compare, Some(&redis));
    rows.wrote(&[(ROW, Some("three".to_owned()))], 3, Instant::now()).await;
    rows.wrote(&[(ROW, Some("two".to_owned()))], 2, Instant::now()).await;
    rows.forget(&[ROW], 3).await;
    let found = ask(&rows, &db, 0).await;
    assert_eq!((text(&found), found.source), (Some("three"), Source::Redis));
    rows.forget(&[ROW], 4).await;
    assert_eq!(ask(&rows, &db, 0).await.source, Source::Database);
}

/// Whoever wrote stood still meanwhile: others have written since, and Redis has lost what says so.
#[tokio::test]
async fn what_was_written_long_ago_is_no_news() {
    let Some(server) = engines::Redis::start().await else { return };
    let (db, redis) = (Database::new(), connected(&server).await);
    let rows = rows(0, Guard::Compare, Some(&redis));
    let (stamp, written_at) = (db.write(Some("two")), Instant::now().checked_sub(BOUND).unwrap());
    let later = db.write(Some("three"));
    rows.forget(&[ROW], later).await;
    server.flush().await;
    rows.wrote(&[(ROW, Some("two".to_owned()))], stamp, written_at).await;
    // Nobody may fill until the writer's lease ends, and the database answers.
    assert_eq!(text(&ask(&rows, &db, 0).await), Some("three"));
}

/// A master that is one no more, or has no memory left, answers, but not as it should.
#[tokio::test]
async fn a_redis_that_cannot_be_written_to_is_left_alone_until_it_can() {
    let Some(server) = engines::Redis::start().await else { return };
    let (db, redis) = (Database::new(), connected(&server).await);
    let rows = rows(0, Guard::Compare, Some(&redis));
    let mut talk = talk(&server).await;
    let mut replicate = async |host: &str, port: &str| {
        redis::cmd("REPLICAOF").arg(host).arg(port).exec_async(&mut talk).await.unwrap();
    };
    replicate("127.0.0.1", "1").await;
    for _ in 0..5 {
        assert_eq!(ask(&rows, &db, 0).await.source, Source::Database);
    }
    assert!(!redis.is_up());
    replicate("NO", "ONE").await;
    until("it is used again", || {
        redis.probe();
        redis.is_up()
    })
    .await;
    ask(&rows, &db, 0).await;
    assert_eq!(ask(&rows, &db, 0).await.source, Source::Redis);
}

#[tokio::test]
async fn a_failover_to_an_older_copy_fools_nobody_who_has_seen_the_change() {
    let Some(server) = engines::Redis::start().await else { return };
    let (db, redis) = (Database::new(), connected(&server).await);
    let rows = rows(0, Guard::Compare, Some(&redis));
    ask(&rows, &db, 0).await;
    let mut talk = talk(&server).await;
    let copy: Vec<u8> = redis::cmd("DUMP").arg(KEY).query_async(&mut talk).await.unwrap();
    let left: i64 = redis::cmd("PTTL").arg(KEY).query_async(&mut talk).await.unwrap();
    let stamp = db.write(Some("two"));
    rows.wrote(&[(ROW, Some("two".to_owned()))], stamp, Instant::now()).await;
    let mut restore = redis::cmd("RESTORE");
    restore.arg(KEY).arg(left).arg(copy).arg("REPLACE").exec_async(&mut talk).await.unwrap();
    let stale = ask(&rows, &db, 0).await;
    assert_eq!(text(&stale), Some("one"), "this is what the bound is for");
    assert!(stale.age() <= BOUND);
    assert_eq!(text(&ask(&rows, &db, stamp).await), Some("two"));
    assert_eq!(text(&ask(&rows, &db, 0).await), Some("two"), "and so learns everybody else");
}

#[tokio::test]
async fn a_fill_that_reached_redis_too_late_is_refused() {
    let Some(server) = engines::Redis::start().await else { return };
    let (db, redis) = (Database::new(), connected(&server).await);
    let rows = rows(0, Guard::Compare, Some(&redis));
    db.hold_up();
    let slow = asking(&rows, &db);
    db.looked(1).await;
    server.pause();
    db.let_go();
    slow.await.unwrap();
    // The right to fill ends while the fill lies before a Redis that stands still.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    server.resume();
    let mut talk = talk(&server).await;
    let value: Option<String> = redis::cmd("HGET").arg(KEY).arg("v").query_async(&mut talk).await.unwrap();
    assert_eq!(value, None);
}

#[tokio::test]
async fn nothing_is_older_than_promised() {
    const BOUND: Duration = Duration::from_secs(3);
    let Some(server) = engines::Redis::start().await else { return };
    let (db, redis) = (Database::new(), connected(&server).await);
    let process = |entries| -> Rows {
        Cache::new(Policy { entries, ..Policy::new("rows", BOUND) }, Some(redis.clone()))
    };
    let (one, other) = (process(0), process(100));
    ask(&one, &db, 0).await;
    let (began, mut oldest) = (Instant::now(), Duration::ZERO);
    // The second process fills itself from what Redis remembers, and does not begin anew to count.
    while db.reads() < 3 {
        assert!(began.elapsed() < engines::DEADLINE, "in time");
        oldest = oldest.max(ask(&other, &db, 0).await.age()).max(ask(&one, &db, 0).await.age());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(oldest <= BOUND && oldest > BOUND / 3, "{oldest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stampede_makes_one_read_per_process_at_most() {
    let Some(server) = engines::Redis::start().await else { return };
    let (db, redis) = (Database::new(), connected(&server).await);
    let both = [100, 100].map(|entries| rows(entries, Guard::Compare, Some(&redis)));
    db.hold_up();
    let all: Vec<_> = (0..2_000).map(|n| asking(&both[n % 2], &db)).collect();
    db.looked(2).await;
    db.let_go();
    for found in join_all(all).await {
        assert_eq!(text(&found.unwrap()), Some("one"));
    }
    assert_eq!(db.reads(), 2);
}

#[tokio::test]
async fn without_redis_the_database_answers_and_when_it_is_back_it_is_used() {
    let Some(mut server) = engines::Redis::start().await else { return };
    let (db, redis) = (Database::new(), connected(&server).await);
    let rows = rows(0, Guard::Compare, Some(&redis));
    for blow in ["stopped", "killed"] {
        ask(&rows, &db, 0).await;
        assert_eq!(ask(&rows, &db, 0).await.source, Source::Redis, "{blow}");
        match blow {
            "stopped" => server.pause(),
            _ => server.kill().await,
        }
        let mut slowest = Duration::ZERO;
        for _ in 0..50 {
            let began = Instant::now();
            assert_eq!(ask(&rows, &db, 0).await.source, Source::Database, "{blow}");
            slowest = slowest.max(began.elapsed());
        }
        assert!(slowest < Duration::from_millis(500), "{blow}: {slowest:?}");
        assert!(!redis.is_up(), "{blow}: it is left alone");
        rows.wrote(&[(ROW, Some("lost".to_owned()))], 1, Instant::now()).await;
        match blow {
            "stopped" => server.resume(),
            _ => server.restart().await,
        }
        let probing = rows.clone();
        until("Redis is used again", || {
            futures_util::FutureExt::now_or_never(ask(&probing, &db, 0));
            redis.is_up()
        })
        .await;
    }
}

#[tokio::test]
async fn a_redis_that_was_never_there_is_no_error() {
    let redis = cache::Redis::open("redis://127.0.0.1:1", "test").unwrap();
    let (db, rows) = (Database::new(), rows(100, Guard::Compare, Some(&redis)));
    for source in [Source::Database, Source::Process] {
        assert_eq!(ask(&rows, &db, 0).await.source, source);
    }
    assert!(!redis.is_up() && cache::Redis::open("http://x", "test").is_err());
}

/// Whoever watches sees it go and come back where nobody looks anything up.
#[tokio::test]
async fn a_probe_alone_notices_that_it_went_and_that_it_is_back() {
    let Some(mut server) = engines::Redis::start().await else { return };
    let redis = connected(&server).await;
    let rows = rows(100, Guard::Compare, Some(&redis));
    let is = async |up: bool| {
        until("it is noticed", || {
            rows.observe();
            redis.is_up() == up
        })
        .await;
    };
    server.kill().await;
    is(false).await;
    server.restart().await;
    is(true).await;
}
