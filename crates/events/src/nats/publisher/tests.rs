//! A relay that was stopped with a batch in its hands and wakes up late publishes nothing. And what happens
//! without the fence.

use std::time::{Duration, Instant};

use contracts::{Event, SessionState};
use db::{Db, Feed};
use engines::Nats as Server;
use kernel::{Clock, Kind, SessionId, UserId};
use tempfile::TempDir;

use super::*;
use crate::nats::NatsSettings;

const EVENTS: usize = 5;
/// How long the server knows an event; a relay may sleep longer.
const SHORT: Duration = Duration::from_millis(100);

/// An outbox with events, and the way to a stream of its own.
struct Scene {
    _dir: TempDir,
    db: Db,
    nats: Nats,
}

/// One process that relays.
struct Process {
    feed: Feed,
    publisher: Publisher,
}

impl Scene {
    async fn new(server: &Server, prefix: &str, window: Duration) -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Clock::system();
        let db = Db::open_sqlite(&dir.path().join("accounts.db"), "accounts", clock).unwrap();
        db.migrate(&[]).await.unwrap();
        let mut settings = NatsSettings::new(server.url());
        (settings.prefix, settings.duplicate_window) = (prefix.into(), window);
        let scene = Self { _dir: dir, db, nats: Nats::connect(settings).await.unwrap() };
        scene.emit(EVENTS).await;
        scene
    }

    async fn emit(&self, events: usize) {
        let clock = self.db.clock();
        for _ in 0..events {
            let (id, user_id) = (SessionId::new(clock), UserId::new(clock));
            let event = &Event::SessionRevoked(SessionState { id, user_id, expires_at: clock.now() });
            self.db.write(|tx| async move { tx.emit(event).await }).await.unwrap();
        }
    }

    /// The embedded engine gives a lease to whoever claims it: so it is as if the one before had run out.
    async fn takes_over(&self, owner: &str) -> Process {
        let mut feed = self.db.feed(owner).await.unwrap().unwrap();
        let mut publisher = Publisher::new(self.nats.clone(), "accounts");
        publisher.open(feed.mark(), &Fence::new(&self.db, owner, feed.mark())).await.unwrap();
        feed.note(&publisher.mark()).await.unwrap();
        Process { feed, publisher }
    }

    /// The ids in the stream, in order.
    async fn stored(&self) -> Vec<String> {
        let stream = self.nats.0.jetstream.get_stream(self.nats.stream_name("accounts")).await.unwrap();
        let mut ids = Vec::new();
        for seq in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(seq).await.unwrap();
            ids.push(message.headers.get("Nats-Msg-Id").unwrap().to_string());
        }
        ids
    }
}

#[tokio::test]
async fn a_late_riser_publishes_nothing() {
    let Some(server) = Server::start().await else { return };
    let control = Scene::new(&server, "control", SHORT).await;
    let guarded = Scene::new(&server, "guarded", SHORT).await;
    let mut late = Vec::new();
    for scene in [&guarded, &control] {
        // It reads a batch, knows the end of the stream, and is stopped.
        let mut sleeper = scene.takes_over("sleeper").await;
        let batch = sleeper.feed.next(256).await.unwrap();
        assert_eq!(batch.len(), EVENTS);
        // Another one takes over and publishes, and more.
        scene.emit(EVENTS).await;
        let mut other = scene.takes_over("other").await;
        let fence = Fence::new(&scene.db, "other", other.feed.mark());
        other.publisher.publish(&other.feed.next(256).await.unwrap(), &fence).await.unwrap();
        other.feed.note(&other.publisher.mark()).await.unwrap();
        assert_eq!(scene.stored().await.len(), 2 * EVENTS);
        late.push((sleeper, batch));
    }
    // Without the fence: as soon as the server has forgotten them, old events stand behind new ones.
    let (mut sleeper, batch) = late.pop().unwrap();
    sleeper.publisher.fenced = false;
    let begun = Instant::now();
    while control.stored().await.len() == 2 * EVENTS {
        assert!(begun.elapsed() < Duration::from_secs(20));
        let fence = Fence::new(&control.db, "sleeper", sleeper.feed.mark());
        sleeper.publisher.publish(&batch, &fence).await.unwrap();
    }
    let stored = control.stored().await;
    assert!(stored[..EVENTS].contains(stored.last().unwrap()), "the control shows the damage");
    // With it: nothing, though the server has forgotten them too.
    let (mut sleeper, batch) = late.pop().unwrap();
    let before = guarded.stored().await;
    let fence = Fence::new(&guarded.db, "sleeper", sleeper.feed.mark());
    let refused = sleeper.publisher.publish(&batch, &fence).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict);
    assert_eq!(guarded.stored().await, before);
    assert!(sleeper.feed.note(&sleeper.publisher.mark()).await.is_err(), "nor does it move the position");
}

#[tokio::test]
async fn a_batch_whose_answers_were_lost_is_stored_once() {
    let Some(server) = Server::start().await else { return };
    let scene = Scene::new(&server, "lost", Duration::from_secs(120)).await;
    let mut first = scene.takes_over("first").await;
    let batch = first.feed.next(256).await.unwrap();
    first.publisher.publish(&batch[..3], &Fence::new(&scene.db, "first", first.feed.mark())).await.unwrap();
    // It never learned of it, or was killed; whoever comes next begins at the position.
    let mut next = scene.takes_over("next").await;
    let batch = next.feed.next(256).await.unwrap();
    assert_eq!(batch.len(), EVENTS);
    next.publisher.publish(&batch, &Fence::new(&scene.db, "next", next.feed.mark())).await.unwrap();
    let ids: Vec<String> = batch.iter().map(|event| event.id.to_string()).collect();
    assert_eq!(scene.stored().await, ids);
}

#[tokio::test]
async fn a_look_at_the_stream_tells_its_own_relay_from_another_one() {
    let Some(server) = Server::start().await else { return };
    let scene = Scene::new(&server, "looked", Duration::from_secs(120)).await;
    let mut relay = scene.takes_over("one").await;
    let batch = relay.feed.next(256).await.unwrap();
    relay.publisher.publish(&batch, &Fence::new(&scene.db, "one", relay.feed.mark())).await.unwrap();
    relay.feed.note(&relay.publisher.mark()).await.unwrap();
    // As after a reconnection: a look is due.
    relay.publisher.checked.1 = u64::MAX;
    relay
        .publisher
        .check()
        .await
        .expect("the stream is as it left it, though it was empty when it was opened");

    scene.emit(1).await;
    let mut other = scene.takes_over("two").await;
    let batch = other.feed.next(256).await.unwrap();
    other.publisher.publish(&batch, &Fence::new(&scene.db, "two", other.feed.mark())).await.unwrap();
    relay.publisher.checked.1 = u64::MAX;
    assert_eq!(relay.publisher.check().await.unwrap_err().kind, Kind::Conflict);
}
