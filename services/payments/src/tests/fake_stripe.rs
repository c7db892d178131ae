//! A Stripe of our own on the loopback interface: keeps intents, refunds and idempotency keys as the real
//! one does, and can be told to misbehave.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use kernel::{Clock, Trace};
use serde_json::{Value, json};

pub(super) const KEY: &str = "sk_test_of_the_fake";
pub(super) const SECRET: &str = "whsec_of_the_fake";

type Form = HashMap<String, String>;
type Answer = (StatusCode, Value);

/// What it knows. Clones share it.
#[derive(Clone)]
pub(super) struct FakeStripe(Arc<Mutex<Books>>, pub(super) SocketAddr);

pub(super) struct Books {
    clock: Clock,
    /// Oldest first.
    pub(super) intents: Vec<Value>,
    pub(super) refunds: Vec<String>,
    pub(super) keys: HashMap<String, (Form, Answer)>,
    /// Nothing is done, and everything answered like this.
    pub(super) away: Option<u16>,
    /// What is posted is done, and the answer does not come through.
    pub(super) answers_lost: bool,
    /// The traces that were posted in.
    pub(super) traces: Vec<Trace>,
}

impl FakeStripe {
    pub(super) async fn start(clock: Clock) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (intents, refunds, keys) = (Vec::new(), Vec::new(), HashMap::new());
        let books =
            Books { clock, intents, refunds, keys, away: None, answers_lost: false, traces: Vec::new() };
        let fake = Self(Arc::new(Mutex::new(books)), listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/v1/payment_intents", get(list).post(create))
            .route("/v1/payment_intents/{id}", get(one))
            .route("/v1/payment_intents/{id}/cancel", post(cancel))
            .route("/v1/refunds", post(refund))
            .with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        fake
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.1)
    }

    pub(super) fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }

    pub(super) fn charged(&self) -> usize {
        self.books().intents.iter().filter(|intent| intent["status"] == "succeeded").count()
    }

    /// The status of the one intent of a payment.
    pub(super) fn status(&self, payment: &str) -> String {
        let books = self.books();
        let of = |intent: &&Value| intent["metadata"]["payment_id"] == payment;
        let found: Vec<_> = books.intents.iter().filter(of).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0]["status"].as_str().unwrap().to_owned()
    }

    /// Carries out what was posted, once per idempotency key.
    fn posted(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        act: impl FnOnce(&mut Books, &Form) -> Answer,
    ) -> Response {
        let mut books = self.books();
        if let Some(refused) = books.refuses(headers) {
            return refused;
        }
        if let Some(trace) = headers.get("traceparent") {
            books.traces.push(Trace::parse(trace.to_str().unwrap()));
        }
        let form: Form = form_urlencoded::parse(body).into_owned().collect();
        let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        let kept = key.as_ref().and_then(|key| books.keys.get(key)).cloned();
        let answer = match kept {
            Some((same, answer)) if same == form => answer,
            Some(_) => fault(400, json!({ "type": "idempotency_error", "message": "Keys are for once" })),
            None => {
                let answer = act(&mut books, &form);
                // What fails validation is not kept.
                let kept = answer.1["error"]["code"] != "amount_too_small";
                if let Some(key) = key.filter(|_| kept) {
                    books.keys.insert(key, (form, answer.clone()));
                }
                answer
            }
        };
        if books.answers_lost {
            return StatusCode::BAD_GATEWAY.into_response();
        }
        reply(answer)
    }
}

impl Books {
    fn refuses(&self, headers: &HeaderMap) -> Option<Response> {
        if let Some(status) = self.away {
            return Some(StatusCode::from_u16(status).unwrap().into_response());
        }
        let known = headers.get("authorization").is_some_and(|value| value == &format!("Bearer {KEY}"));
        (!known).then(|| reply(fault(401, json!({ "type": "invalid_request_error" }))))
    }

    pub(super) fn add(&mut self, status: &str, form: &Form, error: Value) -> Value {
        let metadata: HashMap<_, _> = form
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix("metadata[")?.strip_suffix(']')?, value)))
            .collect();
        let intent = json!({
            "id": format!("pi_{}", self.intents.len()),
            "object": "payment_intent",
            "status": status,
            "amount": form["amount"].parse::<i64>().unwrap(),
            "currency": form["currency"],
            "metadata": metadata,
            "created": self.clock.now().as_seconds(),
            "last_payment_error": error,
        });
        self.intents.push(intent.clone());
        intent
    }

    fn find(&mut self, id: &str) -> Option<&mut Value> {
        self.intents.iter_mut().find(|intent| intent["id"] == id)
    }
}

fn reply((status, body): Answer) -> Response {
    (status, axum::Json(body)).into_response()
}

fn fault(status: u16, error: Value) -> Answer {
    (StatusCode::from_u16(status).unwrap(), json!({ "error": error }))
}

fn invalid(code: &str) -> Answer {
    fault(400, json!({ "type": "invalid_request_error", "code": code, "message": "secret details" }))
}

async fn create(State(fake): State<FakeStripe>, headers: HeaderMap, body: Bytes) -> Response {
    fake.posted(&headers, &body, |books, form| {
        if form["amount"].parse::<i64>().unwrap() < 50 {
            return invalid("amount_too_small");
        }
        assert_eq!(form["payment_method_types[]"], "card");
        if form.get("confirm").map(String::as_str) != Some("true") {
            return (StatusCode::OK, books.add("requires_payment_method", form, Value::Null));
        }
        let token = form["payment_method_data[card][token]"].as_str();
        let Some((code, decline)) = verdict(token) else {
            let status = if token == "tok_slow" { "processing" } else { "succeeded" };
            return match token {
                "tok_visa" | "tok_slow" => (StatusCode::OK, books.add(status, form, Value::Null)),
                _ => invalid("resource_missing"),
            };
        };
        let error = json!({ "type": "card_error", "code": code, "decline_code": decline });
        books.add("requires_payment_method", form, error.clone());
        fault(402, error)
    })
}

/// Code and decline code of the cards that decline.
fn verdict(token: &str) -> Option<(&'static str, Option<&'static str>)> {
    let declined = |why| Some(("card_declined", Some(why)));
    match token.strip_prefix("tok_chargeDeclined")? {
        "" => declined("generic_decline"),
        "InsufficientFunds" => declined("insufficient_funds"),
        "LostCard" => declined("lost_card"),
        "StolenCard" => declined("stolen_card"),
        "ExpiredCard" => Some(("expired_card", None)),
        "IncorrectCvc" => Some(("incorrect_cvc", None)),
        "ProcessingError" => Some(("processing_error", None)),
        "VelocityLimitExceeded" => declined("card_velocity_exceeded"),
        "Fraudulent" => declined("fraudulent"),
        _ => None,
    }
}

async fn one(State(fake): State<FakeStripe>, Path(id): Path<String>) -> Response {
    match fake.books().find(&id) {
        Some(intent) => axum::Json(intent.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn cancel(
    State(fake): State<FakeStripe>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    fake.posted(&headers, &body, |books, _| match books.find(&id) {
        Some(intent) if intent["status"] == "requires_payment_method" => {
            intent["status"] = json!("canceled");
            (StatusCode::OK, intent.clone())
        }
        _ => invalid("payment_intent_unexpected_state"),
    })
}

async fn refund(State(fake): State<FakeStripe>, headers: HeaderMap, body: Bytes) -> Response {
    fake.posted(&headers, &body, |books, form| {
        let id = &form["payment_intent"];
        if books.refunds.contains(id) {
            return invalid("charge_already_refunded");
        }
        books.refunds.push(id.clone());
        (StatusCode::OK, json!({ "id": "re_1", "object": "refund", "status": "succeeded" }))
    })
}

/// Newest first, page by page.
async fn list(State(fake): State<FakeStripe>, headers: HeaderMap, Query(query): Query<Form>) -> Response {
    let books = fake.books();
    if let Some(refused) = books.refuses(&headers) {
        return refused;
    }
    let number = |name: &str| query[name].parse::<i64>().unwrap();
    let (from, to) = (number("created[gte]"), number("created[lte]"));
    let within = |intent: &&Value| (from..=to).contains(&intent["created"].as_i64().unwrap());
    let mut found: Vec<&Value> = books.intents.iter().rev().filter(within).collect();
    if let Some(after) = query.get("starting_after") {
        let at = found.iter().position(|intent| intent["id"] == *after).unwrap();
        found.drain(..=at);
    }
    let limit = usize::try_from(number("limit")).unwrap();
    let more = found.len() > limit;
    found.truncate(limit);
    axum::Json(json!({ "object": "list", "data": found, "has_more": more })).into_response()
}
