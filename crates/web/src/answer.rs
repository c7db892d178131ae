//! A JSON answer as text, so that it can be kept under an idempotency key and given again unchanged.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use db::StoredAnswer;
use serde::Serialize;

use crate::failure::Failure;
use crate::problem::{PROBLEM_JSON, Problem};

/// A status and a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// JSON.
    pub body: String,
}

impl Answer {
    /// 200 with `value`.
    pub fn ok(value: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, value)
    }

    /// 201 with `value`.
    pub fn created(value: &impl Serialize) -> Self {
        Self::json(StatusCode::CREATED, value)
    }

    /// `status` with `value`. A value that cannot be written as JSON is a bug and answers 500.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(body) => Self { status, body },
            Err(e) => {
                let failure =
                    Failure(kernel::Error::internal("an answer could not be written as JSON").because(e));
                Self::problem(&Problem::from(failure))
            }
        }
    }

    /// What `error` answers.
    pub fn failure(error: &kernel::Error) -> Self {
        Self::problem(&Problem::of(error))
    }

    /// The answer that `problem` gives.
    pub(crate) fn problem(problem: &Problem) -> Self {
        Self { status: problem.status(), body: problem.to_json() }
    }
}

impl TryFrom<StoredAnswer> for Answer {
    type Error = kernel::Error;

    /// Fails if the status is none.
    fn try_from(StoredAnswer { status, body }: StoredAnswer) -> kernel::Result<Self> {
        let status = StatusCode::from_u16(status)
            .map_err(|e| kernel::Error::internal("a stored answer without a status").because(e))?;
        Ok(Self { status, body })
    }
}

/// The media type of JSON.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let failed = self.status.is_client_error() || self.status.is_server_error();
        let mut response = (self.status, self.body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, if failed { PROBLEM_JSON } else { JSON });
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_value_that_is_not_json_is_our_fault() {
        assert_eq!(Answer::created(&[1]), Answer { status: StatusCode::CREATED, body: "[1]".to_owned() });
        let odd = HashMap::from([((1, 2), 3)]);
        let answer = Answer::ok(&odd);
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.into_response().headers()[header::CONTENT_TYPE], PROBLEM_JSON);
    }
}
