//! A process that was stopped with events in its hands and wakes up when another one reads their partition
//! changes nothing. And what happens without the fence.

use contracts::{Event, SessionState};
use db::Recorded;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::{Clock, EventId, SessionId, UserId};
use tempfile::TempDir;

use super::*;
use crate::delivery::Place;
use crate::spans::Processing;
use crate::{Handler, Subscription};

struct Counter;

impl Handler for Counter {
    fn subjects(&self) -> &'static [&'static str] {
        &["session:revoked"]
    }
    fn handle<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>> {
        async move {
            for _ in events {
                tx.execute("UPDATE counter SET n = n + 1", &[]).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

struct Scene {
    _dir: TempDir,
    db: Db,
    subscription: Subscription,
    lease: Arc<str>,
}

impl Scene {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let db = Db::open_sqlite(&dir.path().join("consumer.db"), "consumer", Clock::system()).unwrap();
        let sql = "CREATE TABLE counter (n BIGINT NOT NULL); INSERT INTO counter VALUES (0);";
        db.migrate(&[db::Migration { name: "0001_counter", sql }]).await.unwrap();
        let subscription = Subscription::new(db.clone(), Arc::new(Counter));
        Self { _dir: dir, db, subscription, lease: "accounts/0".into() }
    }

    async fn claim(&self, owner: &str) -> (Positions, u64) {
        let positions = Positions::new(owner);
        let lease = self.db.claim(owner, &self.lease).await.unwrap().unwrap();
        let (claim, _) = positions.hold(&self.lease, &lease);
        (positions, claim)
    }

    fn delivery(&self, claim: u64, seq: i64) -> Delivery {
        let clock = self.db.clock();
        let (id, user_id) = (SessionId::new(clock), UserId::new(clock));
        let event = Event::SessionRevoked(SessionState { id, user_id, expires_at: clock.now() });
        let recorded = Recorded {
            seq: 0,
            id: EventId::new(clock),
            subject: event.subject().into(),
            aggregate: event.aggregate(),
            version: event.version(),
            payload: serde_json::to_string(&event).unwrap(),
            occurred_at: clock.now(),
            trace: kernel::Trace::NONE,
        };
        Delivery::at(recorded, Place { lease: Arc::clone(&self.lease), claim, seq, mark: "".into() })
    }

    async fn effects(&self) -> i64 {
        self.db.one::<(i64,)>("SELECT n FROM counter", &[]).await.unwrap().0
    }

    async fn position(&self, owner: &str) -> i64 {
        self.db.claim(owner, &self.lease).await.unwrap().unwrap().position
    }
}

#[tokio::test]
async fn who_lost_a_partition_takes_nothing_of_it() {
    let scene = Scene::new().await;
    let (mut stale, claim) = scene.claim("stale").await;
    let hands = [scene.delivery(claim, 1), scene.delivery(claim, 2)];
    let batch: Vec<&Delivery> = hands.iter().collect();
    // The embedded engine gives a lease to whoever claims it: so it is as if the one before had run out.
    scene.claim("other").await;
    let refused = scene.subscription.take(&batch, Some(&stale), &Processing::default()).await.unwrap_err();
    assert_eq!(lost(&refused), Some("accounts/0"));
    assert_eq!((scene.effects().await, scene.position("other").await), (0, 0));
    stale.fenced = false;
    scene.subscription.take(&batch, Some(&stale), &Processing::default()).await.unwrap();
    assert_eq!(scene.effects().await, 2, "the control shows that something would have happened");
}

#[tokio::test]
async fn the_position_moves_with_the_effects_and_what_was_taken_is_not_wanted_again() {
    let scene = Scene::new().await;
    let (positions, claim) = scene.claim("one").await;
    let all = [scene.delivery(claim, 3), scene.delivery(claim, 4), scene.delivery(claim, 9)];
    scene.subscription.take(&[&all[0], &all[1]], Some(&positions), &Processing::default()).await.unwrap();
    assert_eq!((scene.effects().await, scene.position("one").await), (2, 4));
    assert_eq!(all.iter().map(|d| positions.wants(d)).collect::<Vec<_>>(), [false, false, true]);
    // A stream that was made anew counts from the start.
    positions.restart(&scene.db, &scene.lease, claim, &"anew".into()).await.unwrap();
    assert_eq!(scene.position("one").await, 0);
    assert!(!positions.wants(&all[2]), "what was read of the old one is not wanted any more");
    // What was read under an earlier claim is read again under the next.
    positions.let_go(&scene.lease);
    assert_eq!(
        lost(
            &scene.subscription.take(&[&all[2]], Some(&positions), &Processing::default()).await.unwrap_err()
        ),
        Some("accounts/0")
    );
}
