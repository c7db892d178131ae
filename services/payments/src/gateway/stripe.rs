//! Stripe: one PaymentIntent per payment, with the payment's id as idempotency key and in its metadata.
//!
//! Whoever comes to the key first has the last word. A charge creates the intent and confirms it in one
//! call. Settling looks for the intent by its metadata; if there is none it creates one under the same
//! key that is never confirmed, and cancels it: the key is taken then, and a charge that is still on its
//! way fails with Stripe's idempotency error, because it asks for something else. Stripe keeps keys for
//! a day, far longer than a request can be on its way. Intents are looked for around the time at which the
//! payment was begun, so that what is old is found without its key too.

mod client;
mod signature;

use std::fmt;
use std::time::Duration;

use axum::http::HeaderMap;
use kernel::{Clock, Error, Kind, PaymentId, Result};
use serde::Deserialize;

use super::{Attempt, Outcome};
use crate::model::Refusal;
use client::{Api, Failure, Intent, Status};
use signature::Secret;

/// The metadata that names the payment.
const PAYMENT: &str = "payment_id";
/// Stripe answers within this time, or never: a key that was taken longer ago has its result.
const AT_WORK: Duration = Duration::from_secs(180);

/// How to reach Stripe. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct StripeConfig {
    /// The secret key of the account.
    pub key: String,
    /// What webhooks are signed with; without it there is no webhook, and settling does its work.
    pub webhook_secret: Option<String>,
    /// `https://api.stripe.com`, or whatever stands in for it.
    pub url: String,
}

impl fmt::Debug for StripeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeConfig").finish_non_exhaustive()
    }
}

/// Stripe. Clones share its connections.
#[derive(Clone)]
pub struct StripeGateway {
    api: Api,
    secret: Option<Secret>,
    clock: Clock,
}

impl StripeGateway {
    /// Makes ready to call Stripe, and calls nobody yet.
    ///
    /// # Errors
    /// `Invalid`, with a sentence that says what to set.
    pub fn new(config: &StripeConfig, clock: Clock) -> Result<Self> {
        let secret = match config.webhook_secret.as_deref() {
            Some("") => return Err(Error::invalid("STRIPE_WEBHOOK_SECRET is empty")),
            secret => secret.map(Secret::new),
        };
        Ok(Self { api: Api::new(&config.key, &config.url)?, secret, clock })
    }

    pub(super) async fn charge(&self, attempt: Attempt<'_>, token: &str) -> Result<Outcome> {
        let confirmed = [
            ("payment_method_data[type]", "card"),
            ("payment_method_data[card][token]", token),
            ("confirm", "true"),
            // Nobody is there to go through further steps: what needs them is declined.
            ("error_on_requires_action", "true"),
        ];
        match self.create(attempt, &confirmed).await {
            Ok(intent) if intent.status == Status::Succeeded => Ok(Outcome::Charged),
            Ok(intent) => self.close(intent).await.map_err(later),
            Err(Failure::Card(refusal)) => Ok(Outcome::Refused(refusal)),
            // Voided before the charge arrived, or asked for again.
            Err(Failure::KeyTaken) => self.settle(attempt).await.map_err(later),
            Err(Failure::Nonsense(what)) => {
                tracing::error!(payment = %attempt.payment, what, "Stripe cannot take such a payment");
                Ok(Outcome::Refused(Refusal::Void))
            }
            Err(failure) => Err(later(failure.into())),
        }
    }

    pub(super) async fn settle(&self, attempt: Attempt<'_>) -> Result<Outcome> {
        if let Some(outcome) = self.known(attempt).await? {
            return Ok(outcome);
        }
        match self.create(attempt, &[]).await {
            Ok(void) => self.close(void).await,
            // What cannot be asked for could not be charged for either.
            Err(Failure::KeyTaken | Failure::Nonsense(_)) => self.beaten(attempt).await,
            Err(failure) => Err(failure.into()),
        }
    }

    pub(super) async fn refund(&self, attempt: Attempt<'_>) -> Result<()> {
        let intents = self.intents(attempt).await?;
        let charged = intents.into_iter().find(|intent| intent.status == Status::Succeeded);
        let charged = charged.ok_or_else(|| Error::internal("there is no money to give back"))?;
        let form = [("payment_intent", charged.id.as_str())];
        match self.api.refund(&format!("refund-{}", attempt.payment), &form).await {
            Ok(()) | Err(Failure::Refunded) => Ok(()),
            Err(failure) => Err(later(failure.into())),
        }
    }

    pub(super) fn heard(&self, headers: &HeaderMap, body: &[u8]) -> Result<Option<PaymentId>> {
        let secret = self.secret.as_ref().ok_or_else(Error::not_found)?;
        secret.check(headers, body, self.clock.now())?;
        let event: Event =
            serde_json::from_slice(body).map_err(|_| Error::invalid("The event cannot be read"))?;
        let ours = ["payment_intent.succeeded", "payment_intent.payment_failed", "charge.refunded"];
        if !ours.contains(&event.kind.as_str()) {
            return Ok(None);
        }
        // An account may have other business than ours.
        let named = event.data["object"]["metadata"][PAYMENT].as_str();
        Ok(named.and_then(|id| id.parse().ok()))
    }

    async fn create(
        &self,
        attempt: Attempt<'_>,
        rest: &[(&str, &str)],
    ) -> std::result::Result<Intent, Failure> {
        let (amount, payment) = (attempt.amount.minor().to_string(), attempt.payment.to_string());
        let mut form = vec![
            ("amount", amount.as_str()),
            ("currency", attempt.currency),
            ("payment_method_types[]", "card"),
            ("metadata[payment_id]", payment.as_str()),
        ];
        form.extend_from_slice(rest);
        self.api.create(&payment, &form).await
    }

    /// The intents of one payment. There is one; there may be a second that was never confirmed, if
    /// Stripe has forgotten the key.
    async fn intents(&self, attempt: Attempt<'_>) -> Result<Vec<Intent>> {
        let mut intents = self.api.around(attempt.begun).await?;
        let name = attempt.payment.to_string();
        intents.retain(|intent| intent.metadata.get(PAYMENT) == Some(&name));
        Ok(intents)
    }

    /// What became of a payment that Stripe knows. What is still open is closed.
    async fn known(&self, attempt: Attempt<'_>) -> Result<Option<Outcome>> {
        let intents = self.intents(attempt).await?;
        if intents.iter().any(|intent| intent.status == Status::Succeeded) {
            return Ok(Some(Outcome::Charged));
        }
        let mut outcome = None;
        for intent in intents {
            match self.close(intent).await? {
                Outcome::Charged => return Ok(Some(Outcome::Charged)),
                // A bank's reason says more than that it is void.
                Outcome::Refused(Refusal::Void) if outcome.is_some() => {}
                refused => outcome = Some(refused),
            }
        }
        Ok(outcome)
    }

    /// Makes sure that nothing is ever charged for `intent`, unless it is charged already.
    async fn close(&self, intent: Intent) -> Result<Outcome> {
        let refused = Outcome::Refused(intent.refusal().unwrap_or(Refusal::Void));
        match intent.status {
            Status::Succeeded => return Ok(Outcome::Charged),
            Status::Canceled => return Ok(refused),
            Status::Processing => return Err(Failure::Busy.into()),
            Status::Open => {}
        }
        match self.api.cancel(&intent.id).await {
            Ok(()) => Ok(refused),
            // It has moved on in between.
            Err(Failure::UnexpectedState) => match self.api.intent(&intent.id).await?.status {
                Status::Succeeded => Ok(Outcome::Charged),
                Status::Canceled => Ok(refused),
                Status::Open | Status::Processing => Err(Failure::Busy.into()),
            },
            Err(failure) => Err(failure.into()),
        }
    }

    /// A charge came to the key first. If it left no intent it took no money, once it is over, and no
    /// other can follow under its key.
    async fn beaten(&self, attempt: Attempt<'_>) -> Result<Outcome> {
        if let Some(outcome) = self.known(attempt).await? {
            return Ok(outcome);
        }
        let over = attempt.begun + AT_WORK < self.clock.now();
        if over { Ok(Outcome::Refused(Refusal::Void)) } else { Err(Failure::Busy.into()) }
    }
}

/// A payment that is being worked on is no final answer for whoever waits for one.
fn later(error: Error) -> Error {
    match error.kind {
        Kind::Conflict => Error::unavailable("Stripe is at work on the payment"),
        _ => error,
    }
}

/// What a webhook brings.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: serde_json::Value,
}
