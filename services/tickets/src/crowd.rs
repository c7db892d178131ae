//! What is on sale, as whoever is not signed in is told. When a sale opens that is a crowd, and all of it asks for the
//! same: so the beginning of the list, and the front page that shows it, is read and written out once for all who ask
//! within a second.
//!
//! How old may that be? What a seller does by this process is seen here at once, by everybody: each such act counts on a
//! number, and who asks is told of nothing that was read before the number stood where it stands. What sellers do by
//! another process, and what orders hold, is seen within [`BOUND`]; holds count nothing on, or a busy sale would have
//! every request read again. Open pages are corrected by their live numbers, which are read each time. Whoever is signed
//! in is not of the crowd: a seller sees what they listed whichever process they ask.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use cache::{Cache, Key, Policy, Read};
use db::Tx;
use kernel::{Error, Result, TicketId};
use serde::{Deserialize, Serialize};
use web::{Paging, Session, Tagged};

use crate::Tickets;
use crate::search::{Search, Sort};

/// Nothing that the crowd is told is older than this.
pub(crate) const BOUND: Duration = Duration::from_secs(1);
/// More than there are parts.
const ENTRIES: u64 = 64;

/// What is remembered for the crowd.
pub(crate) struct Crowd {
    shown: Cache<Part, Shown>,
    /// How often sellers changed by this process what is on sale.
    changes: Arc<AtomicI64>,
}

/// What the crowd asks for: beginnings of lists, of the default length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// The list as JSON.
    List { descending: bool },
    /// The front page.
    Front(Sort),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List { descending: false } => f.write_str("list:asc"),
            Self::List { descending: true } => f.write_str("list:desc"),
            Self::Front(sort) => write!(f, "front:{}", sort.as_str()),
        }
    }
}

impl Key for Part {}

/// A part of a list, written out. Clones share it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Text", into = "Text")]
pub(crate) struct Shown {
    pub body: Tagged,
    /// What the next part comes after, if there may be one.
    pub last: Option<TicketId>,
}

/// What a [`Shown`] is made of.
#[derive(Debug, Serialize, Deserialize)]
struct Text {
    text: String,
    last: Option<TicketId>,
}

impl From<Text> for Shown {
    fn from(Text { text, last }: Text) -> Self {
        Self { body: Tagged::new(text), last }
    }
}

impl From<Shown> for Text {
    fn from(Shown { body, last }: Shown) -> Self {
        Self { text: String::from_utf8_lossy(body.body()).into_owned(), last }
    }
}

impl Crowd {
    /// In this process alone, whatever others share.
    pub(crate) fn new() -> Self {
        let policy = Policy { entries: ENTRIES, ..Policy::new("on_sale", BOUND) };
        Self { shown: Cache::new(policy, None), changes: Arc::default() }
    }

    /// What `read` finds, or found for somebody else within [`BOUND`], with all that sellers did here before this call.
    async fn shown<F>(&self, part: Part, read: impl Fn() -> F) -> Result<Shown>
    where
        F: Future<Output = Result<Shown>> + Send + 'static,
    {
        let load = || {
            // From before the read: an act that comes between is at worst read again.
            let (stamp, reading) = (self.change(), read());
            async move { Ok(Read { value: Some(reading.await?), stamp }) }
        };
        let found = self.shown.get(&part, self.change(), load).await?;
        found.value.ok_or_else(|| Error::internal("what is on sale was not read"))
    }

    fn change(&self) -> i64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Brings its metrics up to date that are read rather than counted.
    pub(crate) fn observe(&self) {
        self.shown.observe();
    }
}

impl Tickets {
    /// Has everybody who asks here told of what a seller changes by `tx`, from when it is durable.
    pub(crate) fn changed(&self, tx: &Tx) {
        let changes = Arc::clone(&self.0.crowd.changes);
        tx.after_commit(move || {
            changes.fetch_add(1, Ordering::SeqCst);
        });
    }

    /// A part of the list of what is on sale, as JSON.
    ///
    /// # Errors
    /// 404 if it is to come after what is no id.
    pub(crate) async fn list_on_sale(&self, session: Option<&Session>, paging: &Paging) -> Result<Shown> {
        let span = paging.span()?;
        let read = || {
            let tickets = self.clone();
            async move { tickets.read_on_sale(&span).await }
        };
        if session.is_none() && paging.is_beginning() {
            return self.0.crowd.shown(Part::List { descending: paging.descending }, read).await;
        }
        read().await
    }

    /// The text of the front page, or of what is looked for there.
    ///
    /// # Errors
    /// As the database says; `Unavailable` if too many look for words.
    pub(crate) async fn front(&self, session: Option<&Session>, search: &Search) -> Result<Bytes> {
        if session.is_some() || !search.is_beginning() {
            return self.render_front(session, search.clone()).await.map(Bytes::from);
        }
        let read = || {
            let (tickets, search) = (self.clone(), search.clone());
            async move {
                let text = tickets.render_front(None, search).await?;
                Ok(Shown { body: Tagged::new(text), last: None })
            }
        };
        let shown = self.0.crowd.shown(Part::Front(search.sort), read).await?;
        Ok(shown.body.body().clone())
    }
}

#[cfg(test)]
mod tests;
