//! The operators' page of one user: who they are, where they are signed in, and what can be done about them.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use contracts::Role;
use kernel::{Error, UserId};
use serde::Deserialize;
use web::{Moment, Page, PageOperator, PathId, Routes, Session, see_other};

use crate::model::User;
use crate::seen::Seen;
use crate::session::{Kind, OwnSession};
use crate::{Accounts, store};

/// The most sessions on a page.
const SESSIONS: usize = 50;

pub(crate) fn routes() -> Routes<Accounts> {
    Routes::new()
        .route("/house/users/{id}", get(show))
        .route("/house/users/{id}/signout", post(sign_out))
        .route("/house/users/{id}/delete", post(delete))
}

/// `/house/users/{id}`
#[derive(Template)]
#[template(path = "user.html")]
struct UserPage {
    page: Page,
    id: String,
    name: String,
    email: Option<String>,
    /// Whether the address is known to be theirs.
    verified: bool,
    username: Option<String>,
    operator: bool,
    version: i64,
    joined: Moment,
    /// Whether it is the one who looks, who does nothing about themselves here.
    own: bool,
    /// The newest first.
    sessions: Vec<Live>,
    /// Whether there are more than are shown.
    more: bool,
    /// What was just done.
    done: Option<&'static str>,
}

/// A live session or token, without what it could be taken for.
struct Live {
    token: bool,
    device: String,
    began: Moment,
    used: Moment,
    ends: Moment,
}

impl From<OwnSession> for Live {
    fn from(session: OwnSession) -> Self {
        Self {
            token: session.kind == Kind::Token,
            device: session.device,
            began: session.created_at.into(),
            used: session.last_used_at.into(),
            ends: session.expires_at.into(),
        }
    }
}

/// What was just done, as the address says it.
#[derive(Deserialize, Default)]
struct Done {
    done: Option<String>,
}

impl Done {
    fn told(&self) -> Option<&'static str> {
        match self.done.as_deref() {
            Some("role") => Some("Their role is another one now, and they have to sign in again."),
            Some("signed-out") => Some("They are signed out everywhere."),
            _ => None,
        }
    }
}

/// The address of a user's page after something was done.
pub(crate) fn address(id: UserId, done: &str) -> String {
    format!("/house/users/{id}?done={done}")
}

/// Nobody acts on themselves among the operators' pages: that would leave a house that nobody runs, or
/// lock out whoever slipped.
///
/// # Errors
/// `Invalid` with `sentence`.
pub(crate) fn not_oneself(session: &Session, id: UserId, sentence: &'static str) -> kernel::Result<()> {
    if id == session.user { Err(Error::invalid(sentence)) } else { Ok(()) }
}

async fn show(
    State(accounts): State<Accounts>,
    seen: Seen,
    PageOperator(session): PageOperator,
    PathId(id): PathId<UserId>,
    done: Result<Query<Done>, QueryRejection>,
) -> web::Result<Response> {
    let user = accounts.find(id).await?.ok_or_else(Error::not_found)?;
    // One more than is shown says whether there are more.
    let limit = SESSIONS as i64 + 1;
    let sessions = store::own(&accounts.0.db, id, None, true, limit).await?;
    let page = Page::new(&accounts.0.web, Some(&session), known_by(&user), "/house/users");
    let Query(done) = done.unwrap_or_default();
    let verified = accounts.verified_at(id).await?.is_some();
    let shown = web::html(&UserPage::new(page, (user, verified), &session, sessions, done.told()));
    Ok(accounts.told_of_all(seen, shown).await?)
}

/// What somebody is known by: the address, or the name of one who has none.
pub(crate) fn known_by(user: &User) -> String {
    user.email.as_ref().or(user.username.as_ref()).cloned().unwrap_or_default()
}

impl UserPage {
    fn new(
        page: Page,
        (user, verified): (User, bool),
        session: &Session,
        sessions: Vec<OwnSession>,
        done: Option<&'static str>,
    ) -> Self {
        Self {
            page,
            id: user.id.to_string(),
            name: known_by(&user),
            email: user.email,
            verified,
            username: user.username,
            operator: user.role == Role::Operator,
            version: user.version,
            joined: user.created_at.into(),
            own: user.id == session.user,
            more: sessions.len() > SESSIONS,
            sessions: sessions.into_iter().take(SESSIONS).map(Live::from).collect(),
            done,
        }
    }
}

async fn sign_out(
    State(accounts): State<Accounts>,
    PageOperator(session): PageOperator,
    PathId(id): PathId<UserId>,
) -> web::Result<Response> {
    not_oneself(&session, id, "You cannot sign yourself out everywhere from here: your account's page can")?;
    accounts.sign_out_everywhere(id).await?;
    Ok(see_other(&address(id, "signed-out")))
}

async fn delete(
    State(accounts): State<Accounts>,
    seen: Seen,
    PageOperator(session): PageOperator,
    PathId(id): PathId<UserId>,
) -> web::Result<Response> {
    not_oneself(&session, id, "You cannot delete yourself: another operator can")?;
    let change = accounts.delete_user(id).await?;
    Ok(accounts.told(seen, change, see_other(&format!("/house/users?deleted={id}"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Clock, Instant, SessionId};
    use web::{Config, Web};

    const HOSTILE: &str = "<script>alert('x')</script>\"&";

    fn page_of(own: bool, count: usize, done: &str) -> String {
        let clock = Clock::manual(Instant::from_millis(1_800_000_000_000));
        let (id, user, now) = (SessionId::new(&clock), UserId::new(&clock), clock.now());
        let session = Session { id, user, role: Role::Operator, expires_at: now };
        let web = Web::new(Config { clock: clock.clone(), ..Config::default() });
        let (email, username) = (Some(HOSTILE.to_owned()), Some(HOSTILE.to_owned()));
        let id = if own { user } else { UserId::new(&clock) };
        let user = User { id, email, username, role: Role::User, created_at: now, version: 7 };
        let one = |n: usize| OwnSession {
            id: SessionId::new(&clock),
            kind: if n == 0 { Kind::Token } else { Kind::Session },
            device: HOSTILE.into(),
            created_at: now,
            last_used_at: now,
            expires_at: now,
            current: false,
        };
        let sessions: Vec<_> = (0..count).map(one).collect();
        let ids: Vec<_> = sessions.iter().map(|session| session.id.to_string()).collect();
        let page = Page::new(&web, Some(&session), known_by(&user), "/house/users");
        let done = Done { done: Some(done.to_owned()) }.told();
        let text = UserPage::new(page, (user, true), &session, sessions, done).render().unwrap();
        assert!(ids.iter().all(|id| !text.contains(id)), "nobody's session is named: {text}");
        text
    }

    #[test]
    fn it_escapes_what_users_call_themselves_and_their_devices() {
        let text = page_of(false, 2, "signed-out");
        assert!(!text.contains("<script>") && text.contains("&#60;script&#62;"), "{text}");
        assert!(!text.contains("style=") && !text.contains("onclick"), "{text}");
        assert!(text.contains("They are signed out everywhere."), "{text}");
        assert!(text.contains("API token") && !text.contains("Only the newest"), "{text}");
        assert!(!page_of(false, 1, HOSTILE).contains("role=\"status\""), "only our own sentences are told");
    }

    #[test]
    fn it_says_when_there_are_more_sessions_and_when_there_are_none() {
        assert!(page_of(false, SESSIONS + 1, "").contains("Only the newest 50 are shown"));
        assert!(page_of(false, 0, "").contains("not signed in anywhere"));
    }

    #[test]
    fn one_s_own_page_has_no_acts() {
        assert_eq!(page_of(false, 1, "").matches("method=\"post\" action=\"/house/users/").count(), 3);
        assert_eq!(page_of(true, 1, "").matches("method=\"post\" action=\"/house/users/").count(), 0);
    }
}
