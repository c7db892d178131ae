//! The JSON calls.

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contracts::UserState;
use kernel::{Error, Kind, SessionId, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use web::{Answer, Failure, Json, MaybeSession, Operator, Paging, PathId, Result, Routes, Session, routes};

use crate::bodies::{AccountChangeBody, CredentialsBody, SignUpBody, UserChangeBody};
use crate::model::User;
use crate::seen::Seen;
use crate::session::OwnSession;
use crate::{AccountChange, Accounts, Client, Credentials, SignUp, UserChange};

pub(crate) fn routes() -> Routes<Accounts> {
    Routes::new()
        .api(routes!(sign_up))
        .api(routes!(sign_in))
        .api(routes!(sign_out))
        .api(routes!(current_user))
        .api(routes!(register))
        .api(routes!(change_user, delete_user))
        .api(routes!(open_session, show_session, close_session))
        .api(routes!(change_account))
        .api(routes!(list_sessions, revoke_sessions))
        .api(routes!(revoke_session))
}

/// Who signed up or in.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"id": "01a1fc9e-2f41-7c60-8a35-6b1f0d9e4c27", "email": "ada@example.com"}))]
struct Identity<'a> {
    id: UserId,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    /// Their public name; `currentuser` alone says it.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
}

/// Who is signed in, if anybody is.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "currentUser": {"id": "01a1fc9e-2f41-7c60-8a35-6b1f0d9e4c27", "email": "ada@example.com", "username": "Ada"},
}))]
#[serde(rename_all = "camelCase")]
struct CurrentUser<'a> {
    #[schema(required = true)]
    current_user: Option<Identity<'a>>,
}

/// Whose session it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionUser {
    user_id: UserId,
}

/// Nothing more to say.
#[derive(Serialize, ToSchema)]
pub(crate) struct Empty {}

/// What sign-up and sign-in say; the public name is for `currentuser`.
fn identity(user: &UserState) -> Identity<'_> {
    Identity { id: user.id, email: user.email.as_deref(), username: None }
}

fn with_cookie(cookie: HeaderValue, answer: impl IntoResponse) -> Response {
    ([(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], answer)
        .into_response()
}

/// Sign up
///
/// Makes a user and signs them in. The session that comes with the request ends.
#[utoipa::path(
    post, path = "/api/users/signup", tag = "accounts", operation_id = "signUp", security(),
    request_body = SignUpBody,
    responses(
        (status = 201, description = "Signed up and in", body = Identity<'_>,
         headers(("Set-Cookie" = String, description = "The session"))),
        (status = 400, description = "email: Email must be valid | password: Password must be between 8 and 128 characters | \
            username: Username must be between 1 and 64 characters | email: Email in use | username: Username in use"),
        (status = 429, description = "Too many attempts, please try again later"),
    ),
)]
async fn sign_up(
    State(accounts): State<Accounts>,
    seen: Seen,
    client: Client,
    Json(fields): Json,
) -> Result<Response> {
    let signed_in = accounts.sign_up(SignUp::read(fields)?, &client).await?;
    let answer = with_cookie(signed_in.cookie, Answer::created(&identity(&signed_in.user)));
    Ok(accounts.told(seen, signed_in.user.change, answer))
}

/// Sign in
///
/// A new session each time; the one that comes with the request ends. One answer, and the same time spent, whether or not the address is known.
#[utoipa::path(
    post, path = "/api/users/signin", tag = "accounts", operation_id = "signIn", security(),
    request_body = CredentialsBody,
    responses(
        (status = 200, description = "Signed in", body = Identity<'_>,
         headers(("Set-Cookie" = String, description = "The session"))),
        (status = 400, description = "Invalid credentials | email: Email must be valid | password: Password must be given"),
        (status = 429, description = "Too many attempts, please try again later"),
    ),
)]
async fn sign_in(
    State(accounts): State<Accounts>,
    seen: Seen,
    client: Client,
    Json(fields): Json,
) -> Result<Response> {
    let signed_in = accounts.sign_in(Credentials::read(fields)?, &client).await?;
    let answer = with_cookie(signed_in.cookie, Answer::ok(&identity(&signed_in.user)));
    Ok(accounts.told(seen, signed_in.user.change, answer))
}

/// Sign out
///
/// The session ends everywhere. Without one there is nothing to do, which is fine.
#[utoipa::path(
    post, path = "/api/users/signout", tag = "accounts", operation_id = "signOut", security((), ("session" = [])),
    responses(
        (status = 200, description = "Signed out", body = Empty,
         headers(("Set-Cookie" = String, description = "Clears the cookie"))),
    ),
)]
async fn sign_out(State(accounts): State<Accounts>, MaybeSession(session): MaybeSession) -> Result<Response> {
    let cookie = accounts.sign_out(session.as_ref()).await?;
    Ok(with_cookie(cookie, Answer::ok(&Empty {})))
}

/// End the session that asks
///
/// As signing out.
#[utoipa::path(
    delete, path = "/api/sessions", tag = "accounts", operation_id = "closeSession", security((), ("session" = [])),
    responses(
        (status = 200, description = "It has ended everywhere", body = Empty,
         headers(("Set-Cookie" = String, description = "Clears the cookie"))),
    ),
)]
async fn close_session(accounts: State<Accounts>, session: MaybeSession) -> Result<Response> {
    sign_out(accounts, session).await
}

/// Who is signed in
#[utoipa::path(
    get, path = "/api/users/currentuser", tag = "accounts", operation_id = "currentUser",
    security((), ("session" = [])),
    responses((status = 200, description = "The user, or null", body = CurrentUser<'_>)),
)]
async fn current_user(
    State(accounts): State<Accounts>,
    seen: Seen,
    MaybeSession(session): MaybeSession,
) -> Result<Response> {
    let user = match session {
        Some(session) => accounts.current(&session).await?,
        None => None,
    };
    let shown = user.as_ref().map(|u| Identity {
        id: u.id,
        email: u.email.as_deref(),
        username: u.username.as_deref(),
    });
    let answer = Answer::ok(&CurrentUser { current_user: shown });
    let mut answer = ([(header::CACHE_CONTROL, "no-store")], answer).into_response();
    if let Some(user) = user {
        accounts.note_of(user.change, user.changed_at, seen, answer.headers_mut());
    }
    Ok(answer)
}

/// Make a user
///
/// Signs nobody in.
#[utoipa::path(
    post, path = "/api/users", tag = "accounts", operation_id = "register", security(),
    request_body = SignUpBody,
    responses(
        (status = 201, description = "The user", body = Identity<'_>),
        (status = 400, description = "email: Email must be valid | password: Password must be between 8 and 128 characters | \
            username: Username must be between 1 and 64 characters"),
        (status = 409, description = "User already exists"),
        (status = 429, description = "Too many attempts, please try again later"),
    ),
)]
async fn register(State(accounts): State<Accounts>, client: Client, Json(fields): Json) -> Result<Response> {
    let user = accounts.register(SignUp::read(fields)?, &client).await?;
    Ok(accounts.told_plainly(user.change, Answer::created(&identity(&user)).into_response()))
}

/// Open a session
///
/// As signing in, for clients that ask for a session rather than a user.
#[utoipa::path(
    post, path = "/api/sessions", tag = "accounts", operation_id = "openSession", security(),
    request_body = CredentialsBody,
    responses(
        (status = 201, description = "Signed in", body = Identity<'_>,
         headers(("Set-Cookie" = String, description = "The session"))),
        (status = 400, description = "email: Email must be valid | password: Password must be given"),
        (status = 401, description = "Invalid credentials"),
        (status = 429, description = "Too many attempts, please try again later"),
    ),
)]
async fn open_session(
    State(accounts): State<Accounts>,
    seen: Seen,
    client: Client,
    Json(fields): Json,
) -> Result<Response> {
    let signed_in = accounts.authenticate(Credentials::read(fields)?, &client).await?;
    let signed_in = signed_in.ok_or_else(|| Error::new(Kind::Unauthorized, "Invalid credentials"))?;
    let answer = with_cookie(signed_in.cookie, Answer::created(&identity(&signed_in.user)));
    Ok(accounts.told(seen, signed_in.user.change, answer))
}

/// Whose session this is
#[utoipa::path(
    get, path = "/api/sessions", tag = "accounts", operation_id = "showSession", security(("session" = [])),
    responses((status = 200, description = "The user's id", body = SessionUser)),
)]
async fn show_session(State(accounts): State<Accounts>, session: Session) -> Result<Answer> {
    let user = accounts.current_user(&session).await?.ok_or_else(Error::unauthorized)?;
    Ok(Answer::ok(&SessionUser { user_id: user.id }))
}

/// One's own sessions and API tokens
#[utoipa::path(
    get, path = "/api/account/sessions", tag = "accounts", operation_id = "listSessions",
    params(Paging), security(("session" = [])),
    responses((status = 200, description = "Those that have not ended, in order of creation", body = Vec<OwnSession>)),
)]
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

/// End one of one's own sessions or tokens
#[utoipa::path(
    delete, path = "/api/account/sessions/{id}", tag = "accounts", operation_id = "revokeSession",
    params(PathId<SessionId>), security(("session" = [])),
    responses((status = 204, description = "It has ended. If it was the one that asked, the cookie is cleared")),
)]
async fn revoke_session(
    State(accounts): State<Accounts>,
    session: Session,
    PathId(id): PathId<SessionId>,
) -> Result<Response> {
    accounts.revoke_session(&session, id).await?;
    Ok(gone(&accounts, id == session.id))
}

/// End all of one's own sessions and tokens
#[utoipa::path(
    delete, path = "/api/account/sessions", tag = "accounts", operation_id = "revokeSessions",
    security(("session" = [])),
    responses(
        (status = 204, description = "They have ended, the one that asked too",
         headers(("Set-Cookie" = String, description = "Clears the cookie"))),
    ),
)]
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

/// Change one's own account
///
/// Another address or password takes the current password. A new password ends all other sessions, and replaces the
/// cookie of the one that asks; a bearer token stays.
#[utoipa::path(
    patch, path = "/api/account", tag = "accounts", operation_id = "changeAccount",
    security(("session" = [])), request_body = Option<AccountChangeBody>,
    responses(
        (status = 200, description = "The user", body = User,
         headers(("Set-Cookie" = String, description = "The session that replaces the one that asked"))),
        (status = 400, description = "email: Email must be valid | username: Username must be between 1 and 64 characters | \
            newPassword: Password must be between 8 and 128 characters | currentPassword: Current password is wrong"),
        (status = 409, description = "email: Email in use | username: Username in use"),
        (status = 429, description = "Too many attempts, please try again later"),
    ),
)]
async fn change_account(
    State(accounts): State<Accounts>,
    seen: Seen,
    session: Session,
    client: Client,
    Json(fields): Json,
) -> Result<Response> {
    let written = accounts.change_account(&session, AccountChange::read(fields)?, &client).await?;
    let answer = Answer::ok(&written.user);
    let answer = match written.cookie {
        Some(cookie) => with_cookie(cookie, answer),
        None => answer.into_response(),
    };
    Ok(accounts.told(seen, written.change, answer))
}

/// Change somebody's account
///
/// For operators. Another role ends all of that user's sessions.
#[utoipa::path(
    patch, path = "/api/users/{id}", tag = "accounts", operation_id = "changeUser",
    params(PathId<UserId>), security(("session" = ["operator"])), request_body = Option<UserChangeBody>,
    responses(
        (status = 200, description = "The user", body = User),
        (status = 400, description = "email: Email must be valid | username: Username must be between 1 and 64 characters | \
            role: Role must be user or operator"),
        (status = 409, description = "email: Email in use | username: Username in use"),
    ),
)]
async fn change_user(
    State(accounts): State<Accounts>,
    seen: Seen,
    _: Operator,
    id: std::result::Result<PathId<UserId>, Failure>,
    Json(fields): Json,
) -> Result<Response> {
    let change = UserChange::read(fields)?;
    let PathId(id) = id?;
    let written = accounts.change_user(id, change).await?;
    Ok(accounts.told(seen, written.change, Answer::ok(&written.user).into_response()))
}

/// Delete a user
///
/// For operators. Ends all of that user's sessions.
#[utoipa::path(
    delete, path = "/api/users/{id}", tag = "accounts", operation_id = "deleteUser",
    params(PathId<UserId>), security(("session" = ["operator"])),
    responses((status = 204, description = "They are gone")),
)]
async fn delete_user(
    State(accounts): State<Accounts>,
    seen: Seen,
    _: Operator,
    PathId(id): PathId<UserId>,
) -> Result<Response> {
    let change = accounts.delete_user(id).await?;
    Ok(accounts.told(seen, change, StatusCode::NO_CONTENT.into_response()))
}
