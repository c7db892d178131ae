//! The JSON calls.

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use contracts::UserState;
use kernel::{Error, Kind, SessionId, UserId};
use serde::Serialize;
use serde_json::json;
use web::{Answer, Failure, Json, MaybeSession, Operator, Paging, PathId, Result, Routes, Session};

use crate::{AccountChange, Accounts, Client, Credentials, SignUp, UserChange};

pub(crate) fn routes() -> Routes<Accounts> {
    Routes::new()
        .route("/api/users/signup", post(sign_up))
        .route("/api/users/signin", post(sign_in))
        .route("/api/users/signout", post(sign_out))
        .route("/api/users/currentuser", get(current_user))
        .route("/api/users", post(register))
        .route("/api/users/{id}", patch(change_user).delete(delete_user))
        .route("/api/sessions", post(open_session).get(show_session).delete(sign_out))
        .route("/api/account", patch(change_account))
        .route("/api/account/sessions", get(list_sessions).delete(revoke_sessions))
        .route("/api/account/sessions/{id}", axum::routing::delete(revoke_session))
}

/// Who signed up or in: `{id, email}`.
#[derive(Serialize)]
struct Identity<'a> {
    id: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
}

/// What sign-up and sign-in say; the public name is for `currentuser`.
fn identity(user: &UserState) -> Identity<'_> {
    Identity { id: user.id, email: user.email.as_deref(), username: None }
}

fn with_cookie(cookie: HeaderValue, answer: impl IntoResponse) -> Response {
    ([(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], answer)
        .into_response()
}

async fn sign_up(State(accounts): State<Accounts>, client: Client, Json(fields): Json) -> Result<Response> {
    let signed_in = accounts.sign_up(SignUp::read(fields)?, &client).await?;
    Ok(with_cookie(signed_in.cookie, Answer::created(&identity(&signed_in.user))))
}

async fn sign_in(State(accounts): State<Accounts>, client: Client, Json(fields): Json) -> Result<Response> {
    let signed_in = accounts.sign_in(Credentials::read(fields)?, &client).await?;
    Ok(with_cookie(signed_in.cookie, Answer::ok(&identity(&signed_in.user))))
}

async fn sign_out(State(accounts): State<Accounts>, MaybeSession(session): MaybeSession) -> Result<Response> {
    let cookie = accounts.sign_out(session.as_ref()).await?;
    Ok(with_cookie(cookie, Answer::ok(&json!({}))))
}

async fn current_user(
    State(accounts): State<Accounts>,
    MaybeSession(session): MaybeSession,
) -> Result<Response> {
    let user = match session {
        Some(session) => accounts.current_user(&session).await?,
        None => None,
    };
    let shown = user.as_ref().map(|u| Identity {
        id: u.id,
        email: u.email.as_deref(),
        username: u.username.as_deref(),
    });
    let answer = Answer::ok(&json!({ "currentUser": shown }));
    Ok(([(header::CACHE_CONTROL, "no-store")], answer).into_response())
}

async fn register(State(accounts): State<Accounts>, client: Client, Json(fields): Json) -> Result<Answer> {
    let user = accounts.register(SignUp::read(fields)?, &client).await?;
    Ok(Answer::created(&identity(&user)))
}

async fn open_session(
    State(accounts): State<Accounts>,
    client: Client,
    Json(fields): Json,
) -> Result<Response> {
    let signed_in = accounts.authenticate(Credentials::read(fields)?, &client).await?;
    let signed_in = signed_in.ok_or_else(|| Error::new(Kind::Unauthorized, "Invalid credentials"))?;
    Ok(with_cookie(signed_in.cookie, Answer::created(&identity(&signed_in.user))))
}

async fn show_session(State(accounts): State<Accounts>, session: Session) -> Result<Answer> {
    let user = accounts.current_user(&session).await?.ok_or_else(Error::unauthorized)?;
    Ok(Answer::ok(&json!({ "userId": user.id })))
}

async fn list_sessions(
    State(accounts): State<Accounts>,
    session: Session,
    paging: Paging,
    OriginalUri(uri): OriginalUri,
) -> Result<Response> {
    let own = accounts.sessions(&session, &paging).await?;
    let last = own.last().map(|one| one.id.to_string());
    Ok(web::list(&uri, &paging, &own, last))
}

async fn revoke_session(
    State(accounts): State<Accounts>,
    session: Session,
    PathId(id): PathId<SessionId>,
) -> Result<Response> {
    accounts.revoke_session(&session, id).await?;
    Ok(gone(&accounts, id == session.id))
}

async fn revoke_sessions(State(accounts): State<Accounts>, session: Session) -> Result<Response> {
    accounts.revoke_sessions(&session).await?;
    Ok(gone(&accounts, true))
}

/// 204, and the cookie goes with the session that it carried.
fn gone(accounts: &Accounts, with_own: bool) -> Response {
    let cookie = with_own.then(|| [(header::SET_COOKIE, accounts.0.web.sessions().clear_cookie())]);
    match cookie {
        Some(cookie) => (StatusCode::NO_CONTENT, cookie).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn change_account(
    State(accounts): State<Accounts>,
    session: Session,
    client: Client,
    Json(fields): Json,
) -> Result<Answer> {
    let user = accounts.change_account(&session, AccountChange::read(fields)?, &client).await?;
    Ok(Answer::ok(&user))
}

async fn change_user(
    State(accounts): State<Accounts>,
    _: Operator,
    id: std::result::Result<PathId<UserId>, Failure>,
    Json(fields): Json,
) -> Result<Answer> {
    let change = UserChange::read(fields)?;
    let PathId(id) = id?;
    Ok(Answer::ok(&accounts.change_user(id, change).await?))
}

async fn delete_user(
    State(accounts): State<Accounts>,
    _: Operator,
    PathId(id): PathId<UserId>,
) -> Result<StatusCode> {
    accounts.delete_user(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
