//! The JSON calls of verification and reset.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;
use web::{Answer, Json, Result, Routes, Session, routes};

use crate::api::Empty;
use crate::bodies::{CodeBody, NewPasswordBody, ResetBody};
use crate::forms::{Confirmation, NewPassword, Reset};
use crate::seen::Seen;
use crate::{Accounts, Client};

pub(crate) fn routes() -> Routes<Accounts> {
    Routes::new()
        .api(routes!(ask_to_verify))
        .api(routes!(verify))
        .api(routes!(ask_to_reset))
        .api(routes!(reset))
}

/// The address that was verified.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"email": "ada@example.com"}))]
struct VerifiedEmail {
    email: String,
}

/// Ask for another mail to verify one's address
///
/// Signing up and changing the address send one already. At most one a minute, and six an hour with those.
#[utoipa::path(
    post, path = "/api/account/verification", tag = "accounts", operation_id = "askToVerify",
    security(("session" = [])),
    responses(
        (status = 202, description = "It will be sent", body = Empty),
        (status = 400, description = "There is no address to verify"),
        (status = 409, description = "Email is verified already"),
        (status = 429, description = "Too many attempts, please try again later"),
    ),
)]
async fn ask_to_verify(State(accounts): State<Accounts>, session: Session) -> Result<Answer> {
    accounts.ask_to_verify(&session).await?;
    Ok(Answer::json(StatusCode::ACCEPTED, &Empty {}))
}

/// Verify an address
///
/// With the code of the mail's link, which counts for 24 hours, once, and while the user has that address. No session
/// is needed.
#[utoipa::path(
    post, path = "/api/account/verify", tag = "accounts", operation_id = "verifyEmail", security(),
    request_body = CodeBody,
    responses(
        (status = 200, description = "It is verified", body = VerifiedEmail),
        (status = 400, description = "code: Code must be given | \
            This link does not count any more: it has expired, was used, or is for another address"),
    ),
)]
async fn verify(State(accounts): State<Accounts>, Json(fields): Json) -> Result<Answer> {
    let email = accounts.verify(Confirmation::read(fields)?.code).await?;
    Ok(Answer::ok(&VerifiedEmail { email }))
}

/// Ask for a mail to choose another password
///
/// One answer, and the same work, whether or not the address is known. Above ten an hour an address is sent nothing
/// more: the links that it has count.
#[utoipa::path(
    post, path = "/api/account/reset", tag = "accounts", operation_id = "askToReset", security(),
    request_body = ResetBody,
    responses(
        (status = 202, description = "If somebody signs in with the address, it will be sent", body = Empty),
        (status = 400, description = "email: Email must be valid"),
        (status = 429, description = "Too many attempts, please try again later"),
    ),
)]
async fn ask_to_reset(
    State(accounts): State<Accounts>,
    client: Client,
    Json(fields): Json,
) -> Result<Answer> {
    accounts.ask_to_reset(&Reset::read(fields)?.email, &client).await?;
    Ok(Answer::json(StatusCode::ACCEPTED, &Empty {}))
}

/// Choose another password
///
/// With the code of the mail's link, which counts for an hour, and once. Ends all of the user's sessions and tokens, and
/// signs nobody in.
#[utoipa::path(
    post, path = "/api/account/reset/confirm", tag = "accounts", operation_id = "resetPassword", security(),
    request_body = NewPasswordBody,
    responses(
        (status = 200, description = "The password is the new one", body = Empty),
        (status = 400, description = "code: Code must be given | \
            newPassword: Password must be between 8 and 128 characters | \
            This link does not count any more: it has expired, was used, or is for another address"),
    ),
)]
async fn reset(State(accounts): State<Accounts>, seen: Seen, Json(fields): Json) -> Result<Response> {
    let NewPassword { code, password } = NewPassword::read(fields)?;
    let change = accounts.reset(code, password).await?;
    Ok(accounts.told(seen, change, Answer::ok(&Empty {}).into_response()))
}
