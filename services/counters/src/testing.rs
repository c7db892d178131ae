//! What the tests of this crate share: the service behind the real stack, on a real database.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use contracts::Role;
use db::{Db, Location};
use engines::Home;
use http_body_util::BodyExt as _;
use kernel::{Clock, Instant, SessionId, UserId};
use tower::ServiceExt as _;
use web::{Config, Session, Web};

use crate::model::Increment;
use crate::tally::Command;
use crate::{Counters, MIGRATIONS, Settings};

/// The service on a database of its own, on a clock that stands still.
pub(crate) struct House {
    home: Home,
    pub clock: Clock,
    pub web: Web,
    pub db: Db,
    pub counters: Counters,
    pub app: Router,
    /// The cookie of somebody who is signed in.
    pub cookie: String,
}

pub(crate) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    /// The status, and where it leads.
    pub fn goes_to(&self) -> (u16, &str) {
        (self.status, self.headers.get(header::LOCATION).map_or("", |to| to.to_str().unwrap()))
    }
}

impl House {
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let home = Home::new().await;
        let clock = Clock::manual(Instant::from_millis(1_800_000_000_000));
        let web = Web::new(Config { clock: clock.clone(), ..Config::default() });
        let db = open(&home, &clock);
        db.migrate(MIGRATIONS).await.unwrap();
        let counters = Counters::new(db.clone(), settings);
        // As its job does at the start.
        counters.sample().await.unwrap();
        let app = web::stack(counters.routes(), &web);
        let (id, user) = (SessionId::new(&clock), UserId::new(&clock));
        let expires_at = clock.now() + Duration::from_secs(3600);
        let session = Session { id, user, role: Role::User, expires_at };
        let cookie = format!("session={}", web.sessions().issue(&session).unwrap());
        Self { home, clock, web, db, counters, app, cookie }
    }

    /// Another process on the same database, where that can be.
    pub fn neighbour(&self) -> Counters {
        Counters::new(open(&self.home, &self.clock), Settings::default())
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let (parts, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// A page as whoever is signed in sees it.
    pub async fn page(&self, path: &str) -> Reply {
        self.page_of(path, &self.cookie).await
    }

    pub async fn page_of(&self, path: &str, cookie: &str) -> Reply {
        let request = Request::get(path).header(header::ACCEPT, "text/html").header(header::COOKIE, cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub async fn submit(&self, path: &str, form: &str) -> Reply {
        let request = Request::post(path)
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, &self.cookie);
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// Adds to counters, all in one transaction.
    pub async fn add(&self, increments: &[(&str, i64)]) {
        add(&self.counters, increments).await;
    }

    /// Lets so many seconds pass, one by one, with the samples that fall due.
    pub async fn passes(&self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            self.counters.sample().await.unwrap();
        }
    }
}

fn open(home: &Home, clock: &Clock) -> Db {
    Db::open(&Location::new(home.url(), home.directory(), "counters"), "counters", clock.clone()).unwrap()
}

/// Adds to counters of one process, all in one transaction.
pub(crate) async fn add(counters: &Counters, increments: &[(&str, i64)]) {
    let increments =
        increments.iter().map(|(key, value)| Increment { key: (*key).to_owned(), value: *value });
    counters.count(Command { increments: increments.collect(), keyed: None }).await.unwrap();
}
