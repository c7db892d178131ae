//! Who is asking. Each handler takes the extractor that says what it needs: anybody, a session, an
//! operator, or, on a page, somebody who is sent to sign in first.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use contracts::Role;
use kernel::{Instant, SessionId, UserId};

use crate::context::Context;
use crate::cookies;
use crate::failure::Failure;
use crate::page::see_other;

/// How long a sign-in lasts.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(14 * 24 * 3600);

/// A sign-in or an API token, verified. As an extractor it answers 401 `Not authorized` without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, by which it can be revoked.
    pub id: SessionId,
    /// Who signed in.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
    /// When it ends; a token keeps whole seconds.
    pub expires_at: Instant,
}

impl Session {
    /// Whether the user runs the house.
    pub fn is_operator(&self) -> bool {
        self.role == Role::Operator
    }

    /// 401 unless the user is `owner`.
    ///
    /// # Errors
    /// `Unauthorized`: to whoever is not the owner it reads as if they were not signed in.
    pub fn require_owner(&self, owner: UserId) -> kernel::Result<()> {
        if self.user == owner { Ok(()) } else { Err(kernel::Error::unauthorized()) }
    }
}

/// A session, if there is one. A forged, expired or revoked token is simply none.
#[derive(Debug, Clone)]
pub struct MaybeSession(pub Option<Session>);

/// A session of an operator; 401 for anybody else.
#[derive(Debug, Clone)]
pub struct Operator(pub Session);

/// A session, for pages: whoever is not signed in is sent to sign in, and back here afterwards.
#[derive(Debug, Clone)]
pub struct PageSession(pub Session);

/// A session of an operator, for pages: whoever is not signed in is sent to sign in, anybody else is told that
/// this is not for them (401).
#[derive(Debug, Clone)]
pub struct PageOperator(pub Session);

/// Whether the request says by a cookie, if at all, who is asking: then another session can take the place of theirs
/// by `Set-Cookie`. Who comes with `Authorization: Bearer` keeps no cookies.
#[derive(Debug, Clone, Copy)]
pub struct ByCookie(pub bool);

fn find(parts: &Parts) -> Result<Session, Failure> {
    let session = Context::of(&parts.extensions)?.session(&parts.headers);
    session.cloned().ok_or_else(|| Failure(kernel::Error::unauthorized()))
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        find(parts)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MaybeSession {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(find(parts).ok()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ByCookie {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(cookies::bearer(&parts.headers).is_none()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let session = find(parts)?;
        if session.is_operator() { Ok(Self(session)) } else { Err(Failure(kernel::Error::unauthorized())) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PageSession {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        find(parts).map(Self).map_err(|_| see_other(&sign_in_url(parts)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PageOperator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let PageSession(session) = PageSession::from_request_parts(parts, state).await?;
        if session.is_operator() {
            Ok(Self(session))
        } else {
            Err(Failure(kernel::Error::unauthorized()).into_response())
        }
    }
}

/// The sign-in page that leads back here. What was posted is lost, so a post does not lead back to itself.
fn sign_in_url(parts: &Parts) -> String {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return "/signin".to_owned();
    }
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let here = uri.path_and_query().map_or("/", |p| p.as_str());
    format!("/signin?{}", form_urlencoded::Serializer::new(String::new()).append_pair("next", here).finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{get, request, send, served, session, status_and_body, web};
    use axum::http::StatusCode;
    use axum::routing::get as on_get;
    use axum::{Router, http::header};

    fn app(web: &crate::Web) -> Router {
        let router = Router::new()
            .route(
                "/carried",
                on_get(|ByCookie(is): ByCookie| async move { if is { "cookie" } else { "bearer" } }),
            )
            .route(
                "/any",
                on_get(|MaybeSession(s): MaybeSession| async move { if s.is_some() { "in" } else { "out" } }),
            )
            .route("/mine", on_get(|s: Session| async move { s.user.to_string() }))
            .route("/house", on_get(|Operator(_): Operator| async { "house" }))
            .route("/office", on_get(|PageOperator(_): PageOperator| async { "office" }))
            .route(
                "/page",
                on_get(|PageSession(_): PageSession| async { "page" }).post(|_: PageSession| async {}),
            );
        served(router, web)
    }

    #[tokio::test]
    async fn each_extractor_asks_for_what_it_says() {
        let (web, _) = web();
        let user = format!("session={}", web.sessions().issue(&session(&web, Role::User)).unwrap());
        let operator = format!("session={}", web.sessions().issue(&session(&web, Role::Operator)).unwrap());
        for (path, cookie, status) in [
            ("/any", "", 200),
            ("/any", "session=forged", 200),
            ("/any", &user, 200),
            ("/mine", "", 401),
            ("/mine", "session=forged", 401),
            ("/mine", &user, 200),
            ("/house", "", 401),
            ("/house", &user, 401),
            ("/house", &operator, 200),
            ("/office", "", 303),
            ("/office", &user, 401),
            ("/office", &operator, 200),
            ("/page", "", 303),
            ("/page", &user, 200),
        ] {
            let response = send(app(&web), get(path, &[("cookie", cookie)])).await;
            assert_eq!(response.status().as_u16(), status, "{path} {cookie}");
        }
        let forged = status_and_body(app(&web), get("/any", &[("cookie", "session=forged")])).await;
        assert_eq!(forged, (StatusCode::OK, "out".to_owned()));
    }

    #[tokio::test]
    async fn who_comes_with_a_bearer_token_keeps_no_cookies() {
        let (web, _) = web();
        for (headers, carried) in [
            (&[][..], "cookie"),
            (&[("cookie", "session=a")], "cookie"),
            (&[("authorization", "Basic b"), ("cookie", "session=a")], "cookie"),
            (&[("authorization", "Bearer b")], "bearer"),
            (&[("authorization", "Bearer b"), ("cookie", "session=a")], "bearer"),
        ] {
            let (_, body) = status_and_body(app(&web), get("/carried", headers)).await;
            assert_eq!(body, carried, "{headers:?}");
        }
    }

    #[tokio::test]
    async fn a_page_leads_back_to_itself_and_a_post_does_not() {
        let (web, _) = web();
        let to = |r: &Response| r.headers()[header::LOCATION].to_str().unwrap().to_owned();
        let response = send(app(&web), get("/page?a=1&b=%2F", &[])).await;
        assert_eq!(to(&response), "/signin?next=%2Fpage%3Fa%3D1%26b%3D%252F");
        let response = send(app(&web), request("POST", "/page", &[], "")).await;
        assert_eq!((response.status(), to(&response)), (StatusCode::SEE_OTHER, "/signin".to_owned()));
    }

    #[test]
    fn only_the_owner_is_the_owner() {
        let (web, _) = web();
        let session = session(&web, Role::Operator);
        assert!(session.require_owner(session.user).is_ok());
        let refused = session.require_owner(UserId::new(web.clock())).unwrap_err();
        assert_eq!(refused.kind, kernel::Kind::Unauthorized);
    }
}
