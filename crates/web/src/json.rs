//! The two kinds of body that handlers read: a JSON object, and a page's form. Both become [`Fields`].

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::body::RawBody;
use crate::fields::Fields;
use crate::problem::Problem;

/// A body that is a JSON object. No body at all reads as an empty one, so that what is optional may be
/// left out altogether.
#[derive(Debug, Clone)]
pub struct Json(pub Fields);

/// A body that is a form of one of our pages.
#[derive(Debug, Clone)]
pub struct Form(pub Fields);

impl<S: Send + Sync> FromRequest<S> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let media_type = JsonType::of(request.headers())?;
        let RawBody(body) = RawBody::from_request(request, state).await?;
        media_type.parse(&body).map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.headers().get(header::CONTENT_TYPE).and_then(essence)
            != Some("application/x-www-form-urlencoded")
        {
            return Err(unsupported("Content-Type must be application/x-www-form-urlencoded"));
        }
        let RawBody(body) = RawBody::from_request(request, state).await?;
        Ok(Self(Fields::form(&body)))
    }
}

/// What `Content-Type` says of a body that ought to be JSON. It is judged before the body is read.
pub(crate) enum JsonType {
    Json,
    Absent,
}

impl JsonType {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Self::Absent) };
        match essence(value) {
            Some("application/json") => Ok(Self::Json),
            Some(other) if other.starts_with("application/") && other.ends_with("+json") => Ok(Self::Json),
            _ => Err(not_json()),
        }
    }

    pub(crate) fn parse(&self, body: &[u8]) -> Result<Fields, Problem> {
        match (self, body) {
            (Self::Absent, []) => Ok(Fields::json(serde_json::Map::new())),
            (Self::Absent, _) => Err(not_json()),
            (Self::Json, body) => match serde_json::from_slice(body) {
                Ok(Value::Object(members)) => Ok(Fields::json(members)),
                _ => Err(Problem::new(StatusCode::BAD_REQUEST, "Body must be a JSON object")),
            },
        }
    }
}

/// The media type without its parameters, if it is written in lower case as everybody does, or could be.
fn essence(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    let essence = text.split(';').next().unwrap_or_default().trim();
    const KNOWN: [&str; 2] = ["application/json", "application/x-www-form-urlencoded"];
    Some(KNOWN.into_iter().find(|known| essence.eq_ignore_ascii_case(known)).unwrap_or(essence))
}

fn not_json() -> Problem {
    unsupported("Content-Type must be application/json")
}

fn unsupported(message: &'static str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{request, served, status_and_body, web};
    use axum::Router;
    use axum::routing::post;

    async fn sent(content_type: Option<&str>, body: &str) -> (u16, String) {
        let (web, _) = web();
        let read = |mut fields: Fields| -> crate::Result<String> {
            let text = fields.text("t", "T is required", 1..=5);
            fields.finish()?;
            Ok(text.unwrap_or_default())
        };
        let router = Router::new()
            .route("/json", post(move |Json(fields): Json| async move { read(fields) }))
            .route("/form", post(move |Form(fields): Form| async move { read(fields) }));
        let path = if content_type.is_some_and(|t| t.contains("FORM")) { "/form" } else { "/json" };
        let content_type = content_type.map(|t| t.replace("FORM", "application/x-www-form-urlencoded"));
        let headers: Vec<_> = content_type.iter().map(|t| ("content-type", t.as_str())).collect();
        let (status, body) =
            status_and_body(served(router, &web), request("POST", path, &headers, body.to_owned())).await;
        (status.as_u16(), body)
    }

    #[tokio::test]
    async fn the_type_comes_first_and_then_the_body() {
        for (content_type, body, status) in [
            (Some("application/json"), r#"{"t":"a"}"#, 200),
            (Some("application/json; charset=utf-8"), r#"{"t":"a"}"#, 200),
            (Some("Application/JSON"), r#"{"t":"a"}"#, 200),
            (Some("application/vnd.api+json"), r#"{"t":"a"}"#, 200),
            (Some("application/json"), r#"{"t":"a","t":"b"}"#, 200),
            (Some("application/json"), "{}", 400),
            (Some("application/json"), "", 400),
            (Some("application/json"), "{", 400),
            (Some("application/json"), "[]", 400),
            (Some("application/json"), "null", 400),
            (Some("application/json"), r#""t""#, 400),
            (Some("application/json"), r#"{"t":"a"} x"#, 400),
            (Some("application/json"), r#"{"t":NaN}"#, 400),
            (Some("text/plain"), r#"{"t":"a"}"#, 415),
            (Some("text/plain"), "", 415),
            (Some("application/jsonx"), "{}", 415),
            (Some("multipart/form-data; boundary=x"), "x", 415),
            (Some(""), "{}", 415),
            (None, r#"{"t":"a"}"#, 415),
            (None, "", 400),
            (Some("FORM"), "t=a", 200),
            (Some("FORM; charset=utf-8"), "t=a", 200),
            (Some("FORM"), "", 400),
            (Some("xFORM"), "t=a", 415),
        ] {
            assert_eq!(sent(content_type, body).await.0, status, "{content_type:?} {body}");
        }
        let deep = format!(r#"{{"t":{}}}"#, "[".repeat(10_000));
        assert_eq!(sent(Some("application/json"), &deep).await.0, 400);
        let long = format!(r#"{{"t":"{}"}}"#, "a".repeat(70_000));
        assert_eq!(sent(Some("application/json"), &long).await.0, 413);
    }

    #[tokio::test]
    async fn says_what_is_wrong() {
        let (_, body) = sent(Some("application/json"), "[]").await;
        assert!(body.contains(r#""errors":[{"message":"Body must be a JSON object"}]"#), "{body}");
        let (_, body) = sent(None, "").await;
        assert!(body.contains(r#""errors":[{"message":"T is required","field":"t"}]"#), "{body}");
    }
}
