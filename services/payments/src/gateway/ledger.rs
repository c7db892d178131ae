//! The test gateway's books: a database of their own, committed apart from the payments', so that a
//! crash between the two is a real one. All of its SQL is here.

use db::{Db, Migration, from_row};
use kernel::{Error, Money, PaymentId, Result};

use super::{Attempt, Outcome};
use crate::model::Refusal;

const MIGRATIONS: &[Migration] =
    &[Migration { name: "0001_init", sql: include_str!("../../migrations/gateway/0001_init.sql") }];

const POST: &str = "INSERT INTO ledger (key, amount, currency, refusal, refunded) VALUES ($1, $2, $3, $4, 0)
    ON CONFLICT (key) DO NOTHING";
const ENTRY: &str = "SELECT key, amount, refusal, refunded FROM ledger WHERE key = $1";
const GIVE_BACK: &str =
    "UPDATE ledger SET refunded = amount WHERE key = $1 AND refusal IS NULL AND refunded = 0";
const ENTRIES: &str =
    "SELECT key, amount, refusal, refunded FROM ledger WHERE key > $1 ORDER BY key LIMIT $2";
const TOTALS: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(amount), 0) AS BIGINT),
    CAST(COALESCE(SUM(refunded), 0) AS BIGINT) FROM ledger WHERE refusal IS NULL";

/// What the gateway says of one payment.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The payment.
    pub payment: PaymentId,
    /// What was asked for.
    pub amount: Money,
    /// Why it was not taken; `None` if it was.
    pub refusal: Option<Refusal>,
    /// What went back: nothing or all of it.
    pub refunded: Money,
}
from_row!(Entry { payment, amount, refusal, refunded });

impl Entry {
    /// What became of the attempt.
    pub fn outcome(&self) -> Outcome {
        self.refusal.map_or(Outcome::Charged, Outcome::Refused)
    }
}

/// The sums of the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// How many payments were charged.
    pub charges: i64,
    /// What was taken for them.
    pub charged: Money,
    /// What of it went back.
    pub refunded: Money,
}
from_row!(Totals { charges, charged, refunded });

#[derive(Clone)]
pub(super) struct Ledger(Db);

impl Ledger {
    pub(super) fn db(&self) -> &Db {
        &self.0
    }

    pub(super) async fn open(db: Db, migrate: bool) -> Result<Self> {
        if migrate {
            db.migrate(MIGRATIONS).await?;
        } else {
            db.check_migrated(MIGRATIONS).await?;
        }
        Ok(Self(db))
    }

    /// Enters `proposed` unless there is an entry; answers what the entry says.
    pub(super) async fn post(&self, attempt: Attempt<'_>, proposed: Outcome) -> Result<Outcome> {
        let refusal = &match proposed {
            Outcome::Charged => None,
            Outcome::Refused(refusal) => Some(refusal),
        };
        let attempt = &attempt;
        let entry: Entry = self
            .0
            .write(|tx| async move {
                let Attempt { payment, amount, currency, .. } = attempt;
                tx.execute(POST, &[payment, amount, currency, refusal]).await?;
                tx.one(ENTRY, &[payment]).await
            })
            .await?;
        if entry.amount != attempt.amount {
            return Err(Error::internal("a payment was asked for again with another amount"));
        }
        Ok(entry.outcome())
    }

    /// Gives back what was taken, all of it, once.
    pub(super) async fn give_back(&self, payment: PaymentId) -> Result<()> {
        let payment = &payment;
        let entry: Option<Entry> = self
            .0
            .write(|tx| async move {
                tx.execute(GIVE_BACK, &[payment]).await?;
                tx.optional(ENTRY, &[payment]).await
            })
            .await?;
        match entry {
            Some(entry) if entry.refunded == entry.amount => Ok(()),
            _ => Err(Error::internal("there is no money to give back")),
        }
    }

    pub(super) async fn entry(&self, payment: PaymentId) -> Result<Option<Entry>> {
        self.0.optional(ENTRY, &[&payment]).await
    }

    pub(super) async fn entries(&self, after: Option<PaymentId>, limit: i64) -> Result<Vec<Entry>> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.0.all(ENTRIES, &[&after, &limit]).await
    }

    pub(super) async fn totals(&self) -> Result<Totals> {
        self.0.one(TOTALS, &[]).await
    }
}
