//! The pages for signing up, in and out.

use std::collections::HashMap;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use kernel::Error;
use serde::Deserialize;
use web::{Failure, Form, FormView, MaybeSession, Page, Problem, Routes, Session, safe_next, see_other};

use crate::seen::Seen;
use crate::{Accounts, Client, Credentials, SignUp, SignedIn};

pub(crate) fn routes() -> Routes<Accounts> {
    Routes::new()
        .route("/signup", get(sign_up_form).post(sign_up))
        .route("/signin", get(sign_in_form).post(sign_in))
        .route("/signout", post(sign_out))
}

#[derive(Template)]
#[template(path = "signup.html")]
struct SignUpPage {
    page: Page,
    /// Where to go afterwards; a path of ours.
    next: String,
    values: FormView,
}

#[derive(Template)]
#[template(path = "signin.html")]
struct SignInPage {
    page: Page,
    /// Whether a new password was just chosen.
    reset: bool,
    /// Where to go afterwards; a path of ours.
    next: String,
    values: FormView,
}

/// Where to go afterwards, as the address of a form says it.
#[derive(Deserialize, Default)]
struct Next {
    next: Option<String>,
    /// That a new password was just chosen.
    reset: Option<String>,
}

type NextQuery = Result<Query<Next>, QueryRejection>;

/// One that cannot be read leads to the front page, like none.
fn next_of(query: NextQuery) -> String {
    let Query(Next { next, .. }) = query.unwrap_or_default();
    safe_next(next.as_deref()).to_owned()
}

async fn sign_up_form(
    State(accounts): State<Accounts>,
    MaybeSession(session): MaybeSession,
    query: NextQuery,
) -> Response {
    shown(session, || accounts.sign_up_page(next_of(query), FormView::default()))
}

async fn sign_in_form(
    State(accounts): State<Accounts>,
    MaybeSession(session): MaybeSession,
    query: NextQuery,
) -> Response {
    let reset = query.as_ref().is_ok_and(|Query(asked)| asked.reset.is_some());
    let form = || accounts.sign_in_page(next_of(query), FormView::default());
    shown(session, || SignInPage { reset, ..form() })
}

async fn sign_up(
    State(accounts): State<Accounts>,
    seen: Seen,
    MaybeSession(session): MaybeSession,
    client: Client,
    Form(fields): Form,
) -> Response {
    let typed = fields.typed();
    let entering = async { accounts.sign_up(SignUp::read(fields)?, &client).await };
    entered(&accounts, seen, session, typed, entering, |next, values| accounts.sign_up_page(next, values))
        .await
}

async fn sign_in(
    State(accounts): State<Accounts>,
    seen: Seen,
    MaybeSession(session): MaybeSession,
    client: Client,
    Form(fields): Form,
) -> Response {
    let typed = fields.typed();
    let entering = async { accounts.sign_in(Credentials::read(fields)?, &client).await };
    entered(&accounts, seen, session, typed, entering, |next, values| accounts.sign_in_page(next, values))
        .await
}

/// A form for whoever is not signed in.
fn shown<T: Template>(session: Option<Session>, form: impl FnOnce() -> T) -> Response {
    match session {
        Some(_) => see_other("/"),
        None => web::html(&form()),
    }
}

/// What became of a form: in, and on to where somebody wanted to go, or the form again.
async fn entered<T: Template>(
    accounts: &Accounts,
    seen: Seen,
    session: Option<Session>,
    typed: HashMap<String, String>,
    entering: impl Future<Output = kernel::Result<SignedIn>>,
    form: impl FnOnce(String, FormView) -> T,
) -> Response {
    if session.is_some() {
        return see_other("/");
    }
    let next = safe_next(typed.get("next").map(String::as_str)).to_owned();
    match entering.await {
        Ok(signed_in) => accounts.told(seen, signed_in.user.change, welcome(signed_in, &next)),
        Err(error) => again(error, |error| form(next, FormView::failed(typed, error))),
    }
}

async fn sign_out(
    State(accounts): State<Accounts>,
    MaybeSession(session): MaybeSession,
) -> web::Result<Response> {
    let cookie = accounts.sign_out(session.as_ref()).await?;
    Ok(([(header::SET_COOKIE, cookie)], see_other("/")).into_response())
}

impl Accounts {
    fn sign_up_page(&self, next: String, values: FormView) -> SignUpPage {
        SignUpPage { page: Page::new(&self.0.web, None, "Sign up", "/signup"), next, values }
    }

    fn sign_in_page(&self, next: String, values: FormView) -> SignInPage {
        SignInPage { page: Page::new(&self.0.web, None, "Sign in", "/signin"), reset: false, next, values }
    }
}

fn welcome(signed_in: SignedIn, next: &str) -> Response {
    ([(header::SET_COOKIE, signed_in.cookie)], see_other(next)).into_response()
}

/// The form again with the status of what went wrong, and when to come back if it says so.
pub(crate) fn again<T: Template>(error: Error, form: impl FnOnce(&Error) -> T) -> Response {
    let page = form(&error);
    // Becoming a problem it is logged if it is ours.
    let problem = Problem::from(Failure(error));
    let mut response = web::html_with(problem.status(), &page);
    let told = problem.into_response();
    if let Some(wait) = told.headers().get(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, wait.clone());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Role;
    use kernel::{Clock, FieldError, Instant, SessionId, UserId};
    use web::{Config, Web};

    const HOSTILE: &str = "<script>alert('x')</script>";

    fn page(signed_in: bool) -> Page {
        let clock = Clock::manual(Instant::from_millis(1_800_000_000_000));
        let session = Session {
            id: SessionId::new(&clock),
            user: UserId::new(&clock),
            role: Role::User,
            expires_at: clock.now(),
        };
        let web = Web::new(Config { clock, ..Config::default() });
        Page::new(&web, signed_in.then_some(&session), HOSTILE, "/signin")
    }

    fn failed() -> FormView {
        let typed = [("email", HOSTILE), ("password", "a secret")];
        let typed = typed.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let error = Error::fields(vec![
            FieldError { message: "Email must be valid".into(), field: Some("email".into()) },
            FieldError { message: HOSTILE.into(), field: None },
        ]);
        FormView::failed(typed, &error)
    }

    #[test]
    fn every_form_escapes_what_was_typed() {
        let next = format!("/{HOSTILE}\"&a=b");
        let sign_in = SignInPage { page: page(false), reset: true, next: next.clone(), values: failed() };
        let sign_up = SignUpPage { page: page(true), next, values: failed() };
        for text in [sign_in.render().unwrap(), sign_up.render().unwrap()] {
            assert!(!text.contains("<script>"), "{text}");
            assert!(text.contains("&#60;script&#62;alert"), "{text}");
            assert!(text.contains("Email must be valid") && text.contains("aria-invalid"), "{text}");
            assert!(text.contains("?next=%2F%3Cscript%3E"), "{text}");
            assert!(!text.contains(" style=") && !text.contains("onclick"), "{text}");
        }
    }
}
