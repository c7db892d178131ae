//! What a client has seen: the number of the latest change of a user that it was told of, by making it or by reading it.
//!
//! Where several processes remember users, each may for a while know less than another. A client carries its number along,
//! in the cookie `seen` or, without a cookie jar, the header `Marquee-Seen`, and no process answers it with anything from
//! before: it reads its own writes and never goes back (Terry et al., *Session Guarantees for Weakly Consistent Replicated
//! Data*, PDIS 1994). The number is told only for as long as anybody may know less, and is no secret.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use cache::Found;
use kernel::{Instant, Result};

use crate::known::Known;
use crate::{Accounts, store};

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

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> std::result::Result<Self, Infallible> {
        let header = parts.headers.get(HEADER).and_then(|value| value.to_str().ok());
        let cookie = web::cookies(&parts.headers).filter(|(name, _)| *name == COOKIE).map(|(_, value)| value);
        let numbers = header.into_iter().chain(cookie).filter_map(|text| text.parse().ok());
        Ok(Self(numbers.max().unwrap_or(0)))
    }
}

impl Accounts {
    /// Tells a client the number of the change that it made, or of the latest that it may have been shown.
    pub(crate) fn told(&self, seen: Seen, change: i64, mut answer: Response) -> Response {
        self.tell(seen, change, answer.headers_mut());
        answer
    }

    /// Tells a client that was just shown many users the number of the last change of all.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn told_of_all(&self, seen: Seen, answer: Response) -> Result<Response> {
        if !self.0.remembered_elsewhere {
            return Ok(answer);
        }
        Ok(self.told(seen, store::latest(&self.0.db).await?, answer))
    }

    /// [`Accounts::told`] without a cookie, for an answer that must set none.
    pub(crate) fn told_plainly(&self, change: i64, mut answer: Response) -> Response {
        if self.0.remembered_elsewhere {
            answer.headers_mut().insert(HEADER, HeaderValue::from(change));
        }
        answer
    }

    /// Tells a client the number of the change that it reads of, if another process may not know of it yet.
    pub(crate) fn note(&self, found: &Found<Known>, seen: Seen, answer: &mut HeaderMap) {
        match &found.value {
            Some(known) => self.note_of(known.change(), known.changed_at(), seen, answer),
            // Whoever was there may have gone a moment ago.
            None => self.tell(seen, found.stamp, answer),
        }
    }

    /// The same of a user whose last change is known.
    pub(crate) fn note_of(&self, change: i64, changed_at: Instant, seen: Seen, answer: &mut HeaderMap) {
        if changed_at >= self.0.web.clock().now() - self.lasts() {
            self.tell(seen, change, answer);
        }
    }

    fn tell(&self, seen: Seen, change: i64, answer: &mut HeaderMap) {
        // A process that is alone knows all. And who has seen more does not go back.
        if !self.0.remembered_elsewhere || change <= seen.0 {
            return;
        }
        answer.append(header::SET_COOKIE, self.0.web.sessions().other_cookie(COOKIE, change, self.lasts()));
        answer.insert(HEADER, HeaderValue::from(change));
    }

    /// For how long anybody may know less.
    fn lasts(&self) -> Duration {
        self.0.users.bound() + SKEW
    }
}
