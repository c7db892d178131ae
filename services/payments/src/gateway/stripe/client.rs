//! The few calls of Stripe's API that are needed, and what its answers mean.

use std::collections::HashMap;
use std::time::Duration;

use kernel::{Error, Instant, Result};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::model::Refusal;

/// The version of the API that this file was written against.
const VERSION: &str = "2024-06-20";
/// An intent is created at most so long before its payment, by another clock, …
const BEFORE: Duration = Duration::from_secs(600);
/// … and at most so long after it.
const AFTER: Duration = Duration::from_secs(3600);

type Answer<T> = std::result::Result<T, Failure>;

#[derive(Clone)]
pub(super) struct Api {
    http: Client,
    url: String,
}

impl Api {
    pub(super) fn new(key: &str, url: &str) -> Result<Self> {
        let wrong = || Error::invalid("PAYMENTS_URL is neither test: nor an http or https URL");
        let parsed = reqwest::Url::parse(url).map_err(|_| wrong())?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.query().is_some() {
            return Err(wrong());
        }
        if key.is_empty() {
            return Err(Error::invalid("payments go to Stripe, and there is no STRIPE_KEY"));
        }
        let bearer = HeaderValue::try_from(format!("Bearer {key}"));
        let mut bearer =
            bearer.map_err(|_| Error::invalid("STRIPE_KEY has characters that no key of Stripe's has"))?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, bearer),
            (reqwest::header::HeaderName::from_static("stripe-version"), HeaderValue::from_static(VERSION)),
        ]);
        // A process may have taken it before, for its own TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .default_headers(headers)
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|e| Error::unavailable("cannot make ready to call Stripe").because(e))?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned() })
    }

    pub(super) async fn create(&self, key: &str, form: &[(&str, &str)]) -> Answer<Intent> {
        call(self.post("/v1/payment_intents", form).header("idempotency-key", key)).await
    }

    pub(super) async fn cancel(&self, intent: &str) -> Answer<()> {
        let canceled = call(self.post(&format!("/v1/payment_intents/{intent}/cancel"), &[])).await?;
        match canceled {
            Intent { status: Status::Canceled, .. } => Ok(()),
            _ => Err(Failure::UnexpectedState),
        }
    }

    pub(super) async fn intent(&self, intent: &str) -> Answer<Intent> {
        call(self.http.get(format!("{}/v1/payment_intents/{intent}", self.url))).await
    }

    pub(super) async fn refund(&self, key: &str, form: &[(&str, &str)]) -> Answer<()> {
        let refund: Refund = call(self.post("/v1/refunds", form).header("idempotency-key", key)).await?;
        match refund.status.as_deref() {
            Some("failed" | "canceled" | "requires_action") => Err(Failure::NotRefunded),
            _ => Ok(()),
        }
    }

    /// The intents that were created around `begun`.
    pub(super) async fn around(&self, begun: Instant) -> Answer<Vec<Intent>> {
        let (from, to) = ((begun - BEFORE).as_seconds(), (begun + AFTER).as_seconds());
        let mut found: Vec<Intent> = Vec::new();
        loop {
            let after = found.last().map(|intent| format!("&starting_after={}", intent.id));
            let page: Page = call(self.http.get(format!(
                "{}/v1/payment_intents?limit=100&created[gte]={from}&created[lte]={to}{}",
                self.url,
                after.unwrap_or_default()
            )))
            .await?;
            let over = !page.has_more || page.data.is_empty();
            found.extend(page.data);
            if over {
                return Ok(found);
            }
        }
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(format!("{}{path}", self.url));
        request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
    }
}

async fn call<T: DeserializeOwned>(request: RequestBuilder) -> Answer<T> {
    let trace = traces::current();
    let request = if trace.is_none() { request } else { request.header("traceparent", trace.to_string()) };
    let response = request.send().await.map_err(lost)?;
    let status = response.status();
    let body = response.bytes().await.map_err(lost)?;
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|e| Failure::Away(Error::unavailable("Stripe's answer cannot be read").because(e)));
    }
    let told: Told = serde_json::from_slice(&body).unwrap_or_default();
    Err(told.error.means(status))
}

fn lost(error: reqwest::Error) -> Failure {
    Failure::Away(Error::unavailable("Stripe cannot be reached").because(error.without_url()))
}

/// Why a call did not do what it should.
#[derive(Debug)]
pub(super) enum Failure {
    /// The card, or what stands for it, is not taken.
    Card(Refusal),
    /// The idempotency key was used for something else.
    KeyTaken,
    /// It is too late, or too early, for what was asked of an intent.
    UnexpectedState,
    /// All the money went back already.
    Refunded,
    /// This one payment is being worked on.
    Busy,
    /// Nobody knows what happened.
    Away(Error),
    /// Stripe does not take what was asked for, and did nothing.
    Nonsense(String),
    /// The money did not go back.
    NotRefunded,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Away(error) => error,
            // Not transient: other payments are not held up by it.
            Failure::Busy => Error::conflict("The payment is still being processed"),
            failure => Error::internal(format!("Stripe's answer does not fit the question: {failure:?}")),
        }
    }
}

#[derive(Default, Deserialize)]
struct Told {
    #[serde(default)]
    error: Fault,
}

/// Stripe's error object. Its message is left out: it may repeat what was sent.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Fault {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    param: Option<String>,
}

impl Fault {
    fn means(&self, status: StatusCode) -> Failure {
        let (kind, code) = (self.kind.as_deref(), self.code.as_deref().unwrap_or_default());
        let of_token = || self.param.as_deref().is_none_or(|param| param.contains("token"));
        match (status.as_u16(), kind, code) {
            (409, ..) | (_, _, "idempotency_key_in_use" | "lock_timeout") => Failure::Busy,
            (_, Some("idempotency_error"), _) => Failure::KeyTaken,
            (402, ..) | (_, Some("card_error"), _) => Failure::Card(self.refusal()),
            (400 | 404, _, "resource_missing" | "token_already_used") if of_token() => {
                Failure::Card(Refusal::NoSuchToken)
            }
            (_, _, "payment_intent_unexpected_state") => Failure::UnexpectedState,
            (_, _, "charge_already_refunded") => Failure::Refunded,
            (400, Some("invalid_request_error"), _) => Failure::Nonsense(format!("{status} {code}")),
            _ => Failure::Away(Error::unavailable(format!("Stripe answers {status} {code}"))),
        }
    }

    fn refusal(&self) -> Refusal {
        match self.decline_code.as_deref().or(self.code.as_deref()).unwrap_or_default() {
            "insufficient_funds" => Refusal::InsufficientFunds,
            "lost_card" => Refusal::LostCard,
            "stolen_card" => Refusal::StolenCard,
            "expired_card" => Refusal::ExpiredCard,
            "incorrect_cvc" | "invalid_cvc" => Refusal::IncorrectCvc,
            "processing_error" => Refusal::ProcessingError,
            "card_velocity_exceeded" | "withdrawal_count_limit_exceeded" => Refusal::VelocityLimit,
            "fraudulent" => Refusal::Fraudulent,
            _ => Refusal::Declined,
        }
    }
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Intent>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Refund {
    status: Option<String>,
}

/// What Stripe says of a PaymentIntent.
#[derive(Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: Status,
    #[serde(default)]
    pub(super) metadata: HashMap<String, String>,
    #[serde(default)]
    last_payment_error: Option<Fault>,
}

impl Intent {
    /// Why the bank took no money, if it was asked.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.last_payment_error.as_ref().map(Fault::refusal)
    }
}

/// Where an intent stands.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(super) enum Status {
    Succeeded,
    Canceled,
    Processing,
    /// It waits for something, and can be cancelled.
    Open,
}

impl From<String> for Status {
    fn from(name: String) -> Self {
        match name.as_str() {
            "succeeded" => Self::Succeeded,
            "canceled" => Self::Canceled,
            "processing" => Self::Processing,
            _ => Self::Open,
        }
    }
}
