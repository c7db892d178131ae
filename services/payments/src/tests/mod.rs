//! A house with real databases, driven through its routes and by events.

mod fake_stripe;
mod pages;
mod pay;
mod refund;
mod settle;
mod stripe;
mod webhook;

use std::time::Duration;

use ::events::Bus;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use contracts::{
    CancelReason, Event, ExpirationState, OrderState, OrderStatus, OrderTicket, PaymentState, PaymentStatus,
    Role,
};
use db::{Db, IdempotencyKey, Location, Recorded};
use engines::Home;
use kernel::{Clock, EventId, Instant, Money, OrderId, PaymentId, SessionId, TicketId, UserId};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use web::{Config, Session, Web};

use crate::gateway::Entry;
use crate::{Gateway, MIGRATIONS, Payments, Settings, TestGateway, verify};

struct House {
    _home: Home,
    clock: Clock,
    web: Web,
    db: Db,
    test: TestGateway,
    payments: Payments,
    app: Router,
    buyer: Session,
    seller: Session,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    fn message(&self) -> &str {
        self.body["errors"][0]["message"].as_str().unwrap_or_default()
    }

    fn payment(&self) -> PaymentId {
        assert_eq!(self.status, 201, "{}", self.body);
        self.body["id"].as_str().unwrap().parse().unwrap()
    }
}

impl House {
    async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let home = Home::new().await;
        let clock = Clock::manual(Instant::from_millis(1_760_000_000_000));
        let web = Web::new(Config {
            clock: clock.clone(),
            jwt_key: b"a key that is long enough for a test".to_vec(),
            secure_cookies: false,
            currency: "usd".into(),
            public_url: None,
            ..Config::default()
        });
        let db =
            Db::open(&Location::new(home.url(), home.directory(), "payments"), "payments", clock.clone())
                .unwrap();
        db.migrate(MIGRATIONS).await.unwrap();
        let test = TestGateway::open(
            Db::open(&Location::new(home.url(), home.directory(), "gateway"), "gateway", clock.clone())
                .unwrap(),
            true,
        )
        .await
        .unwrap();
        let payments = Payments::new(db.clone(), web.clone(), Gateway::Test(test.clone()), settings);
        let app = web::stack(payments.routes(), &web);
        let session = |role| Session {
            id: SessionId::new(&clock),
            user: UserId::new(&clock),
            role,
            expires_at: clock.now() + web::SESSION_LIFETIME,
        };
        let (buyer, seller) = (session(Role::User), session(Role::User));
        Self { _home: home, clock, web, db, test, payments, app, buyer, seller }
    }

    fn session(&self, role: Role) -> Session {
        Session {
            id: SessionId::new(&self.clock),
            user: UserId::new(&self.clock),
            role,
            ..self.buyer.clone()
        }
    }

    /// Another process, or this one after a crash: the same files and nothing in memory.
    fn another(&self) -> Payments {
        let gateway = Gateway::Test(self.test.clone());
        Payments::new(self.db.clone(), self.web.clone(), gateway, Settings::default())
    }

    fn new_order(&self) -> OrderState {
        OrderState {
            id: OrderId::new(&self.clock),
            version: 0,
            user_id: self.buyer.user,
            status: OrderStatus::Created,
            reason: None,
            quantity: 2,
            amount: Money::from_minor(3998),
            expires_at: self.clock.now() + Duration::from_secs(900),
            ticket: OrderTicket {
                id: TicketId::new(&self.clock),
                title: "Metropolis".into(),
                price: Money::from_minor(1999),
                version: 0,
                seller_id: self.seller.user,
            },
            payment_id: None,
            refund: None,
        }
    }

    /// An order that payments has heard of.
    async fn order(&self) -> OrderState {
        let order = self.new_order();
        self.hear(Event::OrderCreated(order.clone())).await;
        order
    }

    async fn hear(&self, event: Event) {
        let recorded = Recorded {
            seq: 0,
            id: EventId::new(&self.clock),
            subject: event.subject().to_owned(),
            aggregate: event.aggregate(),
            version: event.version(),
            payload: serde_json::to_string(&event).unwrap(),
            occurred_at: self.clock.now(),
            trace: kernel::Trace::NONE,
        };
        Bus::local(vec![self.payments.subscription()]).publish(vec![recorded]).await.unwrap();
    }

    /// The next version of an order.
    async fn moved(&self, order: &mut OrderState, change: impl FnOnce(&mut OrderState)) {
        order.version += 1;
        order.refund = None;
        change(order);
        let state = order.clone();
        self.hear(match state.status {
            OrderStatus::Cancelled => Event::OrderCancelled(state),
            _ => Event::OrderUpdated(state),
        })
        .await;
    }

    async fn hold_ends(&self, order: &OrderState) {
        let state = ExpirationState { order_id: order.id, expires_at: order.expires_at };
        self.hear(Event::ExpirationComplete(state)).await;
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        send(self.app.clone(), request).await
    }

    fn request(&self, who: Option<&Session>, key: Option<&str>, path: &str, body: &Value) -> Request<Body> {
        let mut request = Request::post(path).header("content-type", "application/json");
        if let Some(session) = who {
            let token = self.web.sessions().issue(session).unwrap();
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        request.body(Body::from(body.to_string())).unwrap()
    }

    fn paying(&self, order: OrderId, token: &str, key: Option<&str>) -> Request<Body> {
        let body = json!({ "orderId": order, "token": token });
        self.request(Some(&self.buyer), key, "/api/payments", &body)
    }

    async fn pay(&self, order: OrderId, token: &str) -> Reply {
        self.send(self.paying(order, token, None)).await
    }

    async fn pay_once(&self, order: OrderId, token: &str, key: &str) -> Reply {
        self.send(self.paying(order, token, Some(key))).await
    }

    async fn refund(&self, who: Option<&Session>, payment: PaymentId) -> Reply {
        self.send(self.request(who, None, &format!("/api/payments/{payment}/refund"), &json!({}))).await
    }

    async fn get(&self, who: Option<&Session>, path: &str) -> Reply {
        let mut request = Request::get(path);
        if let Some(session) = who {
            let token = self.web.sessions().issue(session).unwrap();
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// A request on its way, which may be dropped like a connection.
    fn on_its_way(&self, request: Request<Body>) -> tokio::task::JoinHandle<Reply> {
        tokio::spawn(send(self.app.clone(), request))
    }

    async fn status(&self, id: PaymentId) -> PaymentStatus {
        self.payments.payment(id).await.unwrap().unwrap().status
    }

    async fn entries(&self) -> Vec<Entry> {
        self.test.entries(None, 1000).await.unwrap()
    }

    /// What was published about a payment.
    async fn published(&self, id: PaymentId) -> Vec<PaymentState> {
        let all = self.db.outbox_waiting(1000).await.unwrap();
        let states = all.iter().filter_map(|r| match serde_json::from_str(&r.payload).unwrap() {
            Event::PaymentCreated(state) => {
                assert_eq!((r.subject.as_str(), state.version), ("payment:created", 0));
                Some(state)
            }
            Event::PaymentUpdated(state) => {
                assert_eq!(r.subject, "payment:updated");
                Some(state)
            }
            _ => None,
        });
        states.filter(|state| state.id == id).collect()
    }

    async fn assert_books_balance(&self) {
        let gateway = Gateway::Test(self.test.clone());
        let (_, faults) = verify::money(&self.db, &gateway).await.unwrap();
        assert_eq!(faults, Vec::<String>::new());
    }
}

async fn send(app: Router, request: Request<Body>) -> Reply {
    let response = app.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Reply { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// Waits until `done` says so.
async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("never {what}"));
}

fn cancel(reason: CancelReason) -> impl FnOnce(&mut OrderState) {
    move |order| {
        order.status = OrderStatus::Cancelled;
        order.reason = Some(reason);
    }
}

fn key(house: &House, key: &str) -> IdempotencyKey {
    IdempotencyKey {
        scope: format!("{} POST /api/payments", house.buyer.user),
        key: key.to_owned(),
        fingerprint: "f".to_owned(),
    }
}
