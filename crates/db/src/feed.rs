//! Reading an outbox in order, as its one relay does.
//!
//! Where transactions commit one after the other, a place in the outbox is a place in time. Where they
//! commit side by side, a row may appear below others that were read already: its transaction took its
//! place in line and committed late. So a feed remembers the gaps below what it has seen, looks into them
//! each time, and forgets one only when every transaction that was at work when the gap was noticed has
//! ended. Order within an aggregate holds throughout: its next version begins after the last has committed.

use std::collections::BTreeMap;

use kernel::{Error, Result};

use crate::{Db, Recorded};

const NEXT: &str = "SELECT seq, id, subject, aggregate, version, payload, occurred_at, trace FROM outbox
    WHERE seq > $1 ORDER BY seq LIMIT $2";
const NEXT_AND_LATE: &str =
    "SELECT seq, id, subject, aggregate, version, payload, occurred_at, trace FROM outbox
        WHERE seq = ANY(CAST(string_to_array($3, ',') AS BIGINT[]))
    UNION ALL (SELECT seq, id, subject, aggregate, version, payload, occurred_at, trace FROM outbox
        WHERE seq > $1 ORDER BY seq LIMIT $2)
    ORDER BY seq";
/// The number below which every transaction has ended.
const OLDEST: &str = "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)";
/// A number of one's own: above that of every transaction at work. (A snapshot's `xmax` is not: it is one more
/// than the latest that has *ended*, and ones with higher numbers may be at work.)
const ABOVE: &str = "SELECT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)";

/// The lease of the relay.
const NAME: &str = "outbox";
/// Gaps looked into at most; a leap beyond that was made by hand, not by transactions at work.
const GAPS: i64 = 10_000;

/// The reader of one outbox, for the process that has its lease.
pub struct Feed {
    db: Db,
    owner: String,
    /// The position as it was last written down.
    noted: i64,
    /// What was written down beside it.
    mark: String,
    /// The highest place that was read.
    top: i64,
    /// Places below `top` that nobody has been seen in, each with the transaction number below which all
    /// must have ended before it is known to stay empty.
    gaps: BTreeMap<i64, i64>,
}

impl Db {
    /// Claims the outbox for `owner`. `None` if another process relays it.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn feed(&self, owner: &str) -> Result<Option<Feed>> {
        let Some(lease) = self.claim(owner, NAME).await? else { return Ok(None) };
        Ok(Some(Feed {
            db: self.clone(),
            owner: owner.to_string(),
            noted: lease.position,
            mark: lease.mark,
            top: lease.position,
            gaps: BTreeMap::new(),
        }))
    }
}

impl Feed {
    /// What [`Feed::note`] wrote down last; empty at first.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// The events that were not given out by this feed yet, about `limit` at most, in an order that keeps
    /// that of each aggregate. After a failure to deliver them, start with a new feed.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn next(&mut self, limit: i64) -> Result<Vec<Recorded>> {
        let rows: Vec<Recorded> = if self.gaps.is_empty() {
            self.db.all(NEXT, &[&self.top, &limit]).await?
        } else {
            // Asked first: what has ended by now is seen by the read that follows.
            let (oldest,): (i64,) = self.db.one(OLDEST, &[]).await?;
            let places: Vec<String> = self.gaps.keys().map(ToString::to_string).collect();
            let rows: Vec<Recorded> =
                self.db.all(NEXT_AND_LATE, &[&self.top, &limit, &places.join(",")]).await?;
            self.gaps.retain(|_, settled| *settled > oldest);
            rows
        };
        let mut leaps = Vec::new();
        for row in &rows {
            if row.seq <= self.top {
                self.gaps.remove(&row.seq);
                continue;
            }
            leaps.extend((self.top + 1).max(row.seq - GAPS)..row.seq);
            self.top = row.seq;
        }
        if !leaps.is_empty() && self.db.is_shared() {
            let (above,): (i64,) = self.db.one(ABOVE, &[]).await?;
            self.gaps.extend(leaps.into_iter().map(|place| (place, above)));
            while i64::try_from(self.gaps.len()).unwrap_or(GAPS) > GAPS {
                self.gaps.pop_first();
            }
        }
        Ok(rows)
    }

    /// Whether more was given out than is written down.
    pub fn is_ahead(&self) -> bool {
        self.position() > self.noted
    }

    /// Everything up to here has been given out.
    fn position(&self) -> i64 {
        self.gaps.keys().next().map_or(self.top, |first| first - 1)
    }

    /// Writes down that what was given out has been delivered, with `mark` beside it, and renews the lease.
    ///
    /// # Errors
    /// `Conflict` if the outbox has another relay by now, or was rewound: stop, and ask for a new feed.
    /// Else as the engine says.
    pub async fn note(&mut self, mark: &str) -> Result<()> {
        let to = self.position();
        let (owner, noted) = (&self.owner, self.noted);
        let kept = self.db.write(|tx| async move { tx.advance(owner, NAME, noted, to, mark).await }).await?;
        if !kept {
            return Err(Error::conflict("the outbox has another relay"));
        }
        self.noted = to;
        mark.clone_into(&mut self.mark);
        Ok(())
    }

    /// Has everything that is kept published again, the oldest first, by the next feed: the stream was lost.
    /// Consumers know what they have heard.
    ///
    /// # Errors
    /// `Conflict` if the outbox has another relay by now. Else as the engine says.
    pub async fn rewind(self) -> Result<()> {
        let (owner, noted) = (&self.owner, self.noted);
        let rewound = self.db.write(|tx| async move { tx.advance(owner, NAME, noted, 0, "").await }).await?;
        if rewound { Ok(()) } else { Err(Error::conflict("the outbox has another relay")) }
    }

    /// Gives the outbox to whoever asks next.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn release(self) -> Result<()> {
        self.db.release(&self.owner, NAME).await
    }
}
