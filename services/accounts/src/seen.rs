//! What a client has seen: the number of the latest change of a user that it was told of, by making it or by reading it.
//!
//! Where several processes remember users, each may for a while know less than another. A client carries its number along,
//! in the cookie `seen` or, without a cookie jar, the header `Marquee-Seen`, and no process answers it with anything from
//! before: it reads its own writes and never goes back (Terry et al., *Session Guarantees for Weakly Consistent Replicated
//! Data*, PDIS 1994). The number is told only for as long as anybody may know less, and is no secret.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use cache::Found;
use std::time::Duration;

use crate::Accounts;
use crate::known::Known;

const HEADER: HeaderName = HeaderName::from_static("marquee-seen");
const COOKIE: &str = "seen";
/// What the clocks of two machines may be apart.
const SKEW: Duration = Duration::from_secs(5);

/// The number of the latest change that a client was told of; 0 if it says none. An extractor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen(i64);

impl Seen {
    pub(crate) fn change(self) -> i64 {
        self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Seen {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let header = parts.headers.get(HEADER).and_then(|value| value.to_str().ok());
        let cookie = web::cookies(&parts.headers).filter(|(name, _)| *name == COOKIE).map(|(_, value)| value);
        let numbers = header.into_iter().chain(cookie).filter_map(|text| text.parse().ok());
        Ok(Self(numbers.max().unwrap_or(0)))
    }
}

impl Accounts {
    /// Tells a client the number of the change that it made.
    pub(crate) fn told(&self, change: i64, mut answer: Response) -> Response {
        self.tell(change, answer.headers_mut());
        answer
    }

    /// [`Accounts::told`] without a cookie, for an answer that must set none.
    pub(crate) fn told_plainly(&self, change: i64, mut answer: Response) -> Response {
        if self.0.db.is_shared() {
            answer.headers_mut().insert(HEADER, HeaderValue::from(change));
        }
        answer
    }

    /// Tells a client the number of the change that it reads of, if another process may not know of it yet.
    pub(crate) fn note(&self, found: &Found<Known>, seen: &Seen, answer: &mut HeaderMap) {
        let late = self.0.web.clock().now() - (self.0.users.bound() + SKEW);
        let change = match &found.value {
            Some(known) if known.changed_at() < late => return,
            Some(known) => known.change(),
            // Whoever was there may have gone a moment ago.
            None => found.stamp,
        };
        if change > seen.0 {
            self.tell(change, answer);
        }
    }

    fn tell(&self, change: i64, answer: &mut HeaderMap) {
        // A process that is alone knows all.
        if !self.0.db.is_shared() {
            return;
        }
        let lasts = self.0.users.bound() + SKEW;
        answer.append(header::SET_COOKIE, self.0.web.sessions().other_cookie(COOKIE, change, lasts));
        answer.insert(HEADER, HeaderValue::from(change));
    }
}
