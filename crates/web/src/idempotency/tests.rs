use super::*;
use crate::testing::{request, send, served, session, web};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use contracts::Role;
use db::Location;
use engines::Home;
use kernel::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A handler with a database of its own; counts how often it acted.
#[derive(Clone)]
struct House {
    db: Db,
    acts: Arc<AtomicUsize>,
}

impl House {
    async fn act(self, mut fields: Fields, key: Option<IdempotencyKey>) -> kernel::Result<Answer> {
        let act = self.acts.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::task::yield_now().await;
        let how = fields.text("how", "How is required", 1..=20);
        fields.finish()?;
        match how.as_deref() {
            Some("signed out") => Err(Error::unauthorized()),
            Some("too many") => Err(Error::new(Kind::TooMany, "Slow down")),
            Some("away") => Err(Error::unavailable("away")),
            Some("broken") => Err(Error::internal("broken")),
            Some("sold out") => Err(Error::invalid("Ticket is already reserved")),
            Some("declined") => Err(Error::new(Kind::Declined, "Your card was declined")),
            Some("too late") => {
                // Meanwhile another process is done.
                let stored = StoredAnswer { status: 201, body: "7".to_owned() };
                self.db.remember(&key.unwrap(), &stored).await?;
                Err(Error::unavailable("the key is in use"))
            }
            Some("meanwhile") => {
                // Another process has begun.
                let key = &key.unwrap();
                self.db.write(|tx| async move { tx.remember(key, None).await }).await?;
                Err(Error::unavailable("the key is in use").because(FirstAtWork))
            }
            Some("begun") => {
                let key = &key.unwrap();
                self.db.write(|tx| async move { tx.remember(key, None).await }).await?;
                Err(Error::unavailable("the gateway is silent"))
            }
            Some("at once") => {
                // As orders does: key, effect and answer are one transaction.
                let key = &key.unwrap();
                let stored = &StoredAnswer { status: 201, body: act.to_string() };
                let taken = |tx: db::Tx| async move {
                    if !tx.remember(key, None).await? {
                        return Err(Error::unavailable("the key is in use"));
                    }
                    tx.answer(&key.scope, &key.key, stored).await
                };
                self.db.write(taken).await?;
                Ok(Answer::created(&act))
            }
            Some("by itself") => {
                let stored = StoredAnswer { status: 201, body: format!(r#"{{"stored":{act}}}"#) };
                self.db.remember(&key.unwrap(), &stored).await?;
                Ok(Answer::created(&act))
            }
            _ => Ok(Answer::created(&act)),
        }
    }
}

async fn buy(State(house): State<House>, session: Session, request: Post) -> Result<Response> {
    let db = house.db.clone();
    request.once(&db, &session, "POST /buy", |fields, key| house.act(fields, key)).await
}

#[derive(Clone)]
struct Setup {
    app: Router,
    house: House,
    web: Web,
    clock: Clock,
    token: String,
    _home: Arc<Home>,
}

async fn setup() -> Setup {
    let (web, clock) = web();
    let home = Home::new().await;
    let db = Db::open(&Location::new(home.url(), home.directory(), "house"), "house", clock.clone()).unwrap();
    db.migrate(&[]).await.unwrap();
    let house = House { db, acts: Arc::default() };
    let router =
        Router::new().route("/buy", post(buy)).route("/buy/{id}", post(buy)).with_state(house.clone());
    let token = web.sessions().issue(&session(&web, Role::User)).unwrap();
    Setup { app: served(router, &web), house, web, clock, token, _home: Arc::new(home) }
}

impl Setup {
    async fn send(&self, path: &str, key: &str, how: &str) -> (u16, String, bool) {
        self.send_as(&self.token, path, key, how).await
    }

    async fn send_as(&self, token: &str, path: &str, key: &str, how: &str) -> (u16, String, bool) {
        let bearer = format!("Bearer {token}");
        let body = format!(r#"{{"how":"{how}"}}"#);
        let mut headers = vec![("content-type", "application/json"), ("authorization", bearer.as_str())];
        if !key.is_empty() {
            headers.push(("idempotency-key", key));
        }
        let response = send(self.app.clone(), request("POST", path, &headers, body)).await;
        let status = response.status().as_u16();
        let replayed = response.headers().contains_key("idempotency-replayed");
        let problem = response.headers()["content-type"] == "application/problem+json";
        assert_eq!(problem, status >= 400);
        (status, crate::testing::body_of(response).await, replayed)
    }

    fn acts(&self) -> usize {
        self.house.acts.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn without_a_key_each_request_acts() {
    let t = setup().await;
    assert_eq!(t.send("/buy", "", "well").await, (201, "1".to_owned(), false));
    assert_eq!(t.send("/buy", "", "well").await, (201, "2".to_owned(), false));
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer() {
    let t = setup().await;
    assert_eq!(t.send("/buy", "k", "well").await, (201, "1".to_owned(), false));
    assert_eq!(t.send("/buy", "k", "well").await, (201, "1".to_owned(), true));
    assert_eq!(t.send("/buy", "other", "well").await, (201, "2".to_owned(), false));
    t.clock.advance(Duration::from_secs(24 * 3600 + 1));
    let token = t.web.sessions().issue(&session(&t.web, Role::User)).unwrap();
    assert_eq!(
        t.send_as(&token, "/buy", "k", "well").await,
        (201, "3".to_owned(), false),
        "another user's key"
    );
}

#[tokio::test]
async fn another_body_or_path_is_refused() {
    let t = setup().await;
    t.send("/buy", "k", "well").await;
    assert_eq!(t.send("/buy", "k", "badly").await.0, 422);
    assert_eq!(t.send("/buy/7", "k", "well").await.0, 422);
    assert_eq!(t.send("/buy", "k", "well").await, (201, "1".to_owned(), true), "and harms nothing");
    assert_eq!(t.acts(), 1);
}

#[tokio::test]
async fn keeps_an_error_unless_it_may_pass() {
    for (how, status, kept) in [
        ("sold out", 400, true),
        ("declined", 402, true),
        ("", 400, true),
        ("signed out", 401, false),
        ("too many", 429, false),
        ("away", 503, false),
        ("broken", 500, false),
    ] {
        let t = setup().await;
        let first = t.send("/buy", "k", how).await;
        let second = t.send("/buy", "k", how).await;
        assert_eq!((first.0, second.0), (status, status), "{how}");
        assert_eq!((second.2, t.acts()), (kept, if kept { 1 } else { 2 }), "{how}");
        assert_eq!(first.1, second.1, "the same body");
    }
}

#[tokio::test]
async fn an_answer_stored_by_the_act_itself_stays() {
    let t = setup().await;
    assert_eq!(t.send("/buy", "k", "by itself").await, (201, "1".to_owned(), false));
    assert_eq!(t.send("/buy", "k", "by itself").await, (201, r#"{"stored":1}"#.to_owned(), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_with_one_key_acts_once() {
    let t = Arc::new(setup().await);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let t = Arc::clone(&t);
            tokio::spawn(async move { t.send("/buy", "k", "well").await })
        })
        .collect();
    let mut fresh = 0;
    for task in tasks {
        let (status, body, replayed) = task.await.unwrap();
        assert_eq!((status, body.as_str()), (201, "1"));
        fresh += usize::from(!replayed);
    }
    assert_eq!((fresh, t.acts()), (1, 1));
}

#[tokio::test]
async fn a_key_is_one_short_visible_value() {
    let t = setup().await;
    let (long, too_long) = ("k".repeat(255), "k".repeat(256));
    for (key, status) in [("k", 201), ("~!\"", 201), (&long, 201), (&too_long, 400), ("a b", 400), ("ä", 400)]
    {
        assert_eq!(t.send("/buy", key, "well").await.0, status, "{key}");
    }
    let bearer = format!("Bearer {}", t.token);
    let headers = [
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
        ("idempotency-key", "a"),
        ("idempotency-key", "b"),
    ];
    assert_eq!(send(t.app.clone(), request("POST", "/buy", &headers, "{}")).await.status(), 400);
    let empty = [headers[0], headers[1], ("idempotency-key", "")];
    assert_eq!(send(t.app.clone(), request("POST", "/buy", &empty, "{}")).await.status(), 400);
}

#[tokio::test]
async fn who_is_not_signed_in_is_told_so_first() {
    let t = setup().await;
    let response =
        send(t.app.clone(), request("POST", "/buy", &[("idempotency-key", "a b")], "nonsense")).await;
    assert_eq!(response.status(), 401);
}

/// The key `k` of the request that wants `how`.
fn key(t: &Setup, how: &str) -> IdempotencyKey {
    let user = t.web.sessions().verify(&t.token).unwrap().user;
    let body = format!(r#"{{"how":"{how}"}}"#);
    let fingerprint = fingerprint("/buy", body.as_bytes());
    IdempotencyKey { scope: format!("{user} POST /buy"), key: "k".to_owned(), fingerprint }
}

/// What another process does when it is done with `key`.
async fn answer_elsewhere(t: &Setup, key: &IdempotencyKey) {
    let stored = &StoredAnswer { status: 201, body: "7".to_owned() };
    t.house.db.write(|tx| async move { tx.answer(&key.scope, &key.key, stored).await }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_at_work_elsewhere_is_waited_for() {
    let t = Arc::new(setup().await);
    let key = &key(&t, "well");
    assert!(t.house.db.write(|tx| async move { tx.remember(key, None).await }).await.unwrap());
    let waiting = tokio::spawn({
        let t = Arc::clone(&t);
        async move { t.send("/buy", "k", "well").await }
    });
    tokio::time::sleep(LOOK).await;
    assert!(!waiting.is_finished());
    answer_elsewhere(&t, key).await;
    assert_eq!(waiting.await.unwrap(), (201, "7".to_owned(), true));
    assert_eq!(t.acts(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_began_elsewhere_after_the_look_is_waited_for_as_well() {
    let t = Arc::new(setup().await);
    let key = &key(&t, "meanwhile");
    let waiting = tokio::spawn({
        let t = Arc::clone(&t);
        async move { t.send("/buy", "k", "meanwhile").await }
    });
    let began = std::time::Instant::now();
    while t.house.db.recall(key).await.unwrap() != Recall::Running {
        assert!(began.elapsed() < PATIENCE, "the act does not begin");
        tokio::task::yield_now().await;
    }
    answer_elsewhere(&t, key).await;
    assert_eq!(waiting.await.unwrap(), (201, "7".to_owned(), true));
    assert_eq!(t.acts(), 1, "which found the key taken");
}

/// The other process has the same key and database, and turns of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_with_one_key_at_two_processes_acts_once() {
    let t = setup().await;
    if !t.house.db.is_shared() {
        return; // An embedded database has one process.
    }
    let (web, _) = web();
    let routes = Router::new().route("/buy", post(buy)).with_state(t.house.clone());
    let there = Setup { app: served(routes, &web), web, ..t.clone() };
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let at = if n % 2 == 0 { t.clone() } else { there.clone() };
            tokio::spawn(async move { at.send("/buy", "k", "at once").await })
        })
        .collect();
    let (mut fresh, mut bodies) = (0, Vec::new());
    for task in tasks {
        let (status, body, replayed) = task.await.unwrap();
        assert_eq!(status, 201, "{body}");
        fresh += usize::from(!replayed);
        bodies.push(body);
    }
    bodies.dedup();
    assert_eq!((fresh, bodies.len()), (1, 1));
}

#[tokio::test]
async fn one_that_was_answered_elsewhere_after_the_look_is_replayed() {
    let t = setup().await;
    assert_eq!(t.send("/buy", "k", "too late").await, (201, "7".to_owned(), true));
    assert_eq!(t.send("/buy", "k", "too late").await, (201, "7".to_owned(), true));
    assert_eq!(t.acts(), 1);
}

#[tokio::test]
async fn ones_own_work_is_not_waited_for() {
    let t = setup().await;
    let began = std::time::Instant::now();
    assert_eq!(t.send("/buy", "k", "begun").await.0, 503, "the client is told at once");
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(t.house.db.recall(&key(&t, "begun")).await.unwrap(), Recall::Running, "and may ask again");
}

async fn hang(State(house): State<House>, session: Session, request: Post) -> Result<Response> {
    let (_, once) = request.into_parts();
    let act = async |_| {
        house.acts.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    };
    once.within(&house.db, Some(session.user), "POST /hang", act).await
}

#[tokio::test]
async fn where_the_act_has_a_bound_whoever_repeats_one_that_hangs_is_told_so_soon() {
    let t = setup().await;
    let app = served(Router::new().route("/hang", post(hang)).with_state(t.house.clone()), &t.web);
    let repeats = Setup { app, ..t.clone() };
    let first = tokio::spawn({
        let repeats = repeats.clone();
        async move { repeats.send("/hang", "k", "well").await }
    });
    while t.acts() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    // All of them at once, and not one after the other.
    for (status, ..) in
        futures_util::future::join_all((0..20).map(|_| repeats.send("/hang", "k", "well"))).await
    {
        assert_eq!(status, 503);
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(t.acts(), 1);
    first.abort();
}
