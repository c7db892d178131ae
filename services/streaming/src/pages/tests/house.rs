//! The service behind the real stack, on a real database; storage is a map.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::events::Handler as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, header};
use axum::response::{IntoResponse as _, Response};
use cache::Memory;
use contracts::{Event, OrderState, OrderStatus, OrderTicket, Role, TicketState};
use db::{Db, Location};
use engines::Home;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use kernel::{Clock, Error, Instant, Money, ObjectId, OrderId, PlayId, Result, SessionId, TicketId, UserId};
use kernel::{Kind, VideoId};
use objects::{Appended, Asked, Came, Objects, Part, Piece, Stored};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use web::{Config, Session, Web};

use crate::store::sittings::{self, Seat};
use crate::{MIGRATIONS, Settings, Streaming};

/// Objects in memory.
#[derive(Default)]
pub struct Shelf(Mutex<HashMap<ObjectId, Vec<u8>>>);

impl Shelf {
    fn with<T>(&self, id: ObjectId, act: impl FnOnce(&mut Vec<u8>) -> T) -> Result<T> {
        self.0.lock().unwrap().get_mut(&id).map(act).ok_or_else(Error::not_found)
    }
}

impl Objects for Shelf {
    fn begin(&self, id: ObjectId) -> BoxFuture<'_, Result<()>> {
        self.0.lock().unwrap().entry(id).or_default();
        async { Ok(()) }.boxed()
    }

    fn append(&self, id: ObjectId, part: Part) -> BoxFuture<'_, Result<Appended>> {
        async move {
            let Ok(whole) = part.body.collect().await else {
                return Ok(Appended { offset: part.offset, came: Came::Broken });
            };
            let bytes = whole.to_bytes();
            if part.offset + bytes.len() as u64 > part.most {
                return Err(Error::new(Kind::TooLarge, "It is too large"));
            }
            let offset = self.with(id, |kept| {
                kept.extend_from_slice(&bytes);
                kept.len() as u64
            })?;
            Ok(Appended { offset, came: Came::Whole })
        }
        .boxed()
    }

    fn uploaded(&self, id: ObjectId) -> BoxFuture<'_, Result<u64>> {
        async move { self.with(id, |kept| kept.len() as u64) }.boxed()
    }

    fn read_upload(&self, id: ObjectId, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        let part = move |kept: &mut Vec<u8>| {
            let end = (range.end as usize).min(kept.len());
            Bytes::copy_from_slice(&kept[(range.start as usize).min(end)..end])
        };
        async move { self.with(id, part) }.boxed()
    }

    fn publish(&self, id: ObjectId, _: Option<Vec<Piece>>) -> BoxFuture<'_, Result<Stored>> {
        async move { self.with(id, |kept| Stored { size: kept.len() as u64, sha256: "0".repeat(64) }) }
            .boxed()
    }

    fn remove(&self, id: ObjectId) -> BoxFuture<'_, Result<()>> {
        self.0.lock().unwrap().remove(&id);
        async { Ok(()) }.boxed()
    }

    fn answer(&self, id: ObjectId, asked: Asked) -> BoxFuture<'_, Result<Response>> {
        async move {
            let bytes = self.with(id, |kept| kept.clone())?;
            Ok(([(header::CONTENT_TYPE, asked.content_type)], bytes).into_response())
        }
        .boxed()
    }

    fn list(&self, _: Option<ObjectId>) -> BoxFuture<'_, Result<Vec<ObjectId>>> {
        async { Ok(self.0.lock().unwrap().keys().copied().collect()) }.boxed()
    }
}

/// The first bytes of an MP4: enough to be known for one.
pub const FILM: &[u8] = b"\0\0\0\x18ftypisom\0\0\x02\0isommp42\0\0\0\x08free";
/// And of a PNG.
pub const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0";

/// The service with two people.
pub struct House {
    _home: Home,
    pub clock: Clock,
    pub db: Db,
    pub streaming: Streaming,
    pub app: Router,
    pub owner: Person,
    pub other: Person,
}

pub struct Person {
    pub id: UserId,
    pub cookie: String,
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    /// The status, and where it leads to.
    pub fn goes_to(&self) -> (u16, &str) {
        (self.status, self.headers.get(header::LOCATION).map_or("", |to| to.to_str().unwrap()))
    }

    /// # Panics
    /// Unless all of `parts` are in the page.
    pub fn shows(&self, parts: &[&str]) {
        assert_eq!(self.status, 200, "{}", self.text);
        for part in parts {
            assert!(self.text.contains(part), "{part}: {}", self.text);
        }
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
        let streaming = Streaming::new(db.clone(), web.clone(), settings, &Memory::default(), shelf, b"key");
        let app = web::stack(streaming.routes(), &web);
        let person = || {
            let (id, user) = (SessionId::new(&clock), UserId::new(&clock));
            let expires_at = clock.now() + Duration::from_secs(30 * 86_400);
            let session = Session { id, user, role: Role::User, expires_at };
            Person { id: user, cookie: format!("session={}", web.sessions().issue(&session).unwrap()) }
        };
        let (owner, other) = (person(), person());
        Self { _home: home, clock, db, streaming, app, owner, other }
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let (mut parts, body) = request.into_parts();
        let from: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
        parts.extensions.insert(axum::extract::ConnectInfo(from));
        let answer = self.app.clone().oneshot(Request::from_parts(parts, body)).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub async fn page(&self, path: &str, cookie: &str) -> Reply {
        let request = Request::get(path).header(header::ACCEPT, "text/html").header(header::COOKIE, cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub async fn submit(&self, path: &str, cookie: &str, form: &str) -> Reply {
        let request = Request::post(path)
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, cookie);
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// Sends a form with texts, and a file if `file` has a name.
    pub async fn submit_file(
        &self,
        path: &str,
        cookie: &str,
        texts: &[(&str, &str)],
        (name, bytes): (&str, &[u8]),
    ) -> Reply {
        let mut body = Vec::new();
        for (field, text) in texts {
            let part = format!("--b\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{text}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        let says = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
        body.extend_from_slice(format!("--b\r\n{says}\r\nContent-Type: x/y\r\n\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n--b--\r\n");
        let request = Request::post(path)
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=b")
            .header(header::CONTENT_LENGTH, body.len())
            .header(header::COOKIE, cookie);
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    pub async fn call(&self, method: &str, path: &str, cookie: &str, body: Value) -> Reply {
        let request = Request::builder().method(method).uri(path).header(header::COOKIE, cookie);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(request.header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()).await
    }

    /// The owner uploads a film; answers its id.
    pub async fn film(&self, title: &str, visibility: &str) -> VideoId {
        let texts = [("title", title), ("visibility", visibility)];
        let reply = self.submit_file("/videos/new", &self.owner.cookie, &texts, ("film.mp4", FILM)).await;
        assert_eq!(reply.status, 303, "{}", reply.text);
        // Ids carry the time, by which lists are sorted.
        self.clock.advance(Duration::from_millis(2));
        reply.goes_to().1.strip_prefix("/videos/").unwrap().parse().unwrap()
    }

    /// A ticket of the owner's for a video, with a window in milliseconds from now.
    pub async fn ticket(&self, video: VideoId, title: &str, window: [Option<i64>; 2]) -> TicketState {
        let at = |from_now: Option<i64>| {
            from_now.map(|millis| Instant::from_millis(self.clock.now().as_millis() + millis))
        };
        let ticket = TicketState {
            id: TicketId::new(&self.clock),
            version: 0,
            user_id: self.owner.id,
            title: title.to_owned(),
            price: Money::from_minor(500),
            capacity: 10,
            withdrawn: false,
            starts_at: None,
            video_id: Some(video),
            opens_at: at(window[0]),
            closes_at: at(window[1]),
        };
        self.hears(&Event::TicketCreated(ticket.clone())).await;
        ticket
    }

    /// The other buys a ticket.
    pub async fn bought(&self, ticket: &TicketState) -> OrderState {
        let order = OrderState {
            id: OrderId::new(&self.clock),
            version: 0,
            user_id: self.other.id,
            status: OrderStatus::Complete,
            reason: None,
            quantity: 1,
            amount: ticket.price,
            expires_at: self.clock.now(),
            ticket: OrderTicket {
                id: ticket.id,
                title: ticket.title.clone(),
                price: ticket.price,
                version: 0,
                seller_id: ticket.user_id,
            },
            payment_id: None,
            refund: None,
        };
        self.hears(&Event::OrderCreated(order.clone())).await;
        order
    }

    pub async fn refunded(&self, order: OrderState) {
        let order = OrderState { version: 1, status: OrderStatus::Cancelled, ..order };
        self.hears(&Event::OrderCancelled(order)).await;
    }

    async fn hears(&self, event: &Event) {
        let streaming = &self.streaming;
        self.db.write(|tx| async move { streaming.handle(&tx, &[event]).await }).await.unwrap();
    }

    /// The other has watched a video, up to so many seconds.
    pub async fn watched(&self, video: VideoId, seconds: i64) {
        let seat = Seat { viewer: self.other.id.to_string(), video, user: Some(self.other.id) };
        sittings::sit(&self.db, &seat, PlayId::new(&self.clock), None, Duration::from_secs(1)).await.unwrap();
        let path = format!("/api/history/{video}");
        let told = self.call("PUT", &path, &self.other.cookie, json!({"position": seconds})).await;
        assert_eq!(told.status, 204, "{}", told.text);
        self.clock.advance(Duration::from_millis(2));
    }
}
