//! The JSON calls of counters (contract, Counters).

use std::sync::Arc;

use axum::extract::{FromRequestParts, OriginalUri, RawPathParams, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use db::{IdempotencyKey, StoredAnswer};
use kernel::{Error, Result, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use web::{Answer, Fields, Kept, MaybeSession, Once, Paging, Post, Routes, routes};

use crate::bodies::IncrementBody;
use crate::model::{Counter, Increment};
use crate::tally::{Command, Keyed, Outcome};
use crate::{Counters, batch, store};

pub(crate) fn routes() -> Routes<Counters> {
    Routes::new()
        .api(routes!(increment))
        .api(routes!(increment_as_in_the_brief))
        .api(routes!(batch::increments))
        .api(routes!(list))
        .api(routes!(show))
}

/// Who may count and look: a session or API token, or anybody where the counters are open.
pub(crate) struct Caller(pub(crate) Option<UserId>);

impl FromRequestParts<Counters> for Caller {
    type Rejection = web::Failure;

    async fn from_request_parts(
        parts: &mut Parts,
        counters: &Counters,
    ) -> std::result::Result<Self, Self::Rejection> {
        let Ok(MaybeSession(session)) = MaybeSession::from_request_parts(parts, counters).await;
        match session {
            Some(session) => Ok(Self(Some(session.user))),
            None if counters.0.settings.open => Ok(Self(None)),
            None => Err(web::Failure(Error::unauthorized())),
        }
    }
}

/// Add to a counter
///
/// A counter that is not there begins at 0. What comes back is durable, and the exact sum with this increment.
#[utoipa::path(
    post, path = "/api/increment", tag = "counters", operation_id = "increment",
    params(Post), security(("session" = [])), request_body = IncrementBody,
    responses(
        (status = 200, description = "The counter, with this increment", body = NewValue<'_>),
        (status = 400, description = "key: Key must be 1 to 256 characters | \
            key: Key must not contain a NUL character | \
            key: Keys that begin with marquee: belong to the system | value: Value must be a whole number of 64 bits"),
        (status = 409, description = "value: The counter would overflow"),
    ),
)]
async fn increment(State(counters): State<Counters>, caller: Caller, request: Post) -> web::Result<Response> {
    let (fields, once) = request.into_parts();
    counters.increment(caller, fields, once, "POST /api/increment").await
}

/// Add to a counter, at the path of the brief
///
/// The same as `/api/increment`.
#[utoipa::path(
    post, path = "/increment", tag = "counters", operation_id = "incrementAsInTheBrief",
    params(Post), security(("session" = [])), request_body = IncrementBody,
    responses(
        (status = 200, description = "The counter, with this increment", body = NewValue<'_>),
        (status = 400, description = "key: Key must be 1 to 256 characters | \
            key: Key must not contain a NUL character | \
            key: Keys that begin with marquee: belong to the system | value: Value must be a whole number of 64 bits"),
        (status = 409, description = "value: The counter would overflow"),
    ),
)]
async fn increment_as_in_the_brief(
    State(counters): State<Counters>,
    caller: Caller,
    request: Post,
) -> web::Result<Response> {
    let (fields, once) = request.into_parts();
    counters.increment(caller, fields, once, "POST /increment").await
}

/// List counters
#[utoipa::path(
    get, path = "/api/counters", tag = "counters", operation_id = "listCounters",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, description = "At most so many; more than 200 is read as 200."),
        ("after" = Option<String>, Query, description = "Those after the counter with this key, in the list's order."),
        ("order" = Option<String>, Query, pattern = "^(asc|desc)$", description = "In order of creation, or newest first."),
    ),
    security(("session" = [])),
    responses((status = 200, description = "The counters, in order of creation", body = Vec<CounterView>)),
)]
async fn list(
    State(counters): State<Counters>,
    _: Caller,
    paging: Paging,
    OriginalUri(uri): OriginalUri,
) -> web::Result<Response> {
    let span = paging.span::<String>()?;
    if span.after.as_ref().is_some_and(|after| !may_be(after)) {
        return Err(Error::not_found().into());
    }
    let found = store::list(&counters.0.db, &span).await?.ok_or_else(Error::not_found)?;
    let last = found.last().map(|counter| counter.key.clone());
    let views: Vec<CounterView> = found.into_iter().map(CounterView::from).collect();
    Ok(web::list(&uri, &paging, &views, last))
}

/// Read a counter
#[utoipa::path(
    get, path = "/api/counters/{key}", tag = "counters", operation_id = "getCounter",
    params(("key" = String, Path, description = "The counter's key", min_length = 1, max_length = 256)),
    security(("session" = [])),
    responses((status = 200, description = "The counter", body = CounterView)),
)]
async fn show(State(counters): State<Counters>, _: Caller, PathKey(key): PathKey) -> web::Result<Response> {
    let found = counters.read(&key).await?;
    Ok(axum::Json(CounterView::from(found)).into_response())
}

/// The path parameter `key`. What is no text names nothing.
pub(crate) struct PathKey(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathKey {
    type Rejection = web::Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> std::result::Result<Self, Self::Rejection> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Error::not_found())?;
        let key = params.iter().find(|(name, _)| *name == "key").map(|(_, key)| key.to_owned());
        Ok(Self(key.filter(|key| may_be(key)).ok_or_else(Error::not_found)?))
    }
}

/// Whether there may be a counter of this name. No database has a text with a zero in it.
fn may_be(key: &str) -> bool {
    !key.contains('\0')
}

/// What an increment came to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewValue<'a> {
    #[schema(example = "visits")]
    key: &'a str,
    /// The sum of all increments up to this one.
    #[schema(example = 3)]
    new_value: i64,
}

impl<'a> NewValue<'a> {
    pub(crate) fn new(key: &'a str, new_value: i64) -> Self {
        Self { key, new_value }
    }
}

/// A counter.
#[derive(Serialize, ToSchema)]
#[schema(as = Counter)]
pub(crate) struct CounterView {
    #[schema(example = "visits")]
    key: String,
    /// The sum of its increments.
    #[schema(example = 3)]
    value: i64,
}

impl From<Counter> for CounterView {
    fn from(Counter { key, value }: Counter) -> Self {
        Self { key, value }
    }
}

impl Counters {
    async fn increment(
        &self,
        Caller(user): Caller,
        fields: Fields,
        once: Once,
        route: &'static str,
    ) -> web::Result<Response> {
        once.within(&self.0.db, user, route, async |key| self.add(Increment::read(fields)?, key).await).await
    }

    async fn add(&self, increment: Increment, key: Option<IdempotencyKey>) -> Result<Kept> {
        let name = increment.key.clone();
        let render = move |values: &[Result<i64>]| answer(&name, values);
        let Some(key) = key else {
            return match self.count(Command { increments: vec![increment], keyed: None }).await? {
                Outcome::Counted(values) => Ok(Kept::New(render(&values))),
                _ => Err(Error::internal("an increment without a key was kept")),
            };
        };
        let render = move |values: &[Result<i64>]| {
            let Answer { status, body } = render(values);
            StoredAnswer { status: status.as_u16(), body }
        };
        let keyed = Some(Keyed { key, render: Arc::new(render) });
        match self.count(Command { increments: vec![increment], keyed }).await? {
            Outcome::Kept(stored) => Ok(Kept::New(stored.try_into()?)),
            Outcome::Before(stored) => Ok(Kept::Before(stored)),
            Outcome::Counted(_) => Err(Error::internal("an increment with a key was not kept")),
        }
    }
}

/// What a single increment is answered.
fn answer(key: &str, values: &[Result<i64>]) -> Answer {
    match values {
        [Ok(value)] => Answer::ok(&NewValue::new(key, *value)),
        [Err(error)] => Answer::failure(error),
        _ => Answer::failure(&Error::internal("not one increment")),
    }
}
