//! What the tests of this crate share.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use contracts::Role;
use http_body_util::BodyExt;
use kernel::{Clock, Instant, SessionId, UserId};
use tower::ServiceExt;

use crate::{Config, Session, Web, stack};

/// A web side on a clock that stands still.
pub(crate) fn web() -> (Web, Clock) {
    let config = config();
    let clock = config.clock.clone();
    (Web::new(config), clock)
}

/// What [`web`] is made of.
pub(crate) fn config() -> Config {
    Config {
        clock: Clock::manual(Instant::from_millis(1_800_000_000_000)),
        jwt_key: b"a key for the tests, long enough".to_vec(),
        secure_cookies: false,
        currency: "usd".to_owned(),
        public_url: None,
        body_limit: 64 * 1024,
        trusted_proxies: Vec::new(),
    }
}

/// A new user's session.
pub(crate) fn session(web: &Web, role: Role) -> Session {
    let clock = web.clock();
    let expires_at = clock.now() + Duration::from_secs(3600);
    Session { id: SessionId::new(clock), user: UserId::new(clock), role, expires_at }
}

pub(crate) fn served(router: Router, web: &Web) -> Router {
    stack(router, web)
}

pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "shop.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

pub(crate) fn get(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    request("GET", path, headers, Body::empty())
}

pub(crate) async fn send(app: Router, request: Request<Body>) -> Response {
    let Ok(response) = app.oneshot(request).await;
    response
}

pub(crate) async fn body_of(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

pub(crate) async fn status_and_body(app: Router, request: Request<Body>) -> (StatusCode, String) {
    let response = send(app, request).await;
    (response.status(), body_of(response).await)
}
