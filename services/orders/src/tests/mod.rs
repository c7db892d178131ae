//! A house with a real database, driven through its routes and by events.

mod api;
mod events;
mod pages;
mod plays;
mod sales;
mod traces;

use std::time::Duration;

use ::events::Bus;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use contracts::{Event, ExpirationState, PaymentState, PaymentStatus, Role, TicketState};
use db::{Db, Location, Recorded};
use engines::Home;
use kernel::{Clock, EventId, Instant, Money, OrderId, PaymentId, SessionId, TicketId, UserId};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use web::{Config, Session, Web};

use crate::{MIGRATIONS, Orders, Settings, verify};

struct House {
    _home: Home,
    clock: Clock,
    web: Web,
    db: Db,
    orders: Orders,
    app: Router,
    buyer: Session,
    seller: Session,
}

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

    fn order(&self) -> OrderId {
        assert_eq!(self.status, 201, "{}", self.text);
        self.body["id"].as_str().unwrap().parse().unwrap()
    }
}

impl House {
    async fn new() -> Self {
        Self::at(Instant::from_millis(1_760_000_000_000)).await
    }

    /// One whose clock stands at `now`.
    async fn at(now: Instant) -> Self {
        let home = Home::new().await;
        let clock = Clock::manual(now);
        let web = Web::new(Config { clock: clock.clone(), ..Config::default() });
        let db = Db::open(&Location::new(home.url(), home.directory(), "orders"), "orders", clock.clone())
            .unwrap();
        db.migrate(MIGRATIONS).await.unwrap();
        let orders = Orders::new(db.clone(), web.clone(), Settings::default());
        let app = web::stack(orders.routes(), &web);
        let (buyer, seller) = (session(&clock, Role::User), session(&clock, Role::User));
        Self { _home: home, clock, web, db, orders, app, buyer, seller }
    }

    fn stranger(&self) -> Session {
        session(&self.clock, Role::User)
    }

    fn operator(&self) -> Session {
        session(&self.clock, Role::Operator)
    }

    fn ticket_of(&self, capacity: i64) -> TicketState {
        TicketState {
            id: TicketId::new(&self.clock),
            version: 0,
            user_id: self.seller.user,
            title: "Metropolis".into(),
            price: Money::from_minor(1999),
            capacity,
            withdrawn: false,
            starts_at: Some(self.clock.now() + Duration::from_secs(86_400)),
            video_id: None,
            opens_at: None,
            closes_at: None,
        }
    }

    /// A ticket that orders has heard of.
    async fn ticket(&self, capacity: i64) -> TicketId {
        let ticket = self.ticket_of(capacity);
        let id = ticket.id;
        self.hear(Event::TicketCreated(ticket)).await;
        id
    }

    async fn hear(&self, event: Event) {
        self.heard_by(&self.orders, event).await;
    }

    async fn heard_by(&self, orders: &Orders, event: Event) {
        Bus::local(vec![orders.subscription()]).publish(vec![self.recorded(&event)]).await.unwrap();
    }

    /// Brings these in one batch.
    async fn hear_all(&self, events: &[Event]) {
        let batch = events.iter().map(|event| self.recorded(event)).collect();
        Bus::local(vec![self.orders.subscription()]).publish(batch).await.unwrap();
    }

    fn recorded(&self, event: &Event) -> Recorded {
        Recorded {
            seq: 0,
            id: EventId::new(&self.clock),
            subject: event.subject().to_owned(),
            aggregate: event.aggregate(),
            version: event.version(),
            payload: serde_json::to_string(event).unwrap(),
            occurred_at: self.clock.now(),
            trace: kernel::Trace::NONE,
        }
    }

    async fn hold_ends(&self, order_id: OrderId) {
        let state = ExpirationState { order_id, expires_at: self.clock.now() };
        self.hear(Event::ExpirationComplete(state)).await;
    }

    fn payment(&self, order_id: OrderId) -> PaymentState {
        PaymentState {
            id: PaymentId::new(&self.clock),
            version: 0,
            order_id,
            user_id: self.buyer.user,
            amount: Money::from_minor(1999),
            status: PaymentStatus::Pending,
            refund_requested: false,
        }
    }

    async fn begin_payment(&self, order: OrderId) -> PaymentState {
        let payment = self.payment(order);
        self.hear(Event::PaymentCreated(payment.clone())).await;
        payment
    }

    /// The next version of a payment.
    async fn settle(&self, payment: &mut PaymentState, status: PaymentStatus) {
        payment.version += 1;
        payment.status = status;
        self.hear(Event::PaymentUpdated(payment.clone())).await;
    }

    /// An order that is complete, with its payment.
    async fn paid(&self, ticket: TicketId, quantity: i64) -> (OrderId, PaymentState) {
        let order = self.reserve(ticket, quantity).await.order();
        let mut payment = self.begin_payment(order).await;
        self.settle(&mut payment, PaymentStatus::Captured).await;
        (order, payment)
    }

    async fn codes(&self, order: OrderId) -> Vec<String> {
        let reply = self.get(Some(&self.buyer), &format!("/api/orders/{order}")).await;
        let admissions = reply.body["admissions"].as_array().unwrap();
        admissions.iter().map(|a| a["code"].as_str().unwrap().to_owned()).collect()
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
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Reply { status: parts.status.as_u16(), headers: parts.headers, text, body }
    }

    async fn get(&self, who: Option<&Session>, path: &str) -> Reply {
        self.send(self.request("GET", who, path).body(Body::empty()).unwrap()).await
    }

    async fn delete(&self, who: Option<&Session>, path: &str) -> Reply {
        self.send(self.request("DELETE", who, path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, who: Option<&Session>, path: &str, body: &Value) -> Reply {
        self.post_once(who, path, body, None).await
    }

    async fn post_once(&self, who: Option<&Session>, path: &str, body: &Value, key: Option<&str>) -> Reply {
        let mut request = self.request("POST", who, path).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn post_form(&self, who: Option<&Session>, path: &str, body: &str) -> Reply {
        let form = "application/x-www-form-urlencoded";
        let request = self.request("POST", who, path).header("content-type", form);
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn reserve(&self, ticket: TicketId, quantity: i64) -> Reply {
        let wish = json!({ "ticketId": ticket, "quantity": quantity });
        self.post(Some(&self.buyer), "/api/orders", &wish).await
    }

    async fn redeem(&self, who: Option<&Session>, code: &str) -> Reply {
        self.post(who, &format!("/api/admissions/{code}/redeem"), &json!({})).await
    }

    async fn assert_capacity_adds_up(&self) {
        assert_eq!(verify::capacity(&self.db).await.unwrap().1, Vec::<String>::new());
    }
}

fn session(clock: &Clock, role: Role) -> Session {
    let expires_at = clock.now() + web::SESSION_LIFETIME;
    Session { id: SessionId::new(clock), user: UserId::new(clock), role, expires_at }
}
