//! What PostgreSQL's errors mean here: try again, away, or a bug of ours.

use kernel::Error;
use tokio_postgres::error::SqlState;

/// An error, and whether the transaction that met it may be run again from its start.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) again: bool,
    /// The connection is of no use any more.
    pub(super) lost: bool,
}

impl Failure {
    pub(super) fn away(message: &'static str) -> Self {
        Self { error: Error::unavailable(message), again: false, lost: false }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let again = error.is_contended();
        Self { error, again, lost: false }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let away = |error| Error::unavailable("the database is away").because(error);
        let Some(code) = error.code().cloned() else {
            // No word from the server: the connection broke, or could not be made.
            let lost = error.is_closed()
                || std::error::Error::source(&error).is_some_and(|e| e.is::<std::io::Error>());
            let error =
                if lost { away(error) } else { Error::internal("the database refused").because(error) };
            return Self { error, again: lost, lost };
        };
        // The manual's Appendix A, by class and code.
        let conflict = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(&code);
        let gone = matches!(&code.code()[..2], "08" | "57") && code != SqlState::QUERY_CANCELED
            || code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT;
        let passing = conflict
            || gone
            || matches!(&code.code()[..2], "53" | "58")
            || [SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE, SqlState::READ_ONLY_SQL_TRANSACTION]
                .contains(&code);
        let error =
            if passing { away(error) } else { Error::internal("the database refused").because(error) };
        Self { error, again: conflict || gone, lost: gone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compare_and_set_that_lost_is_tried_again() {
        assert!(Failure::from(Error::contended("changed meanwhile")).again);
        assert!(!Failure::from(Error::invalid("no")).again);
    }
}
