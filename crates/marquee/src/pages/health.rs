//! How the house is.

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use kernel::Error;
use serde_json::{Map, Value};
use web::{Moment, Operator, Page, PageOperator};

use crate::health::{Health, ServiceHealth, State as Word, bus_text};
use crate::report::{BusState, GatewayKind, Inspector, Report};

/// Whoever has the page open is shown news under this key.
pub(crate) const KEY: &str = "house";

/// `/house`
#[derive(Template)]
#[template(path = "house.html")]
pub(super) struct HousePage {
    page: Page,
    verdict: &'static str,
    problems: Vec<String>,
    letters: bool,
    /// See [`Health::shape`].
    shape: String,
    /// What changes while the page is open, as the script is told.
    state: Map<String, Value>,
    services: Vec<ServiceRow>,
    processes: Vec<ProcessRow>,
    gateway: &'static str,
    bus: &'static str,
}

struct ServiceRow {
    name: &'static str,
    badge: (&'static str, &'static str),
    places: String,
    engine: &'static str,
}

struct ProcessRow {
    place: String,
    services: String,
    version: String,
    since: Moment,
    bus: &'static str,
}

impl ServiceRow {
    fn new(health: &ServiceHealth) -> Self {
        let class = match health.state {
            Word::Well => "badge--done",
            Word::EventsWait | Word::DeadLetters | Word::Unread => "badge--held",
            Word::Unknown => "badge--off",
            Word::Nowhere | Word::DatabaseAway => "badge--bad",
        };
        Self {
            name: health.service.name(),
            badge: (class, health.state.text()),
            places: if health.places.is_empty() { "–".to_owned() } else { health.places.join("; ") },
            engine: match health.on_server {
                Some(true) => "PostgreSQL",
                Some(false) => "Embedded file",
                None => "",
            },
        }
    }
}

impl ProcessRow {
    fn new(report: &Report) -> Self {
        let services: Vec<_> = report.services.iter().map(|said| said.service.as_str()).collect();
        Self {
            place: report.place.clone(),
            services: services.join(", "),
            version: report.version.clone(),
            since: report.since.into(),
            bus: bus_text(report.bus),
        }
    }
}

impl HousePage {
    pub(super) fn new(page: Page, health: &Health) -> Self {
        Self {
            page,
            verdict: health.verdict(),
            problems: health.problems.clone(),
            letters: health.has_letters(),
            shape: health.shape(),
            state: state_of(health),
            services: health.services.iter().map(ServiceRow::new).collect(),
            processes: health.processes.iter().map(ProcessRow::new).collect(),
            gateway: match health.gateway() {
                Some(GatewayKind::Test) => "Built-in test gateway: no money moves",
                Some(GatewayKind::Stripe) => "Stripe",
                None => "Not heard of",
            },
            bus: match health.processes.first().map(|own| own.bus) {
                Some(BusState::Connected) => "NATS, connected",
                Some(BusState::Away) => "NATS, away",
                Some(BusState::Local) | None => "Within this process",
            },
        }
    }

    /// A figure of a service, as it is now.
    fn figure(&self, service: &str, name: &str) -> String {
        match self.state.get(&format!("{service}.{name}")) {
            Some(Value::String(text)) => text.clone(),
            None => "–".to_owned(),
            Some(number) => number.to_string(),
        }
    }

    fn seen(&self) -> &str {
        self.state.get("seen").and_then(Value::as_str).unwrap_or_default()
    }
}

/// What changes while the page is open: the same for the page itself, for its live line and for who asks now
/// and then.
pub(super) fn state_of(health: &Health) -> Map<String, Value> {
    let at = health.at.to_string();
    let seen = at.get(11..19).unwrap_or_default();
    let mut state = Map::new();
    state.insert("status".into(), health.shape().into());
    state.insert("verdict".into(), health.verdict().into());
    state.insert("seen".into(), format!("{seen} UTC").into());
    for one in &health.services {
        let name = one.service.name();
        state.insert(format!("{name}.database"), one.database.clone().into());
        state.insert(format!("{name}.waiting"), waiting(one.waiting));
        state.insert(format!("{name}.oldest"), one.oldest.clone().into());
        state.insert(format!("{name}.letters"), figure(one.letters));
    }
    state
}

/// A figure that is not known is said to be so: an open page keeps what it is told nothing about.
fn figure(figure: Option<i64>) -> Value {
    figure.map_or_else(|| "–".into(), Value::from)
}

fn waiting(counted: Option<i64>) -> Value {
    match counted {
        Some(counted) if counted > db::COUNTED => "more than 10,000".into(),
        counted => figure(counted),
    }
}

pub(super) async fn show(
    State(inspector): State<Inspector>,
    PageOperator(session): PageOperator,
) -> Response {
    let page = Page::new(&inspector.web, Some(&session), "The house", "/house");
    web::html(&HousePage::new(page, inspector.health().await.as_ref()))
}

pub(super) async fn state(State(inspector): State<Inspector>, _: Operator) -> Json<Map<String, Value>> {
    Json(state_of(inspector.health().await.as_ref()))
}

pub(super) async fn live(State(inspector): State<Inspector>, Operator(session): Operator) -> Response {
    let web = inspector.web.clone();
    web::live(&web, KEY.to_owned(), move || {
        let inspector = inspector.clone();
        let over = inspector.web.revocations().is_revoked(session.id)
            || session.expires_at <= inspector.web.clock().now();
        async move {
            // The page may stay open for longer than the one who opened it is an operator.
            if over { Err(Error::unauthorized()) } else { Ok(state_of(inspector.health().await.as_ref())) }
        }
    })
}
