//! Dead letters: events that this service could not take. The first one parks its aggregate, and what
//! follows for that aggregate is parked behind it, so that order holds when they are tried again.

use kernel::{EventId, Instant, Result, Trace};

use crate::{Db, Recorded, Tx, from_row};

const PARK: &str =
    "INSERT INTO dead_letters (id, subject, aggregate, version, payload, occurred_at, reason, parked_at, trace)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";
const PARKED: &str = "SELECT 1 FROM dead_letters WHERE aggregate = $1 LIMIT 1";
const ANY: &str = "SELECT COUNT(*) FROM dead_letters";
const LIST: &str =
    "SELECT id, subject, aggregate, version, payload, occurred_at, reason, parked_at, trace FROM dead_letters
    ORDER BY aggregate, version LIMIT $1";
const UNPARK: &str = "DELETE FROM dead_letters WHERE id = $1";

/// A parked event and why it is.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The event's id.
    pub id: EventId,
    /// Its subject.
    pub subject: String,
    /// Its aggregate.
    pub aggregate: String,
    /// The aggregate's version.
    pub version: i64,
    /// The event as JSON.
    pub payload: String,
    /// When it was recorded.
    pub occurred_at: Instant,
    /// What the handler said.
    pub reason: String,
    /// When it was given up.
    pub parked_at: Instant,
    /// The span that it was handed on by, or none.
    pub trace: Trace,
}
from_row!(DeadLetter { id, subject, aggregate, version, payload, occurred_at, reason, parked_at, trace });

impl Tx {
    /// Parks an event.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn park(&self, event: &Recorded, reason: &str) -> Result<()> {
        let now = self.clock().now();
        let Recorded { id, subject, aggregate, version, payload, occurred_at, trace, .. } = event;
        self.execute(PARK, &[id, subject, aggregate, version, payload, occurred_at, &reason, &now, trace])
            .await
            .map(drop)
    }

    /// Whether anything of `aggregate` is parked.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn is_parked(&self, aggregate: &str) -> Result<bool> {
        Ok(self.optional::<(i64,)>(PARKED, &[&aggregate]).await?.is_some())
    }

    /// How many events are parked.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn count_parked(&self) -> Result<i64> {
        self.one::<(i64,)>(ANY, &[]).await.map(|(n,)| n)
    }

    /// Takes an event out again, its effect being part of this transaction.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn unpark(&self, id: EventId) -> Result<()> {
        self.execute(UNPARK, &[&id]).await.map(drop)
    }
}

impl Db {
    /// Parked events in order per aggregate, at most `limit`.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn dead_letters(&self, limit: i64) -> Result<Vec<DeadLetter>> {
        self.all(LIST, &[&limit]).await
    }

    /// How many events are parked.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn count_dead_letters(&self) -> Result<i64> {
        self.one::<(i64,)>(ANY, &[]).await.map(|(n,)| n)
    }
}
