//! What services rely on: outbox order, inbox marks, dead letters, answers kept, lanes, leases. On the
//! engine that `MARQUEE_TEST_ENGINE` names.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use contracts::{Event, SessionState};
use db::{COUNTED, Db, IdempotencyKey, Lane, Location, Migration, Recall, StoredAnswer};
use engines::Home;
use kernel::{Clock, Error, Instant, Kind, SessionId, Trace, UserId};

async fn database(clock: Clock) -> (Home, Db) {
    let home = Home::new().await;
    let db = Db::open(&Location::new(home.url(), home.directory(), "test"), "test", clock).unwrap();
    let stock = "CREATE TABLE stock (id TEXT PRIMARY KEY, taken BIGINT NOT NULL CHECK (taken <= 50))";
    db.migrate(&[Migration { name: "0001_stock", sql: stock }]).await.unwrap();
    (home, db)
}

fn event(clock: &Clock) -> Event {
    let (id, user_id) = (SessionId::new(clock), UserId::new(clock));
    Event::SessionRevoked(SessionState { id, user_id, expires_at: clock.now() })
}

#[tokio::test]
async fn what_waits_is_counted_so_far_and_no_farther() {
    let clock = Clock::manual(Instant::from_millis(1_800_000_000_000));
    let (_home, db) = database(clock.clone()).await;
    assert_eq!(db.outbox_lag().await.unwrap(), (0, None));
    let since = clock.now();
    let first = &event(&clock);
    db.write(|tx| async move { tx.emit(first).await }).await.unwrap();
    clock.advance(Duration::from_secs(60));
    assert_eq!(db.outbox_lag().await.unwrap(), (1, Some(since)));
    let events: &Vec<Event> = &(0..=COUNTED).map(|_| event(&clock)).collect();
    db.write(|tx| async move { tx.emit_all(events).await }).await.unwrap();
    assert_eq!(db.outbox_lag().await.unwrap(), (COUNTED + 1, Some(since)));
}

#[tokio::test]
async fn the_outbox_gives_events_in_order_until_they_are_marked() {
    let clock = Clock::system();
    let (_home, db) = database(clock.clone()).await;
    let events: Vec<Event> = (0..5).map(|_| event(&clock)).collect();
    for event in &events {
        db.write(|tx| async move { tx.emit(event).await }).await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(5), db.outbox_bell().notified())
        .await
        .expect("the relay is rung");
    let mut feed = db.feed("one").await.unwrap().unwrap();
    let first = feed.next(3).await.unwrap();
    assert_eq!(
        first.iter().map(|r| r.aggregate.clone()).collect::<Vec<_>>(),
        events[..3].iter().map(Event::aggregate).collect::<Vec<_>>()
    );
    assert!(feed.is_ahead());
    feed.note("mark").await.unwrap();
    assert!(!feed.is_ahead());
    // Given out, and not noted before the relay was killed.
    assert_eq!(feed.next(10).await.unwrap().len(), 2);
    let mut again = db.feed("one").await.unwrap().unwrap();
    assert_eq!(again.mark(), "mark");
    assert_eq!(again.next(10).await.unwrap().len(), 2);
    assert_eq!(db.outbox_lag().await.unwrap().0, 2);
    assert_eq!(
        db.outbox_prune(clock.now() + Duration::from_secs(1)).await.unwrap(),
        3,
        "only what was published goes"
    );
    db.feed("one").await.unwrap().unwrap().rewind().await.unwrap();
    assert_eq!(feed.note("mark").await.unwrap_err().kind, Kind::Conflict);
    assert_eq!(db.feed("one").await.unwrap().unwrap().next(10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_lease_fences_the_work_that_is_done_under_it() {
    let (_home, db) = database(Clock::system()).await;
    let lease = db.claim("a", "work").await.unwrap().expect("it is free");
    assert_eq!((lease.position, lease.mark.as_str()), (0, ""));
    let advance = |owner: &'static str, from, to| {
        db.write(move |tx| async move { tx.advance(owner, "work", from, to, "m").await })
    };
    assert!(advance("a", 0, 5).await.unwrap());
    assert!(!advance("a", 0, 6).await.unwrap(), "its position has moved on");
    assert!(!advance("b", 5, 6).await.unwrap(), "it is not theirs");
    assert_eq!(db.renew("a").await.unwrap(), ["work"]);
    db.release("a", "work").await.unwrap();
    let lease = db.claim("b", "work").await.unwrap().expect("it was given back");
    assert_eq!((lease.position, lease.mark.as_str()), (5, "m"));
    assert!(!advance("a", 5, 6).await.unwrap());
    db.present("b").await.unwrap();
    let mut owners = db.lease_owners().await.unwrap();
    owners.sort();
    assert_eq!(owners, [("copy b".into(), "b".into()), ("work".to_string(), "b".to_string())]);
}

#[tokio::test]
async fn what_lost_a_compare_and_set_is_run_again_where_others_write_too() {
    let (_home, db) = database(Clock::system()).await;
    let runs = std::sync::atomic::AtomicUsize::new(0);
    let done = db
        .write(|_| async {
            match runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 if db.is_shared() => Err(Error::contended("changed meanwhile")),
                _ => Ok(()),
            }
        })
        .await;
    assert!(done.is_ok());
    assert_eq!(runs.into_inner(), if db.is_shared() { 2 } else { 1 });
}

#[tokio::test]
async fn a_version_cannot_be_announced_twice() {
    let clock = Clock::system();
    let (_home, db) = database(clock.clone()).await;
    let event = &event(&clock);
    db.write(|tx| async move { tx.emit(event).await }).await.unwrap();
    assert!(db.write(|tx| async move { tx.emit(event).await }).await.is_err());
}

#[tokio::test]
async fn the_inbox_takes_each_version_once_and_none_that_is_older() {
    let (_home, db) = database(Clock::system()).await;
    let hear = |version| db.write(move |tx| async move { tx.first_time("order:1", version).await });
    assert!(hear(0).await.unwrap());
    assert!(!hear(0).await.unwrap());
    assert!(hear(2).await.unwrap());
    assert!(!hear(1).await.unwrap());
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day_and_for_its_own_body() {
    let clock = Clock::manual(Instant::from_millis(1_700_000_000_000));
    let (_home, db) = database(clock.clone()).await;
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
    let (_home, db) = database(Clock::system()).await;
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
    let (_home, db) = database(Clock::system()).await;
    let changed = Migration { name: "0001_stock", sql: "CREATE TABLE stock (id TEXT)" };
    assert!(db.migrate(&[changed]).await.unwrap_err().to_string().contains("changed"));
    assert!(db.migrate(&[]).await.unwrap_err().to_string().contains("newer"));
}

#[tokio::test]
async fn events_of_a_version_without_traces_come_through() {
    let (_home, db) = database(Clock::system()).await;
    // As it was before, with an event that waits and one that is parked.
    for sql in [
        "ALTER TABLE outbox DROP COLUMN trace",
        "ALTER TABLE dead_letters DROP COLUMN trace",
        "DELETE FROM migrations WHERE name = '0000_seam_trace'",
        "INSERT INTO outbox (id, subject, aggregate, version, payload, occurred_at)
            VALUES ('01a1fcb2-13fa-7b95-a7c0-58e4d6f2a913', 'user:created', 'user:1', 0, '{}', 1)",
        "INSERT INTO dead_letters (id, subject, aggregate, version, payload, occurred_at, reason, parked_at)
            VALUES ('01a1fcb2-13fa-7b95-a7c0-58e4d6f2a914', 'user:created', 'user:2', 0, '{}', 1, 'no', 1)",
    ] {
        db.write(|tx| async move { tx.execute(sql, &[]).await }).await.unwrap();
    }
    let stock = "CREATE TABLE stock (id TEXT PRIMARY KEY, taken BIGINT NOT NULL CHECK (taken <= 50))";
    let scripts = [Migration { name: "0001_stock", sql: stock }];
    assert!(db.check_migrated(&scripts).await.is_err());
    assert_eq!(db.migrate(&scripts).await.unwrap(), 1);
    let (waiting, parked) = (db.outbox_waiting(10).await.unwrap(), db.dead_letters(10).await.unwrap());
    assert_eq!((waiting.len(), waiting[0].trace), (1, Trace::NONE));
    assert_eq!((parked.len(), parked[0].trace), (1, Trace::NONE));
    // What a copy of that version still writes is taken as well.
    let older = "INSERT INTO outbox (id, subject, aggregate, version, payload, occurred_at)
        VALUES ('01a1fcb2-13fa-7b95-a7c0-58e4d6f2a915', 'user:created', 'user:3', 0, '{}', 1)";
    db.write(|tx| async move { tx.execute(older, &[]).await }).await.unwrap();
    assert_eq!(db.outbox_waiting(10).await.unwrap().len(), 2);
}
