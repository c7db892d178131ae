//! The outbox: an event is a row written in the transaction that changed the state. The relay reads the
//! rows in order and moves its position on once the bus has them; rows stay for a while, so that a lost
//! stream can be published again.

use std::sync::Arc;

use contracts::Event;
use kernel::{Clock, Error, EventId, Instant, Result, Trace};
use tokio::sync::Notify;

use crate::{Db, Many, Param, Tx, from_row};

static INSERT: Many = Many::new(
    "INSERT INTO outbox (id, subject, aggregate, version, payload, occurred_at, trace) VALUES",
    "(?, ?, ?, ?, ?, ?, ?)",
    "",
);
const WAITING: &str = "SELECT seq, id, subject, aggregate, version, payload, occurred_at, trace FROM outbox
    WHERE seq > (SELECT position FROM leases WHERE name = 'outbox') ORDER BY seq LIMIT $1";
/// Both parts go along the index, however much there is that waits or does not wait any more.
const LAG: &str = "SELECT
    (SELECT COUNT(*) FROM (SELECT seq FROM outbox
        WHERE seq > (SELECT position FROM leases WHERE name = 'outbox') ORDER BY seq LIMIT $1) AS counted),
    (SELECT occurred_at FROM outbox
        WHERE seq > (SELECT position FROM leases WHERE name = 'outbox') ORDER BY seq LIMIT 1)";
/// So many waiting events are counted; where one more waits, there are "more than" that.
pub const COUNTED: i64 = 10_000;
/// Looks at the thousand oldest rows only: there is no index on their age, nor need there be.
const PRUNE: &str = "DELETE FROM outbox WHERE seq IN
    (SELECT seq FROM (SELECT seq, occurred_at FROM outbox ORDER BY seq LIMIT 1000) AS oldest
        WHERE occurred_at < $1 AND seq <= (SELECT position FROM leases WHERE name = 'outbox'))";

/// An event as the outbox holds it.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its place in this outbox.
    pub seq: i64,
    /// The event's own id.
    pub id: EventId,
    /// Its subject, e.g. `order:created`.
    pub subject: String,
    /// The aggregate, e.g. `order:<id>`.
    pub aggregate: String,
    /// The aggregate's version.
    pub version: i64,
    /// The [`Event`] as JSON.
    pub payload: String,
    /// When it was recorded.
    pub occurred_at: Instant,
    /// The span of the work that it follows from, or none.
    pub trace: Trace,
}
from_row!(Recorded { seq, id, subject, aggregate, version, payload, occurred_at, trace });

impl Tx {
    /// Records an event; it will be delivered at least once, after this transaction is durable. It follows from the
    /// work at hand, or from what [`Tx::caused_by`] says.
    ///
    /// # Errors
    /// `Internal` if the aggregate's version has been recorded before, or as the engine says.
    pub async fn emit(&self, event: &Event) -> Result<()> {
        self.emit_all(std::slice::from_ref(event)).await
    }

    /// Records events in their order, as [`Tx::emit`] does one.
    ///
    /// # Errors
    /// As there.
    pub async fn emit_all(&self, events: &[Event]) -> Result<()> {
        let clock: &Clock = self.clock();
        let now = clock.now();
        let mut rows = Vec::with_capacity(events.len());
        for event in events {
            let payload = serde_json::to_string(event)
                .map_err(|e| Error::internal("an event has no JSON").because(e))?;
            let (id, aggregate, trace) = (EventId::new(clock), event.aggregate(), self.trace_of(event));
            rows.push((id, event.subject(), aggregate, event.version(), payload, trace));
        }
        let params: Vec<&dyn Param> = rows
            .iter()
            .flat_map(|(id, subject, aggregate, version, payload, trace)| {
                [id as &dyn Param, subject, aggregate, version, payload, &now, trace]
            })
            .collect();
        self.execute_many(&INSERT, &params).await?;
        self.wake_relay();
        Ok(())
    }
}

impl Db {
    /// Rung after commits that recorded events.
    pub fn outbox_bell(&self) -> Arc<Notify> {
        Arc::clone(&self.shared.outbox)
    }

    /// The events that wait to be published, the oldest first, at most `limit`. (The relay reads a
    /// [`Feed`](crate::Feed).)
    ///
    /// # Errors
    /// As the engine says.
    pub async fn outbox_waiting(&self, limit: i64) -> Result<Vec<Recorded>> {
        self.all(WAITING, &[&limit]).await
    }

    /// How many events wait, [`COUNTED`] and one at most, and since when.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn outbox_lag(&self) -> Result<(i64, Option<Instant>)> {
        // Off the runtime's workers: counting takes its time.
        let lag = self.all(LAG, &[&(COUNTED + 1)]).await?;
        lag.into_iter().next().ok_or_else(|| crate::no_row(LAG))
    }

    /// Deletes published events recorded before `before`, a thousand at most; answers how many.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn outbox_prune(&self, before: Instant) -> Result<u64> {
        self.write(|tx| async move { tx.execute(PRUNE, &[&before]).await }).await
    }
}
