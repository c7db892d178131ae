//! The service behind the real stack, on a real database; only storage is a shelf in memory.

mod attachments;
mod catalogue;
mod departing;
mod ending;
mod failing;
mod history;
mod orders;
mod raw;
mod resumable;
mod shelf;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use ::events::Handler as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, header};
use contracts::{Event, OrderState, OrderStatus, OrderTicket, Role, TicketState, UserState};
use db::{Db, Location};
use engines::Home;
use http_body_util::BodyExt as _;
use kernel::{Clock, Instant, Money, OrderId, SessionId, TicketId, UserId, VideoId};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use web::{Config, Session, Web};

use crate::{MIGRATIONS, Settings, Streaming};
use shelf::Shelf;

/// A film that plays at once, one whose index is at its end, and one of another kind.
pub(super) const FIRST: &[u8] = include_bytes!("../../../../crates/containers/samples/first.mp4");
pub(super) const LAST: &[u8] = include_bytes!("../../../../crates/containers/samples/last.mp4");
pub(super) const WEBM: &[u8] = include_bytes!("../../../../crates/containers/samples/vp9.webm");

/// Somebody who is signed in.
#[derive(Clone)]
pub(super) struct Person {
    pub id: UserId,
    pub session: SessionId,
    pub cookie: String,
}

/// The service on a database of its own, with three people.
pub(super) struct House {
    _home: Home,
    pub clock: Clock,
    pub db: Db,
    pub shelf: Arc<Shelf>,
    pub streaming: Streaming,
    pub app: Router,
    pub owner: Person,
    pub viewer: Person,
    pub other: Person,
}

pub(super) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|e| panic!("{e}: {} {:?}", self.status, self.bytes))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status and the first message.
    pub fn error(&self) -> (u16, String) {
        (self.status, self.json()["errors"][0]["message"].as_str().unwrap_or_default().to_owned())
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}", self.bytes);
        self
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
        let location = Location::new(home.url(), home.directory(), "streaming");
        let db = Db::open(&location, "streaming", clock.clone()).unwrap();
        db.migrate(MIGRATIONS).await.unwrap();
        let shelf = Arc::new(Shelf::default());
        let memory = cache::Memory::default();
        let streaming =
            Streaming::new(db.clone(), web.clone(), settings, &memory, Arc::clone(&shelf) as _, b"the key");
        let app = web::stack(streaming.routes(), &web);
        let person = || {
            let (id, user) = (SessionId::new(&clock), UserId::new(&clock));
            let expires_at = clock.now() + Duration::from_secs(30 * 86_400);
            let session = Session { id, user, role: Role::User, expires_at };
            Person {
                id: user,
                session: id,
                cookie: format!("session={}", web.sessions().issue(&session).unwrap()),
            }
        };
        let (owner, viewer, other) = (person(), person(), person());
        Self { _home: home, clock, db, shelf, streaming, app, owner, viewer, other }
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let (parts, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    /// Sends `body` as `who`, with `headers`.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        who: Option<&Person>,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(who) = who {
            request = request.header(header::COOKIE, &who.cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub async fn get(&self, path: &str, who: Option<&Person>) -> Reply {
        self.ask("GET", path, who, &[], ()).await
    }

    pub async fn call(&self, method: &str, path: &str, who: Option<&Person>, body: Value) -> Reply {
        self.ask(method, path, who, &[("content-type", "application/json")], body.to_string()).await
    }

    /// The owner's video of `bytes`.
    pub async fn video(&self, bytes: &[u8], visibility: &str) -> String {
        let headers = [("file-name", "film.mp4")];
        let reply =
            self.ask("POST", "/api/videos", Some(&self.owner), &headers, bytes.to_vec()).await.expect(201);
        let id = reply.json()["id"].as_str().unwrap().to_owned();
        if visibility != "private" {
            let path = format!("/api/videos/{id}");
            self.call("PATCH", &path, Some(&self.owner), json!({ "visibility": visibility }))
                .await
                .expect(200);
        }
        id
    }

    pub async fn watch(&self, id: &str, who: Option<&Person>) -> Reply {
        self.get(&format!("/video?id={id}"), who).await
    }

    /// The ids of the videos that somebody sees.
    pub async fn catalogue(&self, who: Option<&Person>) -> Vec<String> {
        let list = self.get("/api/videos", who).await.expect(200).json();
        list.as_array().unwrap().iter().map(|video| video["id"].as_str().unwrap().to_owned()).collect()
    }

    pub async fn hear(&self, event: &Event) {
        let streaming = &self.streaming;
        self.db.write(|tx| async move { streaming.handle(&tx, &[event]).await }).await.unwrap();
    }

    /// A ticket of `seller`'s to a video.
    pub fn ticket(&self, seller: &Person, video: &str) -> TicketState {
        TicketState {
            id: TicketId::new(&self.clock),
            version: 0,
            user_id: seller.id,
            title: "A seat".to_owned(),
            price: "5".parse::<Money>().unwrap(),
            capacity: 10,
            withdrawn: false,
            starts_at: None,
            video_id: Some(video.parse::<VideoId>().unwrap()),
            opens_at: None,
            closes_at: None,
        }
    }

    pub fn order(
        &self,
        ticket: &TicketState,
        buyer: &Person,
        version: i64,
        status: OrderStatus,
    ) -> OrderState {
        OrderState {
            id: OrderId::new(&self.clock),
            version,
            user_id: buyer.id,
            status,
            reason: None,
            quantity: 1,
            amount: ticket.price,
            expires_at: self.clock.now() + Duration::from_secs(900),
            ticket: OrderTicket {
                id: ticket.id,
                title: ticket.title.clone(),
                price: ticket.price,
                version: ticket.version,
                seller_id: ticket.user_id,
            },
            payment_id: None,
            refund: None,
        }
    }

    /// The viewer has a ticket to a video; answers both.
    pub async fn sold(&self, seller: &Person, video: &str) -> (TicketState, OrderState) {
        let ticket = self.ticket(seller, video);
        self.hear(&Event::TicketCreated(ticket.clone())).await;
        let order = self.order(&ticket, &self.viewer, 2, OrderStatus::Complete);
        self.hear(&Event::OrderUpdated(order.clone())).await;
        (ticket, order)
    }

    pub async fn refunded(&self, order: &OrderState) {
        let version = order.version + 1;
        let order = OrderState { version, status: OrderStatus::Cancelled, ..order.clone() };
        self.hear(&Event::OrderCancelled(order)).await;
    }

    pub async fn deleted(&self, who: &Person) {
        let state = json!({ "id": who.id, "version": 1, "role": "user", "createdAt": self.clock.now() });
        let state: UserState = serde_json::from_value(state).unwrap();
        self.hear(&Event::UserDeleted(state)).await;
    }

    /// Subjects and versions of all that was announced of videos and plays, by aggregate.
    pub async fn announced(&self) -> Vec<(String, &'static str, i64)> {
        let recorded = self.db.outbox_waiting(1000).await.unwrap();
        let events = recorded.iter().map(|r| serde_json::from_str::<Event>(&r.payload).unwrap());
        events.map(|event| (event.aggregate(), event.subject(), event.version())).collect()
    }

    pub async fn plays(&self) -> usize {
        self.announced().await.iter().filter(|(_, subject, _)| *subject == "play:created").count()
    }
}

/// A film with so much at its end that nobody plays.
pub(super) fn long(length: usize) -> Vec<u8> {
    let mut film = FIRST.to_vec();
    film.extend(u32::try_from(length).unwrap().to_be_bytes());
    film.extend(b"free");
    film.resize(FIRST.len() + length, 7);
    film
}

pub(super) fn sha256(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).to_vec()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

pub(super) fn broken(bytes: &'static [u8]) -> Body {
    let frames = [Ok(Bytes::from_static(bytes)), Err(std::io::Error::other("the line is dead"))];
    Body::from_stream(futures_util::stream::iter(frames))
}

pub(super) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
