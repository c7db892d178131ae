//! What PostgreSQL's errors mean here: try again, away, or a bug of ours.

use kernel::Error;
use tokio_postgres::error::SqlState;

/// How often a transaction is run at most when others are in its way.
const CONTENDED: u32 = 12;
/// How often it is run where a constraint says no. Most often that is a bug; but the row that it ran into may
/// have appeared after the look that should have found it.
const REFUSED: u32 = 3;

/// An error, and how often the transaction that met it is run at most.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) attempts: u32,
    /// The connection is of no use any more.
    pub(super) lost: bool,
    /// It only says that an earlier statement of the transaction failed.
    pub(super) echo: bool,
}

impl Failure {
    pub(super) fn away(message: &'static str) -> Self {
        Self { error: Error::unavailable(message), attempts: 1, lost: false, echo: false }
    }
}

/// What the server said, without its DETAIL, which shows values of the rows that were refused.
#[derive(Debug)]
struct Said(String);

impl Said {
    fn of(error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            return Self(format!("{error}{}", cause.unwrap_or_default()));
        };
        let constraint = said.constraint().map(|name| format!(" [{name}]")).unwrap_or_default();
        Self(format!("{} {}: {}{constraint}", said.severity(), said.code().code(), said.message()))
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let attempts = if error.is_contended() { CONTENDED } else { 1 };
        Self { error, attempts, lost: false, echo: false }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let away = |error| Error::unavailable("the database is away").because(Said::of(error));
        let Some(code) = error.code().cloned() else {
            // No word from the server: the connection broke, or could not be made.
            let lost = error.is_closed()
                || std::error::Error::source(&error).is_some_and(|e| e.is::<std::io::Error>());
            let error = if lost {
                away(error)
            } else {
                Error::internal("the database refused").because(Said::of(error))
            };
            return Self { error, attempts: if lost { CONTENDED } else { 1 }, lost, echo: false };
        };
        // The manual's Appendix A, by class and code.
        let conflict = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(&code);
        let gone = matches!(&code.code()[..2], "08" | "57") && code != SqlState::QUERY_CANCELED
            || code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT;
        // Statements that travel together all answer, and the first answer may not be the first failure's.
        let echo = code == SqlState::IN_FAILED_SQL_TRANSACTION;
        let full = [SqlState::TOO_MANY_CONNECTIONS, SqlState::CONFIGURATION_LIMIT_EXCEEDED].contains(&code);
        let passing = conflict
            || gone
            || echo
            || matches!(&code.code()[..2], "53" | "58")
            || [SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE, SqlState::READ_ONLY_SQL_TRANSACTION]
                .contains(&code);
        let error = if passing {
            away(error)
        } else {
            Error::internal("the database refused").because(Said::of(error))
        };
        let attempts = match () {
            () if conflict || gone || echo || full => CONTENDED,
            () if code == SqlState::UNIQUE_VIOLATION => REFUSED,
            () => 1,
        };
        Self { error, attempts, lost: gone, echo }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compare_and_set_that_lost_is_tried_again() {
        assert_eq!(Failure::from(Error::contended("changed meanwhile")).attempts, CONTENDED);
        assert_eq!(Failure::from(Error::invalid("no")).attempts, 1);
    }
}
