//! Compression, only where it pays: pages, scripts and long lists. A short API answer fits into one
//! packet either way, and a film or a stream of events must not be held back.

use std::convert::Infallible;
use std::future::ready;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue, Request, header};
use axum::response::Response;
use tower::{Service, service_fn};
use tower_http::compression::Compression;

/// Shorter answers are sent as they are.
const WORTH_IT: u64 = 4 * 1024;

/// The `Accept-Encoding` of a client that takes gzip.
pub(crate) fn wanted(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(header::ACCEPT_ENCODING).filter(|v| v.as_bytes().windows(4).any(|w| w == b"gzip")).cloned()
}

/// The answer, compressed if that is worth it.
pub(crate) async fn compress(accept: HeaderValue, response: Response) -> Response {
    let long = response.body().size_hint().exact().is_some_and(|size| size >= WORTH_IT);
    // Of what parts can be asked for, each byte has its place, and its strong tag names these bytes and no others.
    let has_parts = response.headers().contains_key(header::ACCEPT_RANGES);
    if !long || has_parts || !is_text(&response) {
        return response;
    }
    // The library is a layer; used as a function it costs nothing where there is nothing to compress.
    let mut answer = Some(response);
    let mut compression = Compression::new(service_fn(move |_: Request<()>| {
        ready(Ok::<_, Infallible>(answer.take().unwrap_or_default()))
    }));
    let mut request = Request::new(());
    request.headers_mut().insert(header::ACCEPT_ENCODING, accept);
    let Ok(response) = compression.call(request).await;
    response.map(Body::new)
}

fn is_text(response: &Response) -> bool {
    let content_type =
        response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    ["text/", "application/json", "application/problem+json", "image/svg"]
        .iter()
        .any(|t| content_type.starts_with(t))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn sent(
        content_type: &'static str,
        length: usize,
        extra: Option<(&'static str, &'static str)>,
    ) -> (bool, usize) {
        let mut response = Response::new(Body::from(vec![b'a'; length]));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some((name, value)) = extra {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let accept = [(header::ACCEPT_ENCODING, HeaderValue::from_static("deflate, gzip;q=0.9"))]
            .into_iter()
            .collect();
        let response = compress(wanted(&accept).unwrap(), response).await;
        let zipped = response.headers().get(header::CONTENT_ENCODING).is_some_and(|e| e == "gzip");
        assert_eq!(zipped, response.headers().contains_key(header::VARY));
        (zipped, response.into_body().collect().await.unwrap().to_bytes().len())
    }

    #[tokio::test]
    async fn only_long_texts() {
        assert_eq!(sent("application/json", 4095, None).await, (false, 4095));
        assert_eq!(sent("video/mp4", 100_000, None).await, (false, 100_000));
        assert_eq!(sent("image/jpeg", 100_000, None).await, (false, 100_000));
        assert_eq!(
            sent("text/vtt", 100_000, Some(("content-range", "bytes 0-99999/200000"))).await,
            (false, 100_000)
        );
        for content_type in ["application/json", "text/html; charset=utf-8", "text/css", "image/svg+xml"] {
            let (zipped, length) = sent(content_type, 100_000, None).await;
            assert!(zipped && length < 1_000, "{content_type}");
        }
    }

    #[test]
    fn only_for_those_who_take_it() {
        assert!(wanted(&HeaderMap::new()).is_none());
        let headers = [(header::ACCEPT_ENCODING, HeaderValue::from_static("br"))].into_iter().collect();
        assert!(wanted(&headers).is_none());
    }
}
