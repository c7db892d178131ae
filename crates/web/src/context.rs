//! What one request carries from the stack to its extractors and back: one allocation and one entry in
//! the request's extensions for all of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue};

use crate::cookies;
use crate::failure::Failure;
use crate::session::Session;
use crate::web::Web;

/// A request's own data. It is shared with the stack, which outlives the handler.
#[derive(Clone)]
pub(crate) struct Context(Arc<Shared>);

struct Shared {
    web: Web,
    request_id: HeaderValue,
    session: OnceLock<Option<Session>>,
    unhurried: AtomicBool,
}

impl Context {
    pub(crate) fn new(web: Web, request_id: HeaderValue) -> Self {
        let (session, unhurried) = (OnceLock::new(), AtomicBool::new(false));
        Self(Arc::new(Shared { web, request_id, session, unhurried }))
    }

    /// The context that the stack put into a request.
    pub(crate) fn of(extensions: &Extensions) -> Result<&Self, Failure> {
        extensions
            .get()
            .ok_or_else(|| Failure(kernel::Error::internal("a route is served outside web::stack")))
    }

    pub(crate) fn web(&self) -> &Web {
        &self.0.web
    }

    pub(crate) fn request_id(&self) -> &HeaderValue {
        &self.0.request_id
    }

    /// The request id as text. It is ASCII by construction.
    pub(crate) fn request_id_text(&self) -> &str {
        self.0.request_id.to_str().unwrap_or_default()
    }

    /// Who is asking; the token is verified once per request, however many extractors want to know.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Option<&Session> {
        let verify = || {
            cookies::token(headers, self.web().sessions().cookie_name())
                .and_then(|t| self.web().sessions().verify(t))
        };
        self.0.session.get_or_init(verify).as_ref()
    }

    /// Who asked, as far as a handler wanted to know.
    pub(crate) fn known_session(&self) -> Option<&Session> {
        self.0.session.get().and_then(Option::as_ref)
    }

    pub(crate) fn is_unhurried(&self) -> bool {
        self.0.unhurried.load(Ordering::Relaxed)
    }
}

/// Taken as an argument, it lifts the bound on a request's time: for uploads, which take as long as
/// they take and watch their own progress.
pub struct Unhurried;

impl<S: Send + Sync> FromRequestParts<S> for Unhurried {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        Context::of(&parts.extensions)?.0.unhurried.store(true, Ordering::Relaxed);
        Ok(Self)
    }
}
