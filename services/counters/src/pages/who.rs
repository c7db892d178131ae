//! Who sees the pages.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use web::{MaybeSession, PageSession, Session};

use crate::Counters;

/// As [`crate::api::Caller`], for pages: who is not signed in is sent to sign in, and back here afterwards.
pub(super) struct PageCaller(pub(super) Option<Session>);

impl FromRequestParts<Counters> for PageCaller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, counters: &Counters) -> Result<Self, Response> {
        let Ok(MaybeSession(session)) = MaybeSession::from_request_parts(parts, counters).await;
        if session.is_some() || counters.0.settings.open {
            return Ok(Self(session));
        }
        let PageSession(session) = PageSession::from_request_parts(parts, counters).await?;
        Ok(Self(Some(session)))
    }
}
