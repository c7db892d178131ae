//! `/counters`: all counters in the order of their keys, or those that are looked for, and a form that adds to one.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use web::{Form, FormView, Page, Problem, Web, grouped, html_with, see_other};

use super::key::{self, System};
use super::who::PageCaller;
use super::{Asked, address, again, asked};
use crate::Counters;
use crate::model::{Counter, Increment};
use crate::search::{Effort, LONGEST, Part, Query, Rest, Search};

#[derive(Template)]
#[template(path = "counters.html")]
pub(super) struct CountersPage {
    page: Page,
    /// What was looked for, as it was typed.
    text: String,
    rows: Vec<Row>,
    /// Why there are no rows.
    empty: Option<Empty>,
    /// Up to where keys were looked at, if there are others.
    reached: Option<String>,
    /// The address of the next part.
    next: Option<String>,
    /// The address of the first part, if this is another one.
    first: Option<String>,
    values: FormView,
}

/// Why there is nothing to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// Nothing was ever counted.
    All,
    /// No key is like what was looked for.
    Match,
    /// None was so far.
    SoFar,
    /// Nothing comes after what was shown before.
    Further,
}

/// A counter in the list.
struct Row {
    address: String,
    key: String,
    system: Option<System>,
    value: String,
}

impl From<Counter> for Row {
    fn from(Counter { key, value }: Counter) -> Self {
        Self {
            address: address(&key),
            system: key::system(&key),
            key: key::shown(&key),
            value: grouped(value),
        }
    }
}

impl CountersPage {
    pub(super) fn new(page: Page, search: Search, part: Part, values: FormView) -> Self {
        let (reached, next) = match &part.rest {
            Rest::Nothing => (None, None),
            Rest::More(after) => (None, Some(search.address(Some(after)))),
            Rest::Unseen(after) => (Some(key::shown(after)), Some(search.address(Some(after)))),
        };
        let first = search.after.as_ref().map(|_| search.address(None));
        let empty = match (&first, &reached) {
            _ if !part.counters.is_empty() => None,
            (_, Some(_)) => Some(Empty::SoFar),
            (Some(_), None) => Some(Empty::Further),
            (None, None) if search.is_for_text() => Some(Empty::Match),
            (None, None) => Some(Empty::All),
        };
        let rows = part.counters.into_iter().map(Row::from).collect();
        Self { page, text: search.text, rows, empty, reached, next, first, values }
    }

    fn is(&self, empty: Empty) -> bool {
        self.empty == Some(empty)
    }

    fn longest(&self) -> usize {
        LONGEST
    }

    fn caption(&self) -> String {
        if self.text.is_empty() {
            "Counters, by key".into()
        } else {
            format!("Counters with “{}” in the key", self.text)
        }
    }
}

pub(super) async fn show(
    State(counters): State<Counters>,
    caller: PageCaller,
    web: Web,
    query: Asked<Query>,
) -> web::Result<Response> {
    let search = Search::read(asked(query)?)?;
    counters.page(&web, &caller, search, StatusCode::OK, FormView::default().with("value", "1")).await
}

pub(super) async fn add(
    State(counters): State<Counters>,
    caller: PageCaller,
    web: Web,
    Form(fields): Form,
) -> web::Result<Response> {
    let typed = fields.typed();
    let added = match Increment::read(fields) {
        Ok(increment) => {
            let led_to = address(&increment.key);
            counters.add_one(increment).await.map(|()| led_to)
        }
        Err(error) => Err(error),
    };
    let error = match added {
        Ok(led_to) => return Ok(see_other(&led_to)),
        Err(error) => error,
    };
    let Some(values) = again(typed, &error) else { return Err(error.into()) };
    counters.page(&web, &caller, Search::default(), Problem::of(&error).status(), values).await
}

impl Counters {
    async fn page(
        &self,
        web: &Web,
        PageCaller(session): &PageCaller,
        search: Search,
        status: StatusCode,
        values: FormView,
    ) -> web::Result<Response> {
        let part = if search.is_for_text() {
            let (db, search) = (self.0.db.clone(), search.clone());
            self.0.searches.run(async move { search.run(&db, Effort::USUAL).await }).await?
        } else {
            search.run(&self.0.db, Effort::USUAL).await?
        };
        let title = match search.is_for_text() {
            true => format!("“{}” in Counters", search.text),
            false => "Counters".to_owned(),
        };
        let page = Page::new(web, session.as_ref(), title, "/counters");
        Ok(html_with(status, &CountersPage::new(page, search, part, values)))
    }
}
