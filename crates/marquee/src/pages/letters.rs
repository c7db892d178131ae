//! What could not be delivered.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use web::{Form, Moment, Page, PageOperator, see_other};

use crate::Service;
use crate::letters::{Delivered, Letter, Letters};
use crate::report::Inspector;

/// `/house/letters`
#[derive(Template)]
#[template(path = "letters.html")]
pub(super) struct LettersPage {
    page: Page,
    rows: Vec<Row>,
    /// How many there are beside those that are shown.
    more: i64,
    /// Services whose letters are not known here.
    silent: String,
    /// What a delivery came to.
    delivered: Option<Told>,
}

struct Row {
    consumer: String,
    subject: String,
    aggregate: String,
    version: i64,
    parked_at: Moment,
    reason: String,
}

/// What a delivery came to, in words.
pub(super) struct Told {
    text: String,
    /// What is still to be done about it.
    pub(super) advice: Option<String>,
}

/// The same, as the address says it after the delivery.
#[derive(Deserialize)]
pub(super) struct Arrival {
    delivered: Option<u64>,
    left: Option<u64>,
    #[serde(default)]
    silent: String,
    #[serde(default)]
    busy: String,
}

impl Arrival {
    pub(super) fn told(&self) -> Option<Told> {
        let (done, left) = (self.delivered?, self.left.unwrap_or(0));
        let advice = match (known(&self.busy), known(&self.silent), left) {
            (Some(busy), _, _) => {
                Some(format!("A delivery to {busy} is already under way: look again in a moment."))
            }
            (None, Some(silent), _) => {
                Some(format!("Nothing was heard of {silent} in time: look again in a moment."))
            }
            (None, None, 0) => None,
            (None, None, _) => Some("What is left was refused again, or waits behind what was.".to_owned()),
        };
        Some(Told { text: format!("{done} delivered, {left} left."), advice })
    }
}

/// The services among `names`, for an address is anybody's text; `None` if there are none.
fn known(names: &str) -> Option<String> {
    let is_named = |service: &&str| names.split(',').any(|name| name == *service);
    let known: Vec<_> = Service::ALL.map(Service::name).into_iter().filter(is_named).collect();
    (!known.is_empty()).then(|| known.join(", "))
}

impl From<Letter> for Row {
    fn from(letter: Letter) -> Self {
        let Letter { consumer, subject, aggregate, version, parked_at, reason } = letter;
        Self { consumer, subject, aggregate, version, parked_at: parked_at.into(), reason }
    }
}

impl LettersPage {
    pub(super) fn new(page: Page, letters: Letters, arrival: Option<&Arrival>) -> Self {
        let shown = i64::try_from(letters.some.len()).unwrap_or(i64::MAX);
        Self {
            page,
            more: (letters.total - shown).max(0),
            rows: letters.some.into_iter().map(Row::from).collect(),
            silent: letters.silent.join(", "),
            delivered: arrival.and_then(Arrival::told),
        }
    }
}

pub(super) async fn show(
    State(inspector): State<Inspector>,
    PageOperator(session): PageOperator,
    arrival: Result<Query<Arrival>, QueryRejection>,
) -> Response {
    let page = Page::new(&inspector.web, Some(&session), "Dead letters", "/house/letters");
    let arrival = arrival.ok().map(|Query(arrival)| arrival);
    web::html(&LettersPage::new(page, inspector.letters().await, arrival.as_ref()))
}

pub(super) async fn deliver(State(inspector): State<Inspector>, _: PageOperator, _: Form) -> Response {
    let Delivered { done, left, silent, busy } = inspector.deliver_again().await;
    let list = |name: &str, services: Vec<String>| match services.as_slice() {
        [] => String::new(),
        services => format!("&{name}={}", services.join(",")),
    };
    let (silent, busy) = (list("silent", silent), list("busy", busy));
    see_other(&format!("/house/letters?delivered={done}&left={left}{silent}{busy}"))
}

#[cfg(test)]
pub(super) fn arrival(delivered: u64, left: u64, silent: &str, busy: &str) -> Arrival {
    let (silent, busy) = (silent.to_owned(), busy.to_owned());
    Arrival { delivered: Some(delivered), left: Some(left), silent, busy }
}
