//! `/account`: who one is, what one may change of that, and where one is signed in.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use kernel::{Error, Kind as ErrorKind, SessionId};
use serde::Deserialize;
use web::{Form, FormView, Moment, Page, PageSession, Paging, PathId, Routes, Session, see_other};

use crate::forms::{at_old_password, read_password_change};
use crate::model::User;
use crate::pages::again;
use crate::seen::Seen;
use crate::session::{Kind, OwnSession};
use crate::{AccountChange, Accounts, Client};

pub(crate) fn routes() -> Routes<Accounts> {
    Routes::new()
        .route("/account", get(show))
        .route("/account/profile", post(change_profile))
        .route("/account/password", post(change_password))
        .route("/account/verification", post(ask_to_verify))
        .route("/account/sessions/{id}/signout", post(sign_out_one))
        .route("/account/signout", post(sign_out_everywhere))
}

/// A form that is not right comes back alone: the others, and what else is on the page, are `None` then.
#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    page: Page,
    overview: Option<Overview>,
    profile: Option<FormView>,
    password: Option<FormView>,
}

/// What is on the page besides its forms.
struct Overview {
    user: User,
    /// Whether the address is known to be theirs.
    verified: bool,
    joined: Moment,
    rows: Vec<Row>,
    /// What was just done.
    done: Option<&'static str>,
    /// Whether this is not the beginning of the list.
    further: bool,
    /// Leads to the older ones, if there are any.
    older: Option<String>,
}

/// A session or an API token.
struct Row {
    id: String,
    device: String,
    token: bool,
    current: bool,
    began: Moment,
    used: Moment,
    ends: Moment,
}

impl From<OwnSession> for Row {
    fn from(own: OwnSession) -> Self {
        Self {
            id: own.id.to_string(),
            device: own.device,
            token: own.kind == Kind::Token,
            current: own.current,
            began: own.created_at.into(),
            used: own.last_used_at.into(),
            ends: own.expires_at.into(),
        }
    }
}

/// What of the address is not [`Paging`].
#[derive(Deserialize, Default)]
struct Wanted {
    /// What was just done, as one of the words that [`told`] knows.
    #[serde(default)]
    done: String,
}

/// The sentence for a word; nobody can have the page say another.
fn told(done: &str) -> Option<&'static str> {
    match done {
        "profile" => Some("Saved."),
        "password" => {
            Some("Your password is changed. You are signed out everywhere else, and API tokens have ended.")
        }
        "session" => Some("That one is signed out."),
        "mail" => Some("A mail is on its way. Its link counts for 24 hours."),
        _ => None,
    }
}

async fn show(
    State(accounts): State<Accounts>,
    PageSession(session): PageSession,
    paging: Paging,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> web::Result<Response> {
    let Query(wanted) = wanted.unwrap_or_default();
    let user = accounts.current_user(&session).await?.ok_or_else(Error::unauthorized)?;
    // One more than is shown says whether there are older ones.
    let newest_first = Paging { limit: paging.limit + 1, descending: true, ..paging.clone() };
    let own = accounts.listed(&session, &newest_first).await?;
    let verified = accounts.verified_at(session.user).await?.is_some();
    let done = told(&wanted.done);
    Ok(web::html(&accounts.account_page(&session, (user, verified), own, &paging, done)))
}

async fn ask_to_verify(
    State(accounts): State<Accounts>,
    PageSession(session): PageSession,
) -> web::Result<Response> {
    match accounts.ask_to_verify(&session).await {
        // It is verified, which is what was wanted.
        Err(error) if error.kind == ErrorKind::Conflict => Ok(see_other("/account")),
        asked => Ok(asked.map(|()| see_other("/account?done=mail"))?),
    }
}

async fn change_profile(
    State(accounts): State<Accounts>,
    seen: Seen,
    PageSession(session): PageSession,
    client: Client,
    Form(fields): Form,
) -> Response {
    let typed = fields.typed();
    let changing = async {
        let change = AccountChange { new_password: None, ..AccountChange::read(fields)? };
        accounts.change_account(&session, change, &client).await
    };
    match changing.await {
        Ok(written) => accounts.told(seen, written.change, see_other("/account?done=profile")),
        Err(error) => again(error, |error| AccountPage {
            profile: Some(FormView::failed(typed, error)),
            ..accounts.blank_page(&session)
        }),
    }
}

async fn change_password(
    State(accounts): State<Accounts>,
    seen: Seen,
    PageSession(session): PageSession,
    client: Client,
    Form(fields): Form,
) -> Response {
    let typed = fields.typed();
    let changing = async {
        let change = read_password_change(fields)?;
        accounts.change_account(&session, change, &client).await
    };
    match changing.await {
        Ok(written) => {
            let cookie = written.cookie.map(|cookie| [(header::SET_COOKIE, cookie)]);
            accounts.told(seen, written.change, (cookie, see_other("/account?done=password")).into_response())
        }
        Err(error) => again(at_old_password(error), |error| AccountPage {
            password: Some(FormView::failed(typed, error)),
            ..accounts.blank_page(&session)
        }),
    }
}

async fn sign_out_one(
    State(accounts): State<Accounts>,
    PageSession(session): PageSession,
    PathId(id): PathId<SessionId>,
) -> web::Result<Response> {
    if id == session.id {
        let cookie = accounts.sign_out(Some(&session)).await?;
        return Ok(([(header::SET_COOKIE, cookie)], see_other("/")).into_response());
    }
    match accounts.revoke_session(&session, id).await {
        // It has ended, which is what was wanted: by itself, or by the same button pressed twice.
        Err(error) if error.kind == ErrorKind::NotFound => {}
        ended => ended?,
    }
    Ok(see_other("/account?done=session"))
}

async fn sign_out_everywhere(
    State(accounts): State<Accounts>,
    PageSession(session): PageSession,
) -> web::Result<Response> {
    accounts.revoke_sessions(&session).await?;
    let cookie = accounts.0.web.sessions().clear_cookie();
    Ok(([(header::SET_COOKIE, cookie)], see_other("/")).into_response())
}

impl Accounts {
    /// The whole page. `own` is newest first, and has one more than `paging` allows if there are older ones.
    fn account_page(
        &self,
        session: &Session,
        (user, verified): (User, bool),
        mut own: Vec<OwnSession>,
        paging: &Paging,
        done: Option<&'static str>,
    ) -> AccountPage {
        let limit = usize::try_from(paging.limit).unwrap_or(usize::MAX);
        let more = own.len() > limit;
        own.truncate(limit);
        let older = own.last().filter(|_| more).map(|last| older(last.id, limit));
        let email = user.email.clone().unwrap_or_default();
        let password = FormView::default().with("account", email.as_str());
        let profile = FormView::default()
            .with("username", user.username.clone().unwrap_or_default())
            .with("email", email);
        let overview = Overview {
            joined: user.created_at.into(),
            user,
            verified,
            rows: own.into_iter().map(Row::from).collect(),
            done,
            further: paging.after.is_some(),
            older,
        };
        AccountPage {
            overview: Some(overview),
            profile: Some(profile),
            password: Some(password),
            ..self.blank_page(session)
        }
    }

    fn blank_page(&self, session: &Session) -> AccountPage {
        let page = Page::new(&self.0.web, Some(session), "Your account", "/account");
        AccountPage { page, overview: None, profile: None, password: None }
    }
}

/// The address of the part of the list after `last`.
fn older(last: SessionId, limit: usize) -> String {
    format!("/account?after={last}&limit={limit}#sessions")
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Role;
    use kernel::{Clock, Instant, UserId};
    use web::{Config, Web};

    const HOSTILE: &str = "<script>alert('x')</script>\"&";

    fn clock() -> Clock {
        Clock::manual(Instant::from_millis(1_800_000_000_000))
    }

    fn blank() -> AccountPage {
        let clock = clock();
        let session = Session {
            id: SessionId::new(&clock),
            user: UserId::new(&clock),
            role: Role::User,
            expires_at: clock.now(),
        };
        let web = Web::new(Config { clock, ..Config::default() });
        let page = Page::new(&web, Some(&session), "Your account", "/account");
        AccountPage { page, overview: None, profile: None, password: None }
    }

    fn own(kind: Kind, current: bool) -> OwnSession {
        let now = clock().now();
        OwnSession {
            id: SessionId::new(&clock()),
            kind,
            device: HOSTILE.to_owned(),
            created_at: now,
            last_used_at: now,
            expires_at: now,
            current,
        }
    }

    fn whole(own: Vec<OwnSession>) -> String {
        let now = clock().now();
        let user = User {
            id: UserId::new(&clock()),
            email: Some(HOSTILE.to_owned()),
            username: Some(HOSTILE.to_owned()),
            role: Role::Operator,
            created_at: now,
            version: 3,
        };
        let profile = FormView::default().with("username", HOSTILE).with("email", HOSTILE);
        let rows = own.into_iter().map(Row::from).collect();
        let (done, older) = (told("password"), Some(older(SessionId::new(&clock()), 50)));
        let overview =
            Overview { user, verified: false, joined: now.into(), rows, done, further: true, older };
        AccountPage {
            overview: Some(overview),
            profile: Some(profile),
            password: Some(FormView::default().with("account", HOSTILE)),
            ..blank()
        }
        .render()
        .unwrap()
    }

    #[test]
    fn the_page_escapes_what_people_and_their_browsers_call_themselves() {
        let text = whole(vec![own(Kind::Session, true), own(Kind::Session, false), own(Kind::Token, false)]);
        assert!(!text.contains("<script>") && text.contains("&#60;script&#62;"), "{text}");
        assert!(!text.contains(" style=") && !text.contains("onclick"), "{text}");
        assert_eq!(text.matches("In use now").count(), 1, "{text}");
        assert_eq!(text.matches("\">API token</th>").count(), 1, "{text}");
        assert_eq!(text.matches("/signout\"").count(), 5, "one each, everywhere, and the layout's: {text}");
        assert!(text.contains("Your password is changed") && text.contains("rel=\"next\""), "{text}");
        assert!(text.contains(r#"href="/account" aria-current="page""#), "the navigation knows: {text}");
        let mut ids: Vec<_> =
            text.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "every id is there once: {text}");
    }

    #[test]
    fn a_form_that_is_not_right_is_alone_and_has_no_password_in_it() {
        let typed = [("username", HOSTILE), ("email", "a@b.c")];
        let typed = typed.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let wrong = Error::invalid("Current password is wrong").at("currentPassword");
        let profile = Some(FormView::failed(typed, &wrong));
        let text = AccountPage { profile, ..blank() }.render().unwrap();
        assert!(text.contains("Current password is wrong") && text.contains("aria-invalid"), "{text}");
        assert!(!text.contains("<script>") && text.contains("value=\"a@b.c\""), "{text}");
        assert!(!text.contains("/account/password") && !text.contains("/account/signout"), "{text}");
        assert!(text.contains("href=\"/account\""), "{text}");
        for field in text.split("<input").skip(1).filter(|rest| rest.contains("type=\"password\"")) {
            assert!(!field.split('>').next().unwrap().contains("value="), "{text}");
        }
    }

    #[test]
    fn the_page_says_nothing_that_an_address_wants_it_to() {
        for word in ["", "deleted", HOSTILE, "Your account is closed"] {
            assert_eq!(told(word), None);
        }
    }
}
