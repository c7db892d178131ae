//! Reads a request's body to its end, within a size and a time. All extractors read through here, so no
//! client can make the server hold more, or wait longer, than it wants to.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::context::Context;
use crate::problem::Problem;

/// How long a client may take to send a body.
const PATIENCE: Duration = Duration::from_secs(30);

/// The whole body, for those who read it themselves: within the usual limit, whatever its type.
#[derive(Debug, Clone)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let limit = Context::of(request.extensions())?.web().body_limit();
        let (parts, body) = request.into_parts();
        read_body(&parts.headers, body, limit).await.map(Self)
    }
}

/// The whole body, of at most `LIMIT` bytes, whatever its type: for what may be longer than the usual limit.
///
/// It refuses as [`read_body`] does.
#[derive(Debug, Clone)]
pub struct AtMost<const LIMIT: usize>(pub Bytes);

impl<const LIMIT: usize, S: Send + Sync> FromRequest<S> for AtMost<LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        read_body(&parts.headers, body, LIMIT).await.map(Self)
    }
}

/// The whole of `body`, at most `limit` bytes.
///
/// # Errors
/// 413 if it is longer, 408 if it takes longer than 30 seconds, 400 if it breaks off.
pub async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Problem> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    match tokio::time::timeout(PATIENCE, Limited::new(body, limit).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(e)) if is_too_long(&*e) => Err(too_large(limit)),
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "The body broke off")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "The body took too long to arrive")),
    }
}

/// The limit may be ours, or one that a layer below set; that one wraps its error.
fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<LengthLimitError>() || error.source().is_some_and(is_too_long)
}

fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The body must be at most {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::convert::Infallible;

    async fn status(headers: HeaderMap, body: Body) -> u16 {
        read_body(&headers, body, 4).await.map_or_else(|p| p.status().as_u16(), |_| 200)
    }

    #[tokio::test]
    async fn no_more_than_the_limit() {
        let chunks = |n: usize| Body::from_stream(stream::iter(vec![Ok::<_, Infallible>("ab"); n]));
        assert_eq!(status(HeaderMap::new(), Body::from("abcd")).await, 200);
        assert_eq!(status(HeaderMap::new(), Body::from("abcde")).await, 413);
        assert_eq!(status(HeaderMap::new(), chunks(2)).await, 200);
        assert_eq!(status(HeaderMap::new(), chunks(3)).await, 413);
        let announced = [(header::CONTENT_LENGTH, "5".parse().unwrap())].into_iter().collect();
        assert_eq!(status(announced, Body::empty()).await, 413, "before a byte is read");
    }

    #[tokio::test]
    async fn an_extractor_has_a_limit_of_its_own() {
        for (body, status) in [("", None), ("abcd", None), ("abcde", Some(413))] {
            let read = AtMost::<4>::from_request(Request::new(Body::from(body)), &()).await;
            match read {
                Ok(AtMost(bytes)) => assert_eq!((&bytes[..], status), (body.as_bytes(), None)),
                Err(problem) => assert_eq!(Some(problem.status().as_u16()), status, "{body}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_longer_than_patience() {
        let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        assert_eq!(status(HeaderMap::new(), never).await, 408);
    }

    #[tokio::test]
    async fn a_connection_that_breaks_is_the_clients() {
        let broken = Body::from_stream(stream::iter([Ok("a"), Err(std::io::Error::other("reset"))]));
        assert_eq!(status(HeaderMap::new(), broken).await, 400);
    }
}
