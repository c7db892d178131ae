//! What else the seam executes, so that no statement of it is untried on either engine
//! (`tests/statements.rs` at the top looks). On the engine that `MARQUEE_TEST_ENGINE` names.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use db::{Db, IdempotencyKey, Location, Migration, Recall, StoredAnswer};
use engines::Home;
use kernel::{Clock, Instant, Kind};

const SCRIPTS: &[Migration] = &[Migration { name: "0001_a", sql: "CREATE TABLE a (id TEXT PRIMARY KEY)" }];

async fn database(clock: Clock) -> (Home, Db) {
    let home = Home::new().await;
    let db = Db::open(&Location::new(home.url(), home.directory(), "test"), "test", clock).unwrap();
    (home, db)
}

#[tokio::test]
async fn a_start_that_must_not_migrate_is_refused_until_somebody_has() {
    let (_home, db) = database(Clock::system()).await;
    db.ping().await.unwrap();
    let refused = async || {
        let refusal = db.check_migrated(SCRIPTS).await.unwrap_err();
        assert_eq!(refusal.kind, Kind::Conflict);
        assert!(refusal.to_string().contains("marquee migrate"), "{refusal}");
    };
    refused().await;
    db.migrate(&[]).await.unwrap();
    refused().await;
    assert_eq!(db.migrate(SCRIPTS).await.unwrap(), 1);
    db.check_migrated(SCRIPTS).await.unwrap();
    assert_eq!(db.migrate(SCRIPTS).await.unwrap(), 0, "nothing is applied twice");
}

#[tokio::test]
async fn old_answers_go() {
    let clock = Clock::manual(Instant::from_millis(1_760_000_000_000));
    let (_home, db) = database(clock.clone()).await;
    db.migrate(&[]).await.unwrap();
    let key = |name: &str| IdempotencyKey { scope: "s".into(), key: name.into(), fingerprint: "f".into() };
    let answer = StoredAnswer { status: 201, body: "{}".into() };
    db.remember(&key("old"), &answer).await.unwrap();
    clock.advance(Duration::from_secs(24 * 3600));
    db.remember(&key("new"), &answer).await.unwrap();
    assert_eq!(db.prune_answers(clock.now()).await.unwrap(), 1);
    assert_eq!(db.recall(&key("new")).await.unwrap(), Recall::Answer(answer));
}
