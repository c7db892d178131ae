//! `Idempotency-Key`: the same request sent again gets the stored answer and acts no second time.
//!
//! A second request waits here while the first is at work in this process; one in another process is
//! seen in the database, before the act or by the act itself, and waited for by looking again. An act that
//! stores its answer in the transaction of its effect (it is given the key for that) is safe against a
//! crash between the two as well. One that does so for many requests at a time, as a lane does, looks its keys up
//! there too ([`Once::within`]), so that a key costs no transaction of its own.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use db::{Db, IdempotencyKey, Recall, StoredAnswer};
use kernel::{Error, Kind, UserId};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::answer::Answer;
use crate::body::RawBody;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::fields::Fields;
use crate::json::JsonType;
use crate::problem::Problem;
use crate::session::Session;
use crate::turns::Turn;
use crate::web::Web;

/// A JSON body like [`crate::Json`], together with the request's idempotency key.
pub struct Post {
    fields: Fields,
    once: Once,
}

/// The request's idempotency key, if it has one, for a body that the handler reads by itself.
pub struct KeyHeader {
    web: Web,
    path: String,
    key: Option<String>,
}

/// A request that acts once if it has an idempotency key.
pub struct Once {
    web: Web,
    key: Option<Key>,
}

/// What an act answers that looks up and keeps its keys by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It has acted, and kept this answer under the key, if there was one.
    New(Answer),
    /// The key was answered before.
    Before(StoredAnswer),
}

struct Key {
    key: String,
    fingerprint: String,
}

/// How long to wait for the first request of a key that another process has at work, and between looks.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
/// How long a request waits for its turn where the act has a bound of its own: those that repeat one that hangs are not
/// to wait for it one after the other.
const TURN: Duration = Duration::from_secs(1);

/// What an act names as the cause of its `Unavailable` when its key is taken (`Tx::remember`) by a request
/// that may have no answer yet: one that another process has at work, since [`Post::once`] looked. That
/// one is waited for then, rather than a 503 given at once. An act that takes its key and answers it in one
/// transaction need not say so: where it finds the key taken, the answer is there as well.
#[derive(Debug, Clone, Copy)]
pub struct FirstAtWork;

impl fmt::Display for FirstAtWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the first request of an idempotency key is still at work")
    }
}

impl std::error::Error for FirstAtWork {}

impl Kept {
    fn into_response(self) -> kernel::Result<Response> {
        Ok(match self {
            Self::New(answer) => answer.into_response(),
            Self::Before(stored) => replay(stored),
        })
    }
}

impl<S: Send + Sync> FromRequest<S> for Post {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> std::result::Result<Self, Problem> {
        let media_type = JsonType::of(request.headers())?;
        let (parts, body) = request.into_parts();
        let key = KeyHeader::of(&parts)?;
        let RawBody(body) = RawBody::from_request(Request::from_parts(parts, body), state).await?;
        Ok(Self { fields: media_type.parse(&body)?, once: key.over(&body) })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KeyHeader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> std::result::Result<Self, Problem> {
        Self::of(parts)
    }
}

impl KeyHeader {
    fn of(parts: &Parts) -> std::result::Result<Self, Problem> {
        let web = Context::of(&parts.extensions)?.web().clone();
        let key = key_of(parts)?;
        // Only a key needs to know what it belongs to.
        let path = if key.is_some() { path_of(parts).to_owned() } else { String::new() };
        Ok(Self { web, path, key })
    }

    /// Whether the request has a key.
    pub fn is_given(&self) -> bool {
        self.key.is_some()
    }

    /// Whether the key was used before: whatever the body is, nothing is done then but to answer.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn is_used(&self, db: &Db, session: &Session, route: &'static str) -> kernel::Result<bool> {
        let Some(key) = self.key.clone() else { return Ok(false) };
        let scope = scope(Some(session.user), route);
        // No body has this fingerprint.
        let key = IdempotencyKey { scope, key, fingerprint: String::new() };
        Ok(db.recall(&key).await? != Recall::Unknown)
    }

    /// The request with its body.
    pub fn over(self, body: &[u8]) -> Once {
        let Self { web, path, key } = self;
        Once { web, key: key.map(|key| Key { key, fingerprint: fingerprint(&path, body) }) }
    }
}

/// The header's value: 1 to 255 visible ASCII characters.
fn key_of(parts: &Parts) -> std::result::Result<Option<String>, Problem> {
    let mut values = parts.headers.get_all("idempotency-key").iter();
    match (values.next().map(HeaderValue::as_bytes), values.next()) {
        (None, _) => Ok(None),
        (Some(key @ [_, ..]), None) if key.len() <= 255 && key.iter().all(u8::is_ascii_graphic) => {
            Ok(Some(key.iter().copied().map(char::from).collect()))
        }
        _ => {
            let message = "Idempotency-Key must be one value of 1 to 255 visible ASCII characters";
            Err(Problem::new(StatusCode::BAD_REQUEST, message))
        }
    }
}

fn path_of(parts: &Parts) -> &str {
    parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0).path()
}

/// Tells requests under one key apart. The path belongs to it, for what is refunded, say, stands there.
fn fingerprint(path: &str, body: &[u8]) -> String {
    let digest = Sha256::new().chain_update(path).chain_update([0]).chain_update(body).finalize();
    HEXLOWER.encode(&digest)
}

impl Post {
    /// The members of the body, and the request to act on once.
    pub fn into_parts(self) -> (Fields, Once) {
        (self.fields, self.once)
    }

    /// As [`Once::around`], for an act that takes the body.
    ///
    /// # Errors
    /// As there.
    pub async fn once<F, Fut>(
        self,
        db: &Db,
        session: &Session,
        route: &'static str,
        act: F,
    ) -> Result<Response>
    where
        F: FnOnce(Fields, Option<IdempotencyKey>) -> Fut,
        Fut: Future<Output = kernel::Result<Answer>>,
    {
        let Self { fields, once } = self;
        once.around(db, session, route, |key| act(fields, key)).await
    }
}

impl Once {
    /// Runs `act` at most once per user, `route` (`POST /api/orders`) and key, and keeps its answer, or
    /// its error's, unless the same request may fare better the next time. Without a key it just runs.
    ///
    /// # Errors
    /// Those of `act`; `KeyReused` if the key came with another body; `Unavailable` if the first request
    /// does not come to an end.
    pub async fn around<F, Fut>(
        self,
        db: &Db,
        session: &Session,
        route: &'static str,
        act: F,
    ) -> Result<Response>
    where
        F: FnOnce(Option<IdempotencyKey>) -> Fut,
        Fut: Future<Output = kernel::Result<Answer>>,
    {
        let Some(key) = self.key else {
            return Ok(act(None).await?.into_response());
        };
        let (key, _turn) = turn(&self.web, key, Some(session.user), route).await;
        if let Some(stored) = recall(db, &key).await? {
            return Ok(replay(stored));
        }
        let outcome = act(Some(key.clone())).await;
        if let Err(error) = &outcome
            && let Some(stored) = overtaken(db, &key, error).await?
        {
            return Ok(replay(stored));
        }
        let answer = match &outcome {
            Ok(answer) => answer.clone(),
            Err(error) => Answer::failure(error),
        };
        keep(db, &key, route, answer).await;
        Ok(outcome.map_err(Failure)?.into_response())
    }

    /// As [`Once::around`], for an act that looks its key up and keeps its answer in its own transaction. `user` is
    /// `None` where anybody may act: all of them share their keys then.
    ///
    /// # Errors
    /// As there; `Unavailable` if the first request of the key is at work for more than a second.
    pub async fn within<F, Fut>(
        self,
        db: &Db,
        user: Option<UserId>,
        route: &'static str,
        act: F,
    ) -> Result<Response>
    where
        F: FnOnce(Option<IdempotencyKey>) -> Fut,
        Fut: Future<Output = kernel::Result<Kept>>,
    {
        let Some(key) = self.key else {
            return act(None).await.and_then(Kept::into_response).map_err(Failure);
        };
        // In a place of its own: few requests have a key, and the others need not carry all this along.
        Box::pin(async move {
            let Ok((key, _turn)) = timeout(TURN, turn(&self.web, key, user, route)).await else {
                let told = "an idempotency key is not answered";
                return Err(Failure(Error::unavailable(told).because(FirstAtWork)));
            };
            let error = match act(Some(key.clone())).await {
                Ok(kept) => return Ok(kept.into_response()?),
                Err(error) if error.is_transient() => return Err(Failure(error)),
                Err(error) => error,
            };
            // It did not come so far as to look at its key.
            if let Some(stored) = recall(db, &key).await? {
                return Ok(replay(stored));
            }
            keep(db, &key, route, Answer::failure(&error)).await;
            Err(Failure(error))
        })
        .await
    }
}

/// The key as it is kept, and its turn: nobody else in this process is at work on it.
async fn turn(
    web: &Web,
    Key { key, fingerprint }: Key,
    user: Option<UserId>,
    route: &'static str,
) -> (IdempotencyKey, Turn) {
    let key = IdempotencyKey { scope: scope(user, route), key, fingerprint };
    let turn = web.turns().take(format!("{} {}", key.scope, key.key)).await;
    (key, turn)
}

/// Whose keys, and of what.
fn scope(user: Option<UserId>, route: &str) -> String {
    let user = user.map_or_else(|| "anybody".to_owned(), |user| user.to_string());
    format!("{user} {route}")
}

/// Keeps an answer that would be the same the next time.
async fn keep(db: &Db, key: &IdempotencyKey, route: &'static str, answer: Answer) {
    if !is_kept(answer.status) {
        return;
    }
    let stored = StoredAnswer { status: answer.status.as_u16(), body: answer.body };
    if let Err(e) = db.remember(key, &stored).await {
        // What was done is done. Only a repetition would notice, and an act that must not be
        // repeated has stored its answer itself.
        tracing::warn!(error = %e, route, "an answer could not be kept under its idempotency key");
    }
}

/// What the key was answered before, once that is known; nothing if it is new.
async fn recall(db: &Db, key: &IdempotencyKey) -> kernel::Result<Option<StoredAnswer>> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match db.recall(key).await? {
            Recall::Unknown => return Ok(None),
            Recall::Answer(answer) => return Ok(Some(answer)),
            Recall::OtherBody => return Err(other_body()),
            Recall::Running if tokio::time::Instant::now() < deadline => tokio::time::sleep(LOOK).await,
            Recall::Running => {
                return Err(Error::unavailable("an idempotency key is not answered").because(FirstAtWork));
            }
        }
    }
}

/// What the key was answered elsewhere, if that is why the act came to nothing here.
async fn overtaken(db: &Db, key: &IdempotencyKey, error: &Error) -> kernel::Result<Option<StoredAnswer>> {
    if error.kind != Kind::Unavailable {
        return Ok(None);
    }
    if std::error::Error::source(error).is_some_and(|cause| cause.is::<FirstAtWork>()) {
        return recall(db, key).await;
    }
    // Whatever else is wrong is the client's to know; a database that is away too is no news.
    match db.recall(key).await {
        Ok(Recall::Answer(answer)) => Ok(Some(answer)),
        Ok(Recall::OtherBody) => Err(other_body()),
        Ok(Recall::Unknown | Recall::Running) | Err(_) => Ok(None),
    }
}

fn other_body() -> Error {
    Error::new(Kind::KeyReused, "This Idempotency-Key was used for another request")
}

fn replay(stored: StoredAnswer) -> Response {
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Answer { status, body: stored.body }.into_response();
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}

/// Whether the answer would be the same the next time. Signing in, waiting or our recovery change others.
fn is_kept(status: StatusCode) -> bool {
    !(status.is_server_error()
        || matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        ))
}

#[cfg(test)]
mod tests;
