//! `application/problem+json` (RFC 9457), the one shape of every failure. A problem stays with its
//! response, so that the stack can render it as a page for whoever asked for a page.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kernel::{FieldError, Kind};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// What went wrong, as the client is told. Handlers return [`crate::Failure`]; this is for the statuses
/// that no `kernel::Kind` stands for, and for extra members.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    members: Vec<(&'static str, Value)>,
}

/// All that a client learns of a failure of ours.
const OURS: &str = "Something went wrong on our side";
/// All that a client learns of an engine that is away.
const AWAY: &str = "The service is busy, please try again in a moment";

impl Problem {
    /// A problem with one sentence about it.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        let errors = vec![FieldError { message: message.into(), field: None }];
        Self { status, errors, retry_after: None, members: Vec::new() }
    }

    /// What the client may know of `error`. Logs nothing; `Problem::from(Failure(error))` does.
    pub fn of(error: &kernel::Error) -> Self {
        let status = match error.kind {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::Declined => StatusCode::PAYMENT_REQUIRED,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Gone => StatusCode::GONE,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::UnsupportedType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Full => StatusCode::INSUFFICIENT_STORAGE,
        };
        let told = match error.kind {
            Kind::Internal => Self::new(status, OURS),
            Kind::Unavailable => Self::new(status, AWAY),
            _ if error.errors.is_empty() => Self::bare(status),
            _ => Self::of_fields(status, error.errors.clone()),
        };
        // A client that is told to come back is told when.
        let wait = matches!(error.kind, Kind::TooMany | Kind::Unavailable).then_some(Duration::from_secs(1));
        Self { retry_after: error.retry_after.or(wait), ..told }
    }

    /// A problem of which the status says all there is to say.
    pub(crate) fn bare(status: StatusCode) -> Self {
        match status {
            StatusCode::INTERNAL_SERVER_ERROR => Self::new(status, OURS),
            StatusCode::SERVICE_UNAVAILABLE => Self::new(status, AWAY),
            _ => Self::new(status, status.canonical_reason().unwrap_or("Not possible")),
        }
    }

    /// A problem with a sentence for each of `errors`, of which there is at least one.
    pub(crate) fn of_fields(status: StatusCode, errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::bare(status) }
    }

    /// Says when to come back.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// Adds a member to the JSON.
    #[must_use]
    pub fn with(mut self, member: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((member, value.into()));
        self
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// Its sentences; never empty.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.errors.iter().map(|e| e.message.as_ref())
    }

    /// The status in words.
    pub fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    /// The body, as `application/problem+json`.
    pub fn to_json(&self) -> String {
        // Strings and numbers under string keys always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Sentence<'a>(&'a FieldError);
        impl Serialize for Sentence<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("message", &self.0.message)?;
                if let Some(field) = &self.0.field {
                    map.serialize_entry("field", field)?;
                }
                map.end()
            }
        }
        struct Detail<'a>(&'a [FieldError]);
        impl Serialize for Detail<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.0 {
                    [one] => serializer.serialize_str(&one.message),
                    many => serializer
                        .serialize_str(&many.iter().map(|e| &*e.message).collect::<Vec<_>>().join("; ")),
                }
            }
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "about:blank")?;
        map.serialize_entry("title", self.title())?;
        map.serialize_entry("status", &self.status.as_u16())?;
        map.serialize_entry("detail", &Detail(&self.errors))?;
        map.serialize_entry("errors", &self.errors.iter().map(Sentence).collect::<Vec<_>>())?;
        for (member, value) in &self.members {
            map.serialize_entry(member, value)?;
        }
        map.end()
    }
}

/// The media type of a problem.
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.to_json()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.retry_after {
            // Rounded up: whoever comes back when told to is not told again.
            let seconds = wait.as_millis().div_ceil(1000).clamp(1, 86_400);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(u64::try_from(seconds).unwrap_or(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_has_its_status() {
        for (kind, status) in [
            (Kind::Invalid, 400),
            (Kind::Unauthorized, 401),
            (Kind::Declined, 402),
            (Kind::NotFound, 404),
            (Kind::Conflict, 409),
            (Kind::Gone, 410),
            (Kind::TooLarge, 413),
            (Kind::UnsupportedType, 415),
            (Kind::KeyReused, 422),
            (Kind::TooMany, 429),
            (Kind::Internal, 500),
            (Kind::Unavailable, 503),
            (Kind::Full, 507),
        ] {
            let problem = Problem::of(&kernel::Error::new(kind, "secret"));
            assert_eq!(problem.status().as_u16(), status);
            // What there is no room for is no secret.
            let is_told = status < 500 || kind == Kind::Full;
            assert_eq!(problem.to_json().contains("secret"), is_told, "{kind:?}");
            assert_eq!(
                problem.into_response().headers().contains_key(header::RETRY_AFTER),
                [429, 503].contains(&status)
            );
        }
    }

    #[test]
    fn the_shape_is_the_contract_s() {
        let fields = vec![
            FieldError { message: "Title is required".into(), field: Some("title".into()) },
            FieldError { message: "Really".into(), field: None },
        ];
        let problem = Problem::of(&kernel::Error::fields(fields)).with("reason", "because");
        let expected = json!({
            "type": "about:blank", "title": "Bad Request", "status": 400, "detail": "Title is required; Really",
            "errors": [{"message": "Title is required", "field": "title"}, {"message": "Really"}], "reason": "because",
        });
        assert_eq!(serde_json::from_str::<Value>(&problem.to_json()).unwrap(), expected);
        let response = problem.into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
    }

    #[test]
    fn errors_are_never_empty() {
        let problem = Problem::of(&kernel::Error::fields(Vec::new()));
        assert_eq!(problem.messages().collect::<Vec<_>>(), ["Bad Request"]);
    }

    #[test]
    fn comes_back_no_sooner_than_told() {
        for (millis, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (90_000, "90")] {
            let error = kernel::Error::new(Kind::TooMany, "slow down").after(Duration::from_millis(millis));
            assert_eq!(Problem::of(&error).into_response().headers()[header::RETRY_AFTER], seconds);
        }
    }
}
