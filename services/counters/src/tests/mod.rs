//! A house with a real database, driven through its routes, by its lane and by events.

mod api;
mod batch;
mod events;
mod exact;
mod keys;
mod list;

use std::time::{Duration, Instant as Moment};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request};
use contracts::Role;
use db::{Db, Location};
use engines::Home;
use kernel::{Clock, Instant, SessionId, UserId};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use web::{Config, Session, Web};

use crate::tally::{Command, Outcome};
use crate::{Counters, Increment, MIGRATIONS, Settings};

/// How long anything may take before a test gives up on it.
const DEADLINE: Duration = Duration::from_secs(30);
const NOBODY: Option<&Session> = None;

struct House {
    home: Home,
    clock: Clock,
    web: Web,
    db: Db,
    counters: Counters,
    app: Router,
    user: Session,
}

#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
    body: Value,
}

impl Reply {
    fn message(&self) -> &str {
        self.body["errors"][0]["message"].as_str().unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn is_replayed(&self) -> bool {
        self.header("idempotency-replayed") == "true"
    }

    /// What the counter came to.
    #[track_caller]
    fn value(&self) -> i64 {
        assert_eq!(self.status, 200, "{}", self.text);
        self.body["newValue"].as_i64().unwrap()
    }
}

impl House {
    async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let home = Home::new().await;
        let clock = Clock::manual(Instant::from_millis(1_760_000_000_000));
        let web = web_side(&clock);
        let db = open(&home, &clock);
        db.migrate(MIGRATIONS).await.unwrap();
        let counters = Counters::new(db.clone(), settings);
        let app = web::stack(counters.routes(), &web);
        let user = session(&clock);
        Self { home, clock, web, db, counters, app, user }
    }

    /// Another process: where several may share a database its connections are its own, and so is its lane.
    fn another(&self) -> Counters {
        let db = if self.db.is_shared() { open(&self.home, &self.clock) } else { self.db.clone() };
        Counters::new(db, Settings::default())
    }

    /// Its routes, with a web side that knows the same sessions and nothing of what others are at work on.
    fn app_of(&self, counters: &Counters) -> Router {
        web::stack(counters.routes(), &web_side(&self.clock))
    }

    fn request(&self, method: &str, who: Option<&Session>, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path).header("host", "shop.example");
        match who {
            Some(session) => {
                let token = self.web.sessions().issue(session).unwrap();
                request.header("cookie", format!("session={token}"))
            }
            None => request,
        }
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        send_to(&self.app, request).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(self.request("GET", Some(&self.user), path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, who: Option<&Session>, path: &str, body: impl Into<Body>) -> Reply {
        let request = self.request("POST", who, path).header("content-type", "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// `key` may be anything that is no number.
    async fn add(&self, key: &str, value: impl Into<Value>) -> Reply {
        self.post(Some(&self.user), "/api/increment", wish(key, value)).await
    }

    /// With an idempotency key.
    async fn once(&self, idempotency: &str, key: &str, value: i64) -> Reply {
        self.send(self.keyed(idempotency, key, value)).await
    }

    fn keyed(&self, idempotency: &str, key: &str, value: i64) -> Request<Body> {
        let request = self.request("POST", Some(&self.user), "/api/increment");
        let request =
            request.header("content-type", "application/json").header("idempotency-key", idempotency);
        request.body(Body::from(wish(key, value))).unwrap()
    }

    /// What a counter is, by the API; nothing if it is not there.
    async fn read(&self, key: &str) -> Option<i64> {
        let key: String = form_urlencoded::byte_serialize(key.as_bytes()).collect();
        let reply = self.get(&format!("/api/counters/{}", key.replace('+', "%20"))).await;
        assert!(reply.status == 404 || reply.status == 200, "{}", reply.text);
        (reply.status == 200).then(|| reply.body["value"].as_i64().unwrap())
    }

    /// One increment by the lane, past the routes.
    async fn count(&self, key: &str, value: i64) -> kernel::Result<i64> {
        counted(self.counters.count(one(key, value)).await?).remove(0)
    }
}

fn web_side(clock: &Clock) -> Web {
    let jwt_key = b"a key that is long enough for a test".to_vec();
    Web::new(Config { clock: clock.clone(), jwt_key, ..Config::default() })
}

fn open(home: &Home, clock: &Clock) -> Db {
    Db::open(&Location::new(home.url(), home.directory(), "counters"), "counters", clock.clone()).unwrap()
}

fn session(clock: &Clock) -> Session {
    let expires_at = clock.now() + web::SESSION_LIFETIME;
    Session { id: SessionId::new(clock), user: UserId::new(clock), role: Role::User, expires_at }
}

async fn send_to(app: &Router, request: Request<Body>) -> Reply {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(to_bytes(body, 64 << 20).await.unwrap().to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Reply { status: parts.status.as_u16(), headers: parts.headers, text, body }
}

fn wish(key: &str, value: impl Into<Value>) -> String {
    json!({ "key": key, "value": value.into() }).to_string()
}

fn one(key: &str, value: i64) -> Command {
    Command { increments: vec![Increment { key: key.to_owned(), value }], keyed: None }
}

fn counted(outcome: Outcome) -> Vec<kernel::Result<i64>> {
    match outcome {
        Outcome::Counted(values) => values,
        other => panic!("{other:?}"),
    }
}

/// Asks until there is an answer.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Moment::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
