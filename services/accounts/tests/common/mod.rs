//! The service on a real database, behind the real stack.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)] // each test file uses its part

use std::net::SocketAddr;
use std::time::Duration;

use accounts::{Accounts, Limits, MIGRATIONS, NewUser, Settings};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, header};
use cache::Memory;
use contracts::{Event, Role};
use db::{Db, Location};
use engines::Home;
use http_body_util::BodyExt as _;
use kernel::{Clock, Instant};
use mail::Mail;
use serde_json::Value;
use tower::ServiceExt as _;
use web::{Config, Web};

/// Where the links of mails lead.
pub const SITE: &str = "https://shop.example";

pub struct House {
    pub home: Home,
    pub clock: Clock,
    pub web: Web,
    pub db: Db,
    pub mail: Mail,
    pub accounts: Accounts,
    pub app: Router,
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// Whether a session's cookie is set or cleared.
    pub fn sets_session(&self) -> bool {
        let set = self.headers.get_all(header::SET_COOKIE).iter();
        set.into_iter().any(|cookie| cookie.to_str().unwrap().starts_with("session="))
    }

    /// The session token of `Set-Cookie`; empty if it was cleared.
    pub fn token(&self) -> String {
        let cookie = self.headers.get(header::SET_COOKIE).expect("a cookie").to_str().unwrap();
        cookie.strip_prefix("session=").unwrap().split(';').next().unwrap().to_owned()
    }

    pub fn error(&self) -> (u16, String, Option<String>) {
        let json = self.json();
        let error = &json["errors"][0];
        let field = error["field"].as_str().map(str::to_owned);
        (self.status, error["message"].as_str().unwrap().to_owned(), field)
    }
}

pub fn a_web(clock: &Clock) -> Web {
    Web::new(Config {
        clock: clock.clone(),
        jwt_key: b"a key for the tests, long enough".to_vec(),
        secure_cookies: false,
        currency: "usd".into(),
        public_url: None,
        ..Config::default()
    })
}

pub async fn a_database(home: &Home, clock: &Clock) -> Db {
    let location = Location::new(home.url(), home.directory(), "accounts");
    let db = Db::open(&location, "accounts", clock.clone()).unwrap();
    db.migrate(MIGRATIONS).await.unwrap();
    db
}

impl House {
    pub async fn new() -> Self {
        Self::set(Settings::default()).await
    }

    pub async fn with(limits: Limits) -> Self {
        Self::set(Settings { limits, ..Settings::default() }).await
    }

    pub async fn set(settings: Settings) -> Self {
        Self::that_mails(settings, &mail::Settings::default()).await
    }

    pub async fn that_mails(settings: Settings, mail: &mail::Settings) -> Self {
        let home = Home::new().await;
        let clock = Clock::manual(Instant::from_millis(1_800_000_000_500));
        let web = a_web(&clock);
        let db = a_database(&home, &clock).await;
        let mail = Mail::open(mail, Some(SITE), home.directory().join("mail"), clock.clone()).unwrap();
        let accounts = Accounts::new(db.clone(), web.clone(), &settings, &Memory::default(), mail.clone());
        let app = web::stack(accounts.routes(), &web);
        Self { home, clock, web, db, mail, accounts, app }
    }

    /// The service of another process on the same database, that hears nothing of this one.
    pub fn other(&self) -> Accounts {
        let (db, web, mail) = (self.db.clone(), self.web.clone(), self.mail.clone());
        Accounts::new(db, web, &Settings::default(), &Memory::default(), mail)
    }

    /// Its pages and calls.
    pub fn replica(&self) -> Router {
        web::stack(self.other().routes(), &self.web)
    }

    /// A request with a bearer token, if it is not empty, and a JSON body, if it is not null.
    pub async fn call(&self, method: &str, path: &str, token: &str, body: Value) -> Reply {
        self.call_from("192.0.2.1:1", method, path, token, body).await
    }

    pub async fn call_from(&self, from: &str, method: &str, path: &str, token: &str, body: Value) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header(header::COOKIE, format!("session={token}"));
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        };
        let from: SocketAddr = from.parse().unwrap();
        self.send(request.extension(ConnectInfo(from)).body(body).unwrap()).await
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        Self::send_to(&self.app, request).await
    }

    pub async fn send_to(app: &Router, request: Request<Body>) -> Reply {
        let response = app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub async fn get(&self, path: &str, token: &str) -> Reply {
        self.call("GET", path, token, Value::Null).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.call("POST", path, "", body).await
    }

    /// Signs up; answers the id and the session's token.
    pub async fn sign_up(&self, email: &str) -> (String, String) {
        let reply =
            self.post("/api/users/signup", serde_json::json!({"email": email, "password": "password"})).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        (reply.json()["id"].as_str().unwrap().to_owned(), reply.token())
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Reply {
        self.post("/api/users/signin", serde_json::json!({"email": email, "password": password})).await
    }

    /// An operator's token.
    pub async fn operator(&self) -> String {
        let (email, password) = ("op@example.com".to_owned(), "operator!".to_owned());
        let new = NewUser { email: email.clone(), username: None, password, role: Role::Operator };
        self.accounts.create_user(new).await.unwrap();
        self.accounts.create_token(&email, Some(Duration::from_secs(3600))).await.unwrap()
    }

    pub async fn is_signed_in(&self, token: &str) -> bool {
        !self.get("/api/users/currentuser", token).await.json()["currentUser"].is_null()
    }

    pub async fn events(&self) -> Vec<Event> {
        let recorded = self.db.outbox_waiting(10_000).await.unwrap();
        recorded.iter().map(|r| serde_json::from_str(&r.payload).unwrap()).collect()
    }

    /// Subjects and versions of one user's events, in order.
    pub async fn user_events(&self, id: &str) -> Vec<(&'static str, i64)> {
        let aggregate = format!("user:{id}");
        let events = self.events().await;
        events.iter().filter(|e| e.aggregate() == aggregate).map(|e| (e.subject(), e.version())).collect()
    }

    pub async fn revocations(&self) -> usize {
        self.events().await.iter().filter(|e| matches!(e, Event::SessionRevoked(_))).count()
    }
}

/// Mail.
impl House {
    /// Sends what is due, and takes the mails that were not taken before out of the folder.
    pub async fn take_mail(&self) -> Vec<String> {
        self.accounts.send_mail(SITE).await.unwrap();
        let Ok(folder) = std::fs::read_dir(self.home.directory().join("mail")) else { return Vec::new() };
        let taken = folder.map(|file| {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::remove_file(path).unwrap();
            text
        });
        taken.collect()
    }

    /// The code of the one mail that is due: it goes to `to`, and its link to `page`.
    pub async fn code(&self, to: &str, page: &str) -> String {
        let mails = self.take_mail().await;
        assert_eq!(mails.len(), 1, "{mails:?}");
        code_of(&mails[0], to, page)
    }

    /// Mails that wait, and codes that count.
    pub async fn waiting(&self) -> (i64, i64) {
        let (mails,): (i64,) = self.db.one("SELECT COUNT(*) FROM mails", &[]).await.unwrap();
        let (codes,): (i64,) = self.db.one("SELECT COUNT(*) FROM mail_codes", &[]).await.unwrap();
        (mails, codes)
    }
}

pub fn code_of(mail: &str, to: &str, page: &str) -> String {
    assert!(mail.contains(&format!("\r\nTo: {to}\r\n")), "{mail}");
    let link = format!("{SITE}/{page}?code=");
    let (_, rest) = mail.split_once(&link).unwrap_or_else(|| panic!("no {link} in {mail}"));
    rest.split("\r\n").next().unwrap().to_owned()
}

/// As a browser asks.
impl House {
    pub async fn page(&self, path: &str, token: &str) -> Reply {
        let request = Request::get(path).header(header::ACCEPT, "text/html");
        self.send(request.header(header::COOKIE, format!("session={token}")).body(Body::empty()).unwrap())
            .await
    }

    pub async fn submit(&self, path: &str, token: &str, form: &str) -> Reply {
        let request = Request::post(path)
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, format!("session={token}"));
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }
}

/// The status, and where it leads.
pub fn goes_to(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.headers.get(header::LOCATION).map_or("", |to| to.to_str().unwrap()))
}
