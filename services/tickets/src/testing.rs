//! What the tests of this crate share: the service behind the real stack, on a real database.

use std::time::Duration;

use ::events::Handler as _;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use contracts::{Event, OrderState, OrderStatus, OrderTicket, Role, VideoState, Visibility};
use db::{Db, Location};
use engines::Home;
use http_body_util::BodyExt as _;
use kernel::{Clock, Instant, OrderId, SessionId, TicketId, UserId, VideoId};
use serde_json::Value;
use tower::ServiceExt as _;
use web::{Config, Session, Web};

use crate::{MIGRATIONS, Settings, Tickets};

/// The service on a database of its own, with two people.
pub(crate) struct House {
    _home: Home,
    pub clock: Clock,
    pub web: Web,
    pub db: Db,
    pub tickets: Tickets,
    pub app: Router,
    /// The cookie of a seller.
    pub seller: String,
    /// Who that is.
    pub seller_id: UserId,
    /// The cookie of somebody else.
    pub buyer: String,
}

pub(crate) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// The status, and the message and the field of the first error.
    pub fn error(&self) -> (u16, String, String) {
        let error = &self.json()["errors"][0];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (self.status, text("message"), text("field"))
    }

    pub fn ids(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json().as_array().unwrap().iter().map(|t| t["id"].as_str().unwrap().to_owned()).collect()
    }
}

impl House {
    pub async fn new() -> Self {
        let home = Home::new().await;
        let clock = Clock::manual(Instant::from_millis(1_800_000_000_000));
        let web = Web::new(Config { clock: clock.clone(), ..Config::default() });
        let db = Db::open(&Location::new(home.url(), home.directory(), "tickets"), "tickets", clock.clone())
            .unwrap();
        db.migrate(MIGRATIONS).await.unwrap();
        let tickets = Tickets::new(db.clone(), web.clone(), Settings::default());
        let app = web::stack(tickets.routes(), &web);
        let cookie = |user: UserId| {
            let id = SessionId::new(&clock);
            let expires_at = clock.now() + Duration::from_secs(3600);
            let session = Session { id, user, role: Role::User, expires_at };
            format!("session={}", web.sessions().issue(&session).unwrap())
        };
        let seller_id = UserId::new(&clock);
        let (seller, buyer) = (cookie(seller_id), cookie(UserId::new(&clock)));
        Self { _home: home, clock, web, db, tickets, app, seller, seller_id, buyer }
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let (parts, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub async fn call(&self, method: &str, path: &str, cookie: &str, body: Value) -> Reply {
        let request = Request::builder().method(method).uri(path).header(header::COOKIE, cookie);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(request.header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()).await
    }

    pub async fn get(&self, path: &str, cookie: &str) -> Reply {
        let request = Request::get(path).header(header::COOKIE, cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Lists a ticket as the seller; answers its JSON.
    pub async fn listed(&self, body: Value) -> Value {
        let reply = self.call("POST", "/api/tickets", &self.seller, body).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.json()
    }

    pub async fn ticket(&self, id: &str) -> Value {
        self.get(&format!("/api/tickets/{id}"), "").await.json()
    }

    /// Hears of an order for a ticket.
    pub async fn hears(&self, order: &OrderState) {
        let event = match (order.version, order.status) {
            (0, _) => Event::OrderCreated(order.clone()),
            (_, OrderStatus::Cancelled) => Event::OrderCancelled(order.clone()),
            _ => Event::OrderUpdated(order.clone()),
        };
        self.hears_all(&self.tickets, &[event]).await;
    }

    /// One process of perhaps several hears these in one batch.
    pub async fn hears_all(&self, tickets: &Tickets, events: &[Event]) {
        let events: &Vec<&Event> = &events.iter().collect();
        self.db.write(|tx| async move { tickets.handle(&tx, events).await }).await.unwrap();
    }

    /// A video of the seller, of an hour and a half, for holders of tickets.
    pub fn video(&self, title: &str) -> VideoState {
        VideoState {
            id: VideoId::new(&self.clock),
            version: 0,
            owner_id: self.seller_id,
            title: title.to_owned(),
            path: "film.mp4".to_owned(),
            visibility: Visibility::Ticket,
            duration: Some(5_400_000),
            has_poster: true,
            change: 1,
        }
    }

    /// Hears that a video was published; answers its id.
    pub async fn published(&self, video: &VideoState) -> String {
        self.hears_all(&self.tickets, &[Event::VideoCreated(video.clone())]).await;
        video.id.to_string()
    }

    /// Hears that somebody holds some units; answers the order.
    pub async fn held(&self, id: &str, quantity: i64) -> OrderState {
        let ticket = self.tickets.read(id.parse::<TicketId>().unwrap()).await.unwrap();
        let order = OrderState {
            id: OrderId::new(&self.clock),
            version: 0,
            user_id: UserId::new(&self.clock),
            status: OrderStatus::Created,
            reason: None,
            quantity,
            amount: ticket.price,
            expires_at: self.clock.now() + Duration::from_secs(900),
            ticket: OrderTicket {
                id: ticket.id,
                title: ticket.title,
                price: ticket.price,
                version: ticket.version,
                seller_id: ticket.user_id,
            },
            payment_id: None,
            refund: None,
        };
        self.hears(&order).await;
        order
    }

    /// Subjects and versions of all that was announced.
    pub async fn announced(&self) -> Vec<(&'static str, i64)> {
        let recorded = self.db.outbox_waiting(1000).await.unwrap();
        let events = recorded.iter().map(|r| serde_json::from_str::<Event>(&r.payload).unwrap());
        events.map(|event| (event.subject(), event.version())).collect()
    }
}

pub(crate) fn id_of(ticket: &Value) -> String {
    ticket["id"].as_str().unwrap().to_owned()
}
