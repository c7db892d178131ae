//! The gateway that is built in: takes Stripe's test tokens, keeps books of its own, and never leaves
//! the process. Tests can make it slow, deaf or absent by its [`Rehearsal`]; no setting can.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kernel::{Error, PaymentId, Result};
use tokio::sync::Semaphore;

use super::ledger::Ledger;
use super::{Attempt, Entry, Outcome, Totals};
use crate::model::Refusal;

/// A card that does not exist.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// The token that stands for it.
    pub token: &'static str,
    /// For people.
    pub name: &'static str,
    /// What it comes to.
    pub outcome: Outcome,
}

const fn good(token: &'static str, name: &'static str) -> Card {
    Card { token, name, outcome: Outcome::Charged }
}

const fn bad(token: &'static str, name: &'static str, refusal: Refusal) -> Card {
    Card { token, name, outcome: Outcome::Refused(refusal) }
}

/// Stripe's test tokens. Those that decline are known with `tok_visa_` in front, too, as Stripe has them.
pub const CARDS: &[Card] = &[
    good("tok_visa", "Visa"),
    good("tok_visa_debit", "Visa debit"),
    good("tok_mastercard", "Mastercard"),
    good("tok_mastercard_debit", "Mastercard debit"),
    good("tok_mastercard_prepaid", "Mastercard prepaid"),
    good("tok_amex", "American Express"),
    good("tok_discover", "Discover"),
    good("tok_diners", "Diners Club"),
    good("tok_jcb", "JCB"),
    good("tok_unionpay", "UnionPay"),
    bad("tok_chargeDeclined", "Declined", Refusal::Declined),
    bad("tok_chargeDeclinedInsufficientFunds", "Declined: insufficient funds", Refusal::InsufficientFunds),
    bad("tok_chargeDeclinedLostCard", "Declined: lost card", Refusal::LostCard),
    bad("tok_chargeDeclinedStolenCard", "Declined: stolen card", Refusal::StolenCard),
    bad("tok_chargeDeclinedExpiredCard", "Declined: expired card", Refusal::ExpiredCard),
    bad("tok_chargeDeclinedIncorrectCvc", "Declined: wrong security code", Refusal::IncorrectCvc),
    bad("tok_chargeDeclinedProcessingError", "Declined: processing error", Refusal::ProcessingError),
    bad("tok_chargeDeclinedVelocityLimitExceeded", "Declined: over its limit", Refusal::VelocityLimit),
    bad("tok_chargeDeclinedFraudulent", "Declined: fraudulent", Refusal::Fraudulent),
];

fn card(token: &str) -> Option<&'static Card> {
    let is = |card: &&Card| match (card.outcome, token.strip_prefix("tok_visa_")) {
        (Outcome::Refused(_), Some(rest)) => card.token.strip_prefix("tok_") == Some(rest),
        _ => card.token == token,
    };
    CARDS.iter().find(is)
}

/// The built-in gateway. Clones share it.
#[derive(Clone)]
pub struct TestGateway {
    ledger: Ledger,
    rehearsal: Arc<Rehearsal>,
}

impl TestGateway {
    /// Its books, to be backed up with the rest.
    pub fn db(&self) -> &db::Db {
        self.ledger.db()
    }

    /// Opens its books in `db`; `migrate` makes them, where absent.
    ///
    /// # Errors
    /// As the database says.
    pub async fn open(db: db::Db, migrate: bool) -> Result<Self> {
        Ok(Self { ledger: Ledger::open(db, migrate).await?, rehearsal: Arc::default() })
    }

    pub(super) async fn charge(&self, attempt: Attempt<'_>, token: &str) -> Result<Outcome> {
        self.rehearsal.wait_at(Moment::Asked).await?;
        let Some(card) = card(token) else { return Ok(Outcome::Refused(Refusal::NoSuchToken)) };
        let outcome = self.ledger.post(attempt, card.outcome).await?;
        self.rehearsal.wait_at(Moment::Charged).await?;
        self.rehearsal.answer(outcome)
    }

    pub(super) async fn settle(&self, attempt: Attempt<'_>) -> Result<Outcome> {
        self.rehearsal.reach()?;
        let outcome = self.ledger.post(attempt, Outcome::Refused(Refusal::Void)).await?;
        self.rehearsal.answer(outcome)
    }

    pub(super) async fn refund(&self, attempt: Attempt<'_>) -> Result<()> {
        self.rehearsal.reach()?;
        self.ledger.give_back(attempt.payment).await?;
        self.rehearsal.answer(())
    }

    /// What the books say of one payment.
    ///
    /// # Errors
    /// As the database says.
    pub async fn entry(&self, payment: PaymentId) -> Result<Option<Entry>> {
        self.ledger.entry(payment).await
    }

    /// The books, page by page in the order of the payments' ids.
    ///
    /// # Errors
    /// As the database says.
    pub async fn entries(&self, after: Option<PaymentId>, limit: i64) -> Result<Vec<Entry>> {
        self.ledger.entries(after, limit).await
    }

    /// The sums of the books.
    ///
    /// # Errors
    /// As the database says.
    pub async fn ledger_totals(&self) -> Result<Totals> {
        self.ledger.totals().await
    }

    /// For tests: makes it misbehave.
    pub fn rehearsal(&self) -> &Rehearsal {
        &self.rehearsal
    }
}

/// A moment in a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The request has arrived and nothing is in the books.
    Asked,
    /// The money is in the books and the answer is on its way.
    Charged,
}

/// How a test makes the gateway misbehave.
#[derive(Default)]
pub struct Rehearsal {
    away: AtomicBool,
    answers_lost: AtomicBool,
    held: Mutex<Option<(Moment, Arc<Held>)>>,
}

impl Rehearsal {
    /// While away, nothing reaches it.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// It does what it is asked, and the answers are lost.
    pub fn lose_answers(&self, lose: bool) {
        self.answers_lost.store(lose, Ordering::SeqCst);
    }

    /// Stops the charges that come to `moment`, until the gate is opened or dropped.
    pub fn hold(&self, moment: Moment) -> Gate {
        let held = Arc::new(Held { arrived: Semaphore::new(0), open: Semaphore::new(0) });
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some((moment, Arc::clone(&held)));
        Gate(held)
    }

    async fn wait_at(&self, moment: Moment) -> Result<()> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, held)) = held.filter(|(at, _)| *at == moment) {
            held.arrived.add_permits(1);
            // A closed semaphore is an open gate.
            let _ = held.open.acquire().await;
        }
        self.reach()
    }

    fn reach(&self) -> Result<()> {
        if self.away.load(Ordering::SeqCst) { Err(Error::unavailable("the gateway is away")) } else { Ok(()) }
    }

    fn answer<T>(&self, answer: T) -> Result<T> {
        if self.answers_lost.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the gateway's answer was lost"));
        }
        Ok(answer)
    }
}

struct Held {
    arrived: Semaphore,
    open: Semaphore,
}

/// A gate that charges wait at.
pub struct Gate(Arc<Held>);

impl Gate {
    /// Returns when one more charge has arrived.
    pub async fn arrived(&self) {
        if let Ok(charge) = self.0.arrived.acquire().await {
            charge.forget();
        }
    }

    /// Lets all of them pass, and those that come later.
    pub fn open(&self) {
        self.0.open.close();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}
