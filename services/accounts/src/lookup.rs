//! Looking users up: by id, by address, by name, for operators and for the users themselves.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cache::{Found, Source};
use kernel::{Error, Result, UserId};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use web::{IfNoneMatch, Routes, Session, routes};

use crate::known::{Known, LookUp, body};
use crate::model::User;
use crate::seen::Seen;
use crate::{Accounts, store};

pub(crate) fn routes() -> Routes<Accounts> {
    Routes::new().api(routes!(look_up))
}

/// What a look-up found.
#[derive(Serialize, ToSchema)]
struct LookedUp {
    /// `cache` if it was remembered, `database` if it was read just now.
    #[schema(example = "cache", pattern = "^(cache|database)$")]
    source: String,
    /// One user, or none.
    #[schema(max_items = 1)]
    result: Vec<User>,
}

/// Look a user up
///
/// By exactly one of id, username and e-mail, without regard to case. For operators, and for the user itself. `Age` says
/// how many seconds ago a remembered answer was read.
#[utoipa::path(
    get, path = "/api/users", tag = "accounts", operation_id = "lookUpUser",
    params(
        ("id" = Option<UserId>, Query, description = "The user's id"),
        ("username" = Option<String>, Query, description = "The user's public name"),
        ("email" = Option<String>, Query, description = "The user's address"),
    ),
    security(("session" = [])),
    responses(
        (status = 200, description = "The user", body = LookedUp),
        (status = 304, description = "As the `If-None-Match` of the request has it"),
        (status = 400, description = "Exactly one of id, username and email must be given"),
        (status = 404, description = "Nobody, with the same body and an empty result", body = LookedUp),
    ),
)]
async fn look_up(
    State(accounts): State<Accounts>,
    session: Session,
    seen: Seen,
    RawQuery(query): RawQuery,
    kept: IfNoneMatch,
) -> web::Result<Response> {
    let wanted = wanted(query.as_deref().unwrap_or_default())?;
    let found = match wanted {
        Some(key) => Some(accounts.look_up(&key, seen).await?),
        None => None,
    };
    let user = found.as_ref().and_then(|found| found.value.as_ref());
    if !session.is_operator() && user.is_none_or(|known| known.user().id != session.user) {
        Err(Error::unauthorized())?;
    }
    Ok(accounts.shown(found, seen, &kept))
}

impl Accounts {
    /// Who is there. Never older than the bound on staleness, nor than what the client has seen.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn look_up(&self, key: &LookUp, seen: Seen) -> Result<Found<Known>> {
        if !key.is_possible() {
            return Ok(Found { value: None, stamp: 0, read_at: Instant::now(), source: Source::Database });
        }
        let load = || {
            let (db, key) = (self.0.db.clone(), key.clone());
            async move { store::look_up(&db, &key).await }
        };
        self.0.users.get(key, seen.change(), load).await
    }

    /// The answer that shows what was found; `None` is what nobody can be looked up by.
    fn shown(&self, found: Option<Found<Known>>, seen: Seen, kept: &IfNoneMatch) -> Response {
        let from_cache = found.as_ref().is_some_and(|found| found.source.is_cache());
        let known = found.as_ref().and_then(|found| found.value.as_ref());
        let mut response = match known {
            Some(known) if kept.has(&known.tag()) => StatusCode::NOT_MODIFIED.into_response(),
            Some(known) if from_cache => known.body().into_response(),
            Some(known) => body(false, &[known.user()]).into_response(),
            None => (StatusCode::NOT_FOUND, body(from_cache, &[])).into_response(),
        };
        let answer = response.headers_mut();
        answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer.insert(header::CACHE_CONTROL, web::PRIVATE);
        if let Some(known) = known {
            answer.insert(header::ETAG, known.tag());
        }
        if let Some(found) = &found {
            if from_cache {
                answer.insert(header::AGE, HeaderValue::from(found.age().as_secs()));
            }
            self.note(found, seen, answer);
        }
        response
    }
}

/// What is asked for; `None` for an id that is none.
fn wanted(query: &str) -> Result<Option<LookUp>> {
    let wrong = || Error::invalid("Exactly one of id, username and email must be given");
    let mut given = form_urlencoded::parse(query.as_bytes());
    let (name, value) = given.next().ok_or_else(wrong)?;
    if given.next().is_some() {
        return Err(wrong());
    }
    match &*name {
        "id" => Ok(value.parse().ok().map(LookUp::Id)),
        "username" => Ok(Some(LookUp::username(&value))),
        "email" => Ok(Some(LookUp::email(&value))),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_is_asked_for() {
        let id = "01a1fc9e-2f41-7c60-8a35-6b1f0d9e4c27";
        assert_eq!(wanted(&format!("id={id}")).unwrap(), Some(LookUp::Id(id.parse().unwrap())));
        assert_eq!(wanted("id=7").unwrap(), None);
        assert_eq!(wanted("username=%C3%84nn").unwrap(), Some(LookUp::Username("änn".into())));
        assert_eq!(wanted("email=Ann%40X.de").unwrap(), Some(LookUp::Email("ann@x.de".into())));
        for wrong in ["", "name=x", "id=1&id=1", "id=1&email=x", "email=x&page=1", "=x"] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
    }
}
