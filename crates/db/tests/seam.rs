//! What services rely on: outbox order, inbox marks, dead letters, answers kept, lanes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use contracts::{Event, SessionState};
use db::{Db, IdempotencyKey, Lane, Migration, Recall, StoredAnswer};
use kernel::{Clock, Error, Instant, Kind, SessionId, UserId};
use tempfile::TempDir;

async fn database(clock: Clock) -> (TempDir, Db) {
    let dir = TempDir::new().unwrap();
    let db = Db::open_sqlite(&dir.path().join("test.db"), "test", clock).unwrap();
    let stock = "CREATE TABLE stock (id TEXT PRIMARY KEY, taken BIGINT NOT NULL CHECK (taken <= 50))";
    db.migrate(&[Migration { name: "0001_stock", sql: stock }]).await.unwrap();
    (dir, db)
}

fn event(clock: &Clock) -> Event {
    let (id, user_id) = (SessionId::new(clock), UserId::new(clock));
    Event::SessionRevoked(SessionState { id, user_id, expires_at: clock.now() })
}

#[tokio::test]
async fn the_outbox_gives_events_in_order_until_they_are_marked() {
    let clock = Clock::system();
    let (_dir, db) = database(clock.clone()).await;
    let events: Vec<Event> = (0..5).map(|_| event(&clock)).collect();
    for event in &events {
        db.write(|tx| async move { tx.emit(event).await }).await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(5), db.outbox_bell().notified())
        .await
        .expect("the relay is rung");
    let first = db.outbox_after(0, 3).await.unwrap();
    assert_eq!(
        first.iter().map(|r| r.aggregate.clone()).collect::<Vec<_>>(),
        events[..3].iter().map(Event::aggregate).collect::<Vec<_>>()
    );
    db.outbox_published(first[2].seq).await.unwrap();
    assert_eq!(db.outbox_position().await.unwrap(), first[2].seq);
    assert_eq!(db.outbox_after(first[2].seq, 10).await.unwrap().len(), 2);
    assert_eq!(db.outbox_lag().await.unwrap().0, 2);
    assert_eq!(
        db.outbox_prune(clock.now() + Duration::from_secs(1)).await.unwrap(),
        3,
        "only what was published goes"
    );
}

#[tokio::test]
async fn a_version_cannot_be_announced_twice() {
    let clock = Clock::system();
    let (_dir, db) = database(clock.clone()).await;
    let event = &event(&clock);
    db.write(|tx| async move { tx.emit(event).await }).await.unwrap();
    assert!(db.write(|tx| async move { tx.emit(event).await }).await.is_err());
}

#[tokio::test]
async fn the_inbox_takes_each_version_once_and_none_that_is_older() {
    let (_dir, db) = database(Clock::system()).await;
    let hear = |version| db.write(move |tx| async move { tx.first_time("order:1", version).await });
    assert!(hear(0).await.unwrap());
    assert!(!hear(0).await.unwrap());
    assert!(hear(2).await.unwrap());
    assert!(!hear(1).await.unwrap());
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day_and_for_its_own_body() {
    let clock = Clock::manual(Instant::from_millis(1_700_000_000_000));
    let (_dir, db) = database(clock.clone()).await;
    let key = IdempotencyKey { scope: "u POST /x".into(), key: "k".into(), fingerprint: "a".into() };
    assert_eq!(db.recall(&key).await.unwrap(), Recall::Unknown);
    let k = &key;
    assert!(db.write(|tx| async move { tx.remember(k, None).await }).await.unwrap());
    assert_eq!(db.recall(&key).await.unwrap(), Recall::Running);
    let answer = &StoredAnswer { status: 201, body: "{}".into() };
    db.write(|tx| async move { tx.answer(&k.scope, &k.key, answer).await }).await.unwrap();
    assert_eq!(db.recall(&key).await.unwrap(), Recall::Answer(answer.clone()));
    let other = IdempotencyKey { fingerprint: "b".into(), ..key.clone() };
    assert_eq!(db.recall(&other).await.unwrap(), Recall::OtherBody);
    clock.advance(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(db.recall(&other).await.unwrap(), Recall::Unknown);
    let o = &other;
    assert!(
        db.write(|tx| async move { tx.remember(o, Some(answer)).await }).await.unwrap(),
        "an old key is free again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_gives_each_caller_its_own_answer() {
    let (_dir, db) = database(Clock::system()).await;
    db.write(|tx| async move { tx.execute("INSERT INTO stock VALUES ('t', 0)", &[]).await }).await.unwrap();
    let lane: Lane<i64, i64> = Lane::start(db.clone(), |tx, commands: Arc<[i64]>| async move {
        let mut answers = Vec::new();
        for quantity in commands.iter() {
            let sql =
                "UPDATE stock SET taken = taken + $1 WHERE id = 't' AND taken + $1 <= 50 RETURNING taken";
            let taken: Option<(i64,)> = tx.optional(sql, &[quantity]).await?;
            answers.push(taken.map(|(t,)| t).ok_or_else(|| Error::invalid("sold out")));
        }
        Ok(answers)
    });
    let callers: Vec<_> = (0..300)
        .map(|_| {
            let lane = lane.clone();
            tokio::spawn(async move { lane.submit(1).await })
        })
        .collect();
    let mut places = Vec::new();
    for caller in callers {
        match caller.await.unwrap() {
            Ok(place) => places.push(place),
            Err(error) => assert_eq!(error.kind, Kind::Invalid),
        }
    }
    places.sort_unstable();
    assert_eq!(places, (1..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_changed_or_unknown_migration_is_refused() {
    let (_dir, db) = database(Clock::system()).await;
    let changed = Migration { name: "0001_stock", sql: "CREATE TABLE stock (id TEXT)" };
    assert!(db.migrate(&[changed]).await.unwrap_err().to_string().contains("changed"));
    assert!(db.migrate(&[]).await.unwrap_err().to_string().contains("newer"));
}
