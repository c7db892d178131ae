//! The directory's JSON calls.

use axum::extract::{FromRequestParts, RawQuery, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use kernel::{Error, UserId};
use web::{Answer, Failure, Json, MaybeSession, PathId, Problem, Routes, routes};

use super::{Asker, Directory, Entry, NAMELESS, read_username, unknown};
use crate::bodies::DirectoryBody;
use crate::known::LookUp;
use crate::seen::Seen;
use crate::{Accounts, Client};

pub(crate) fn routes() -> Routes<Accounts> {
    Routes::new().api(routes!(list, create)).api(routes!(show, delete))
}

/// A failure that says why in the member `reason` as well.
pub(super) struct Refusal(Problem);

type Result<T> = std::result::Result<T, Refusal>;

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let reason = problem.messages().collect::<Vec<_>>().join("; ");
        Self(problem.with("reason", reason))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Problem::from(error).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl FromRequestParts<Accounts> for Asker {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, accounts: &Accounts) -> Result<Self> {
        let Ok(MaybeSession(session)) = MaybeSession::from_request_parts(parts, accounts).await;
        Ok(accounts.asker(session.as_ref())?)
    }
}

/// The name that is looked for; none if it is not there or blank.
///
/// # Errors
/// `Invalid` if it comes twice.
fn wanted(query: Option<&str>) -> kernel::Result<Option<String>> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut names = pairs.filter(|(name, _)| name == "username").map(|(_, value)| value);
    let (name, again) = (names.next(), names.next());
    if again.is_some() {
        return Err(Error::invalid("A parameter must not be repeated").at("username"));
    }
    Ok(name.filter(|name| !name.trim().is_empty()).map(|name| name.into_owned()))
}

/// What stands in the path, of which what is no id names nobody.
fn named(id: std::result::Result<PathId<UserId>, Failure>) -> kernel::Result<UserId> {
    id.map(|PathId(id)| id).map_err(|_| unknown())
}

/// The directory, or a user by name
///
/// Users who have a name, by id: at most 1,000, the first of the alphabet. With a `username` the one user who has it,
/// in whatever case, as `{id, username}`. For operators, unless the server lets anybody (`--open-directory`).
/// Failures say why in the member `reason` as well.
#[utoipa::path(
    get, path = "/user", tag = "accounts", operation_id = "listDirectory", security(("session" = ["operator"])),
    params(("username" = Option<String>, Query, description = "Whom to look for; a blank one is none", example = "")),
    responses(
        (status = 200, description = "The users, by id; with a username that one", body = Directory, example = json!({
            "01a1fc9e-2f41-7c60-8a35-6b1f0d9e4c27": {"id": "01a1fc9e-2f41-7c60-8a35-6b1f0d9e4c27", "username": "Ada"},
        })),
        (status = 400, description = "username: A parameter must not be repeated"),
        (status = 404, description = "A user with the specified ID was not found"),
    ),
)]
async fn list(
    State(accounts): State<Accounts>,
    _: Asker,
    seen: Seen,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    match wanted(query.as_deref())? {
        Some(name) => accounts.entry(&LookUp::username(&name), seen).await,
        None => {
            let all = Answer::ok(&Directory::All(accounts.directory().await?)).into_response();
            Ok(accounts.told_of_all(seen, all).await?)
        }
    }
}

impl Accounts {
    async fn entry(&self, key: &LookUp, seen: Seen) -> Result<Response> {
        let found = self.look_up(key, seen).await?;
        let mut response = match found.value.as_ref().and_then(Entry::of) {
            Some(entry) => Answer::ok(&Directory::One(entry)).into_response(),
            None => Refusal::from(unknown()).into_response(),
        };
        self.note(&found, seen, response.headers_mut());
        Ok(response)
    }
}

/// Enter a user in the directory
///
/// A user who has a name alone, and cannot sign in. For operators, unless the server lets anybody
/// (`--open-directory`). Failures say why in the member `reason` as well.
#[utoipa::path(
    post, path = "/user", tag = "accounts", operation_id = "enterInDirectory", security(("session" = ["operator"])),
    request_body = DirectoryBody,
    responses(
        (status = 201, description = "The user", body = Entry),
        (status = 400, description = "username: Username must be a non-empty string | \
            username: Username must be between 1 and 64 characters"),
        (status = 409, description = "User already exists"),
        (status = 429, description = "Too many attempts, please try again later"),
    ),
)]
async fn create(
    State(accounts): State<Accounts>,
    seen: Seen,
    asker: Asker,
    client: Client,
    body: std::result::Result<Json, Problem>,
) -> Result<Response> {
    let Json(fields) = body.map_err(|problem| match problem.status() {
        // What is no object has no name either.
        StatusCode::BAD_REQUEST => Problem::from(Error::invalid(NAMELESS)),
        _ => problem,
    })?;
    let (entry, change) = accounts.enter(asker, read_username(fields)?, &client).await?;
    Ok(accounts.told(seen, change, Answer::created(&entry).into_response()))
}

/// A user of the directory
///
/// For operators, unless the server lets anybody (`--open-directory`). Failures say why in the member `reason` as
/// well.
#[utoipa::path(
    get, path = "/user/{id}", tag = "accounts", operation_id = "showInDirectory", params(PathId<UserId>),
    security(("session" = ["operator"])),
    responses(
        (status = 200, description = "The user", body = Entry),
        (status = 404, description = "A user with the specified ID was not found"),
    ),
)]
async fn show(
    State(accounts): State<Accounts>,
    _: Asker,
    seen: Seen,
    id: std::result::Result<PathId<UserId>, Failure>,
) -> Result<Response> {
    accounts.entry(&LookUp::Id(named(id)?), seen).await
}

/// Delete a user of the directory
///
/// As `DELETE /api/users/{id}`. For operators, unless the server lets anybody (`--open-directory`), who cannot delete
/// an operator. Failures say why in the member `reason` as well.
#[utoipa::path(
    delete, path = "/user/{id}", tag = "accounts", operation_id = "deleteFromDirectory", params(PathId<UserId>),
    security(("session" = ["operator"])),
    responses(
        (status = 200, description = "They are gone"),
        (status = 404, description = "A user with the specified ID was not found"),
    ),
)]
async fn delete(
    State(accounts): State<Accounts>,
    seen: Seen,
    asker: Asker,
    id: std::result::Result<PathId<UserId>, Failure>,
) -> Result<Response> {
    let change = accounts.strike(asker, named(id)?).await?;
    Ok(accounts.told(seen, change, StatusCode::OK.into_response()))
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn a_blank_name_is_none_and_two_are_refused() {
        let ok = |query: &str| wanted(Some(query)).unwrap();
        assert_eq!((ok(""), ok("a=b"), ok("username="), ok("username=+")), (None, None, None, None));
        assert_eq!(ok("a=b&username=%C3%84rger+"), Some("Ärger ".to_owned()));
        assert_eq!(wanted(None).unwrap(), None);
        assert!(wanted(Some("username=a&username=")).is_err());
    }
}
