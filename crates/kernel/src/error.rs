//! The closed set of things that can go wrong. `web` maps each kind to a status in one place.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a fallible call answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kinds of failure, each with one HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 400: the request, or the state that it meets, does not allow it.
    Invalid,
    /// 401: not signed in, or not the owner.
    Unauthorized,
    /// 402: the gateway declined.
    Declined,
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 410: it was there and will not come back.
    Gone,
    /// 413.
    TooLarge,
    /// 415.
    UnsupportedType,
    /// 422: an idempotency key used again for something else.
    KeyReused,
    /// 429; says when to come back.
    TooMany,
    /// 500: our fault. The message is for the log only.
    Internal,
    /// 503: an engine is away; says when to come back. The message is for the log only.
    Unavailable,
    /// 507: no room for it, on the disk or in what somebody may keep.
    Full,
}

/// One sentence about one input, as `errors` carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// For people, without a full stop.
    pub message: Cow<'static, str>,
    /// The input's name, where it was one input.
    pub field: Option<Cow<'static, str>>,
}

/// A failure with its kind, what to tell the caller, and the cause for the log. Cheap to clone, for
/// one failed commit answers many.
#[derive(Debug, Clone)]
pub struct Error {
    /// What sort of failure.
    pub kind: Kind,
    /// What to tell the caller; never empty.
    pub errors: Vec<FieldError>,
    /// When to come back, for 429 and 503.
    pub retry_after: Option<Duration>,
    contended: bool,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with one sentence.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        let errors = vec![FieldError { message: message.into(), field: None }];
        Self { kind, errors, retry_after: None, contended: false, source: None }
    }

    /// 400 with a sentence.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// 400 with one sentence per field.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        Self { kind: Kind::Invalid, errors, retry_after: None, contended: false, source: None }
    }

    /// 401 `Not authorized`: not signed in and not the owner read alike.
    pub fn unauthorized() -> Self {
        Self::new(Kind::Unauthorized, "Not authorized")
    }

    /// 404 `Not found`.
    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, "Not found")
    }

    /// 409 with a sentence.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Conflict, message)
    }

    /// 500; the message goes to the log, not to the caller.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// 503 in a second; the message goes to the log, not to the caller.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self { retry_after: Some(Duration::from_secs(1)), ..Self::new(Kind::Unavailable, message) }
    }

    /// A compare-and-set inside a transaction met another version. The transaction is run again from its
    /// start by `db.write`, a bounded number of times; if it never gets through, this is a 503 like
    /// [`Error::unavailable`].
    pub fn contended(message: impl Into<Cow<'static, str>>) -> Self {
        Self { contended: true, ..Self::unavailable(message) }
    }

    /// Names the field that the (single) sentence is about.
    #[must_use]
    pub fn at(mut self, field: &'static str) -> Self {
        for error in &mut self.errors {
            error.field = Some(Cow::Borrowed(field));
        }
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Whether trying the same again later may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, Kind::Unavailable | Kind::TooMany)
    }

    /// Whether a transaction that ends in this error is to be run again from its start
    /// ([`Error::contended`]).
    pub fn is_contended(&self) -> bool {
        self.contended
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.errors.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { "; " }, error.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contention_is_a_503_that_says_what_it_is() {
        let error = Error::contended("the order changed meanwhile");
        let away = Error::unavailable("away");
        assert!(error.is_contended() && error.is_transient() && !away.is_contended());
        assert_eq!((error.kind, error.retry_after), (away.kind, away.retry_after));
        let kept = error.clone().because(away).after(Duration::from_secs(2)).at("id");
        assert!(kept.is_contended(), "whatever is added to it");
        assert!(!Error::invalid("no").is_contended() && !Error::fields(Vec::new()).is_contended());
    }
}
