//! `/counters/one?key=…`: what a counter is and did in its last minutes, while the page is open.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Error, Kind, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use web::{Answer, Form, FormView, MaybeSession, Page, Problem, Web, html_with, see_other};

use super::key::{self, System};
use super::picture::{Picture, WIDTH};
use super::uncounted::{UncountedPage, is_possible};
use super::who::PageCaller;
use super::{Asked, LIVE, address, again, asked};
use crate::api::Caller;
use crate::model::Increment;
use crate::{Counters, history};

/// A key with more characters than this is set smaller.
const SHORT_KEY: usize = 48;

#[derive(Template)]
#[template(path = "counter.html")]
pub(super) struct CounterPage {
    page: Page,
    key: String,
    is_key_long: bool,
    system: Option<System>,
    /// The query of its addresses: `key=…`.
    query: String,
    now: Picture,
    values: FormView,
}

/// Which counter an address means.
#[derive(Deserialize)]
pub(super) struct Which {
    key: String,
}

/// The key that an address names. What names none, or none that there can be, is not there.
fn which(query: Asked<Which>) -> Result<String> {
    let Which { key } = asked(query).map_err(|_| Error::not_found())?;
    // No database has a text with it.
    if key.contains('\0') { Err(Error::not_found()) } else { Ok(key) }
}

impl CounterPage {
    pub(super) fn new(page: Page, key: &str, now: Picture, values: FormView) -> Self {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("key", key).finish();
        let (shown, system) = (key::shown(key), key::system(key));
        let is_key_long = shown.chars().count() > SHORT_KEY;
        Self { page, key: shown, is_key_long, system, query, now, values }
    }
}

pub(super) async fn show(
    State(counters): State<Counters>,
    caller: PageCaller,
    web: Web,
    query: Asked<Which>,
) -> web::Result<Response> {
    let key = which(query)?;
    counters.one(&web, &caller, &key, StatusCode::OK, FormView::default().with("value", "1")).await
}

pub(super) async fn add(
    State(counters): State<Counters>,
    caller: PageCaller,
    web: Web,
    query: Asked<Which>,
    Form(fields): Form,
) -> web::Result<Response> {
    let key = which(query)?;
    // A counter is begun where its key is typed.
    counters.read(&key).await?;
    let typed = fields.typed();
    let added = match Increment::of(key.clone(), fields) {
        Ok(increment) => counters.add_one(increment).await,
        Err(error) => Err(error),
    };
    let Err(error) = added else { return Ok(see_other(&address(&key))) };
    match again(typed, &error).filter(|values| values.error("value").is_some()) {
        Some(values) => counters.one(&web, &caller, &key, Problem::of(&error).status(), values).await,
        None => Err(error.into()),
    }
}

pub(super) async fn now(
    State(counters): State<Counters>,
    _: Caller,
    query: Asked<Which>,
) -> web::Result<Answer> {
    Ok(Answer::ok(&counters.state(&which(query)?).await?))
}

pub(super) async fn live(
    State(counters): State<Counters>,
    _: Caller,
    MaybeSession(session): MaybeSession,
    web: Web,
    query: Asked<Which>,
) -> web::Result<Response> {
    let key = which(query)?;
    counters.state(&key).await?;
    let shared = web.clone();
    Ok(web::live(&shared, LIVE.to_owned(), move || {
        let (counters, key) = (counters.clone(), key.clone());
        // The page may stay open for longer than the session of who opened it.
        let over = session.as_ref().is_some_and(|session| {
            web.revocations().is_revoked(session.id) || session.expires_at <= web.clock().now()
        });
        async move { if over { Err(Error::unauthorized()) } else { counters.state(&key).await } }
    }))
}

impl Counters {
    async fn one(
        &self,
        web: &Web,
        PageCaller(session): &PageCaller,
        key: &str,
        status: StatusCode,
        values: FormView,
    ) -> web::Result<Response> {
        let now = match self.picture(key).await {
            Err(error) if error.kind == Kind::NotFound && is_possible(key) => {
                let page = Page::new(web, session.as_ref(), "Nothing was added to it yet", "/counters/one");
                return Ok(html_with(StatusCode::NOT_FOUND, &UncountedPage::new(page, key)));
            }
            now => now?,
        };
        let page = Page::new(web, session.as_ref(), key::shown(key), "/counters/one");
        Ok(html_with(status, &CounterPage::new(page, key, now, values)))
    }

    /// What changes of a counter's page while it is open.
    async fn state(&self, key: &str) -> Result<Map<String, Value>> {
        Ok(self.picture(key).await?.state())
    }

    async fn picture(&self, key: &str) -> Result<Picture> {
        let found = self.0.looks.load(&[key.to_owned()]).await?;
        let seen = found.first().ok_or_else(Error::not_found)?;
        Ok(Picture::new(seen.value, &history::bins(seen, self.0.db.clock().now())))
    }
}
