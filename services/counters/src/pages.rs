//! The pages of counters: all of them, with a search; and one, with what it did in its last minutes.

mod key;
mod list;
mod one;
mod picture;
#[cfg(test)]
mod tests;
mod uncounted;
mod who;

use std::collections::HashMap;
use std::future::ready;
use std::time::Duration;

use ::events::Job;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::routing::get;
use kernel::{Error, Kind, Result};
use web::{FormView, Routes, Web};

use crate::Counters;
use crate::model::Increment;
use crate::tally::{Command, Outcome};

/// Who has a counter's page open is shown its news under this key.
const LIVE: &str = "counters";
/// How often such a page is renewed: a counter may change ten thousand times in between.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) fn routes() -> Routes<Counters> {
    Routes::new()
        .route("/counters", get(list::show).post(list::add))
        .route("/counters/one", get(one::show).post(one::add))
        .route("/counters/now", get(one::now))
        .route("/counters/live", get(one::live))
}

/// Tells those who have a counter's page open to look again; where none is open, nothing happens.
pub(crate) fn look_again(web: Web) -> Job {
    Job::periodic("counters: look again", LOOK_EVERY, move || {
        web.changes().hear(LIVE);
        ready(Ok(()))
    })
}

type Asked<Q> = std::result::Result<Query<Q>, QueryRejection>;

fn asked<Q>(query: Asked<Q>) -> Result<Q> {
    let Query(query) = query.map_err(|_| Error::invalid("A parameter must be there once and be text"))?;
    Ok(query)
}

/// The address of a counter's page. A key may be any text, `.` and `..` too, which a browser takes out of a path.
fn address(key: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("key", key).finish();
    format!("/counters/one?{query}")
}

/// The form again, with what was typed and what is wrong with it, if that can be put right there.
fn again(typed: HashMap<String, String>, error: &Error) -> Option<FormView> {
    matches!(error.kind, Kind::Invalid | Kind::Conflict).then(|| FormView::failed(typed, error))
}

impl Counters {
    /// Adds to a counter what a form says.
    async fn add_one(&self, increment: Increment) -> Result<()> {
        let counted = self.count(Command { increments: vec![increment], keyed: None }).await?;
        match counted {
            Outcome::Counted(values) => values.into_iter().try_for_each(|value| value.map(drop)),
            _ => Err(Error::internal("an increment without a key was kept")),
        }
    }
}
