//! What a handler answers when it fails. Here alone, through [`Problem::of`], a `kernel::Kind` becomes
//! a status; here alone a failure of ours is logged, once, with its causes and under its request's id.

use std::error::Error as _;
use std::fmt;

use axum::response::{IntoResponse, Response};
use kernel::Kind;

use crate::problem::Problem;

/// A `kernel::Error` on its way to the client.
#[derive(Debug, Clone)]
pub struct Failure(pub kernel::Error);

/// What a handler returns.
pub type Result<T> = std::result::Result<T, Failure>;

impl From<kernel::Error> for Failure {
    fn from(error: kernel::Error) -> Self {
        Self(error)
    }
}

impl From<Failure> for Problem {
    /// Logs the failure if it is ours, and keeps of it what the client may know.
    fn from(Failure(error): Failure) -> Self {
        if matches!(error.kind, Kind::Internal | Kind::Unavailable) {
            tracing::error!(kind = ?error.kind, error = %Causes(&error), "a request failed");
        }
        Self::of(&error)
    }
}

impl From<kernel::Error> for Problem {
    fn from(error: kernel::Error) -> Self {
        Failure(error).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

/// An error and what caused it, in one line.
struct Causes<'a>(&'a kernel::Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_every_cause_and_the_client_none() {
        let inner =
            kernel::Error::internal("the disk is on fire").because(std::io::Error::other("/var/lib: EIO"));
        let error = kernel::Error::unavailable("could not commit").because(inner);
        assert_eq!(Causes(&error).to_string(), "could not commit: the disk is on fire: /var/lib: EIO");
        let told = Problem::from(Failure(error)).to_json();
        assert!(!told.contains("commit") && !told.contains("disk") && !told.contains("/var"), "{told}");
    }
}
