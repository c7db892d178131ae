//! `/counters`: all counters in the order of their keys, or those that are looked for, and a form that adds to one.

use askama::Template;
use axum::extract::State;
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
    /// Whether there is the form alone, which has to be filled in again: nobody should have to look for it.
    is_form: bool,
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
        Self { page, text: search.text, rows, empty, reached, next, first, is_form: false, values }
    }

    /// The form again.
    pub(super) fn again(page: Page, values: FormView) -> Self {
        let (text, rows) = (String::new(), Vec::new());
        Self { page, text, rows, empty: None, reached: None, next: None, first: None, is_form: true, values }
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
    PageCaller(session): PageCaller,
    web: Web,
    query: Asked<Query>,
) -> web::Result<Response> {
    let search = Search::read(asked(query)?)?;
    let (db, looked_for) = (counters.0.db.clone(), search.clone());
    let (title, part) = if search.is_for_text() {
        let searching = async move { looked_for.run(&db, Effort::USUAL).await };
        (format!("“{}” in Counters", search.text), counters.0.searches.run(searching).await?)
    } else {
        ("Counters".to_owned(), search.run(&db, Effort::USUAL).await?)
    };
    let page = Page::new(&web, session.as_ref(), title, "/counters");
    Ok(web::html(&CountersPage::new(page, search, part, FormView::default().with("value", "1"))))
}

pub(super) async fn add(
    State(counters): State<Counters>,
    PageCaller(session): PageCaller,
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
    let page = Page::new(&web, session.as_ref(), "Counters", "/counters");
    Ok(html_with(Problem::of(&error).status(), &CountersPage::again(page, values)))
}
