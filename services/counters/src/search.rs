//! What somebody looks for among the counters: a text anywhere in their keys, without regard to the case of ASCII.
//!
//! Looking for it reads one key after the other, of which there may be millions. It does so in stretches, until a
//! page is full or its time is up; then the page says how far it has got, and goes on from there.

use std::time::Duration;

use db::Db;
use futures_util::future::try_join;
use kernel::{Error, Result};
use serde::Deserialize;
use tokio::time::Instant;

use crate::model::Counter;
use crate::store;

/// The longest text that is looked for, in characters: a key.
pub(crate) const LONGEST: usize = 256;
/// How many counters a part of the list shows.
pub(crate) const PER_PAGE: usize = 50;
/// How much work a search may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Keys that one statement looks at.
    pub(crate) stretch: i64,
    /// No further stretch is begun after this time.
    pub(crate) patience: Duration,
}

impl Effort {
    /// A million keys are less than a second's work.
    pub(crate) const USUAL: Self = Self { stretch: 20_000, patience: Duration::from_secs(1) };
}

/// The query of an address as it came.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Query {
    q: Option<String>,
    after: Option<String>,
}

/// What somebody looks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Search {
    /// As it was typed, trimmed; nothing for all counters.
    pub(crate) text: String,
    /// The key up to which the list was read.
    pub(crate) after: Option<String>,
}

/// A part of the list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) counters: Vec<Counter>,
    pub(crate) rest: Rest,
}

/// What comes after a part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    #[default]
    Nothing,
    /// More, after this key.
    More(String),
    /// Keys that have not been looked at yet, after this one.
    Unseen(String),
}

impl Search {
    /// Reads the query of an address.
    ///
    /// # Errors
    /// 400 if the text is too long; 404 for a place that can be none.
    pub(crate) fn read(query: Query) -> Result<Self> {
        let text: String = query.q.unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
        let text = text.trim().to_owned();
        if text.chars().count() > LONGEST {
            return Err(Error::invalid(format!("Search for at most {LONGEST} characters")).at("q"));
        }
        // No database has a text with it.
        if query.after.as_ref().is_some_and(|after| after.contains('\0')) {
            return Err(Error::not_found());
        }
        Ok(Self { text, after: query.after })
    }

    /// Whether every key has to be looked at.
    pub(crate) fn is_for_text(&self) -> bool {
        !self.text.is_empty()
    }

    /// The address of the part after a key.
    pub(crate) fn address(&self, after: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if self.is_for_text() {
            query.append_pair("q", &self.text);
        }
        if let Some(after) = after {
            query.append_pair("after", after);
        }
        match query.finish() {
            query if query.is_empty() => "/counters".to_owned(),
            query => format!("/counters?{query}"),
        }
    }

    /// What keys in lower case are like.
    fn pattern(&self) -> String {
        let mut pattern = String::from("%");
        for c in self.text.chars() {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c.to_ascii_lowercase());
        }
        pattern + "%"
    }

    /// The part that is meant. When the effort is spent, it ends where it has got.
    pub(crate) async fn run(&self, db: &Db, Effort { stretch, patience }: Effort) -> Result<Part> {
        let begun = Instant::now();
        let after = self.after.as_deref().unwrap_or_default();
        // One more, to know whether there are more.
        let limit = PER_PAGE as i64 + 1;
        if !self.is_for_text() {
            return Ok(part(store::search::list(db, after, limit).await?, None));
        }
        let (pattern, mut place, mut found) = (self.pattern(), after.to_owned(), Vec::new());
        loop {
            let left = limit - found.len() as i64;
            let more = store::search::find(db, &pattern, &place, stretch, left);
            let (more, end) = try_join(more, store::search::end(db, &place, stretch)).await?;
            found.extend(more);
            match end {
                Some(end) if found.len() <= PER_PAGE && begun.elapsed() < patience => place = end,
                end => return Ok(part(found, end)),
            }
        }
    }
}

/// A part of what was found up to the key `end`, or up to the end of all.
fn part(mut counters: Vec<Counter>, end: Option<String>) -> Part {
    let more = counters.len() > PER_PAGE;
    counters.truncate(PER_PAGE);
    let rest = match (counters.last().filter(|_| more), end) {
        (Some(last), _) => Rest::More(last.key.clone()),
        (None, Some(end)) => Rest::Unseen(end),
        (None, None) => Rest::Nothing,
    };
    Part { counters, rest }
}
