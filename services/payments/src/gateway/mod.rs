//! Whoever moves the money. Callers see [`Gateway`] and nothing of what is behind it.
//!
//! The three calls are idempotent in the payment's id, and the first word on it is the last: once a
//! payment was charged, declined or voided, every later charge or settling answers just that. That is
//! what makes it safe to ask again after a crash.

mod ledger;
mod stripe;
pub mod test;

use std::future::Future;

use axum::http::HeaderMap;
use kernel::{Error, Instant, Money, PaymentId, Result};
use traces::{About, Span};

pub use ledger::{Entry, Totals};
pub use stripe::{StripeConfig, StripeGateway};
pub use test::{Card, TestGateway};

use crate::model::{Cause, Refusal};

/// One payment, as the gateway is asked about it.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The payment: the key of every call.
    pub payment: PaymentId,
    /// How much.
    pub amount: Money,
    /// ISO 4217, in lower case.
    pub currency: &'a str,
    /// When the payment was begun; no charge is older.
    pub begun: Instant,
}

/// What became of an attempt. Both are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The money was taken.
    Charged,
    /// No money was taken for this attempt, nor ever will be.
    Refused(Refusal),
}

impl From<Outcome> for Cause {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Charged => Self::Charged,
            Outcome::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

/// A gateway. An error of its calls means that nobody knows what happened: settle it later.
#[derive(Clone)]
pub enum Gateway {
    /// The one that is built in and never leaves the process.
    Test(TestGateway),
    /// Stripe, or what speaks like it.
    Stripe(StripeGateway),
}

impl Gateway {
    /// Takes money.
    ///
    /// # Errors
    /// `Unavailable` if there is no answer; the money may have been taken.
    pub async fn charge(&self, attempt: Attempt<'_>, token: &str) -> Result<Outcome> {
        let asked = async {
            match self {
                Self::Test(gateway) => gateway.charge(attempt, token).await,
                Self::Stripe(gateway) => gateway.charge(attempt, token).await,
            }
        };
        self.traced("gateway charge", asked).await
    }

    /// What became of an attempt. One that the gateway never heard of is void from now on: a charge that
    /// is still on its way will be refused.
    ///
    /// # Errors
    /// `Unavailable` if there is no answer.
    pub async fn settle(&self, attempt: Attempt<'_>) -> Result<Outcome> {
        let asked = async {
            match self {
                Self::Test(gateway) => gateway.settle(attempt).await,
                Self::Stripe(gateway) => gateway.settle(attempt).await,
            }
        };
        self.traced("gateway settle", asked).await
    }

    /// Gives the money of a charged attempt back, once however often it is asked.
    ///
    /// # Errors
    /// `Unavailable` if there is no answer; `Internal` if no money was taken.
    pub async fn refund(&self, attempt: Attempt<'_>) -> Result<()> {
        let asked = async {
            match self {
                Self::Test(gateway) => gateway.refund(attempt).await,
                Self::Stripe(gateway) => gateway.refund(attempt).await,
            }
        };
        self.traced("gateway refund", asked).await
    }

    /// Asks the gateway, within a span of its own. That it has no answer is a failure; that it declines is not.
    async fn traced<T>(&self, name: &'static str, asked: impl Future<Output = Result<T>>) -> Result<T> {
        let span = Span::here(|| About { kind: traces::Kind::Client, ..About::named(name) });
        let answer = span.around(asked).await;
        if answer.is_err() {
            span.fail();
        }
        answer
    }

    /// Reads a call of the gateway's: which payment it is about, if it is about one.
    ///
    /// # Errors
    /// `NotFound` if this gateway makes none; `Invalid` if it is not the gateway's, or stale.
    pub fn heard(&self, headers: &HeaderMap, body: &[u8]) -> Result<Option<PaymentId>> {
        match self {
            Self::Test(_) => Err(Error::not_found()),
            Self::Stripe(gateway) => gateway.heard(headers, body),
        }
    }

    /// The cards to offer where no real one can be typed.
    pub fn cards(&self) -> &'static [Card] {
        match self {
            Self::Test(_) => test::CARDS,
            Self::Stripe(_) => &[],
        }
    }

    /// The test gateway, whose ledger can be checked against the payments.
    pub fn as_test(&self) -> Option<&TestGateway> {
        match self {
            Self::Test(gateway) => Some(gateway),
            Self::Stripe(_) => None,
        }
    }
}
