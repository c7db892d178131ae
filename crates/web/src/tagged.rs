//! Answers that a browser or a proxy may keep, if it asks before each use whether they are still so: each has a tag,
//! and who comes with that tag gets a 304 and no body (RFC 9110, sections 8.8.3 and 13.1.2).

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use kernel::{Error, Result};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::answer::JSON;

/// The `Cache-Control` of what is the same for everybody.
pub const PUBLIC: HeaderValue = HeaderValue::from_static("public, no-cache");
/// The `Cache-Control` of what is for one person.
pub const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// A body and its tag. Clones share both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    body: Bytes,
    tag: HeaderValue,
}

impl Tagged {
    /// `body`, whose tag is its digest.
    ///
    /// The tag is weak: whether the body is compressed is decided on the way out, and a strong one may not name both of
    /// what comes of it (RFC 9110, section 8.8.3.3). Nobody asks for a part of such an answer, so nothing is lost.
    pub fn new(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let digest = HEXLOWER.encode(&Sha256::digest(&body)[..16]);
        // Hexadecimal is ASCII.
        let tag = HeaderValue::try_from(format!("W/\"{digest}\""));
        Self { body, tag: tag.unwrap_or_else(|_| HeaderValue::from_static("W/\"\"")) }
    }

    /// The JSON of `value`.
    ///
    /// # Errors
    /// `Internal` if it has none.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(value);
        body.map(Self::new).map_err(|e| Error::internal("an answer could not be written as JSON").because(e))
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// 200 with the JSON that this is, or 304 for whoever has it. `control` is [`PUBLIC`] or [`PRIVATE`].
    pub fn answer(&self, known: &IfNoneMatch, control: HeaderValue) -> Response {
        let mut response = if known.has(&self.tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = self.body.clone().into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, JSON);
            response
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.tag.clone());
        headers.insert(header::CACHE_CONTROL, control);
        // Said here too, for a 304 has no body that would be compressed, and says what the 200 does.
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        response
    }
}

/// What a client has already: `If-None-Match`. An extractor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IfNoneMatch(Vec<HeaderValue>);

impl IfNoneMatch {
    /// Whether it has the version that `tag` names; weak or strong is the same here (RFC 9110, section 8.8.3.2).
    ///
    /// A tag of ours has no comma, so it is enough to look between those of the list.
    pub fn has(&self, tag: &HeaderValue) -> bool {
        fn opaque(tag: &[u8]) -> &[u8] {
            tag.strip_prefix(b"W/").unwrap_or(tag)
        }
        let named = |given: &HeaderValue| {
            let mut each = given.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            each.any(|one| opaque(one) == opaque(tag.as_bytes()))
        };
        self.0.iter().any(|given| given.as_bytes().trim_ascii() == b"*" || named(given))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> std::result::Result<Self, Infallible> {
        Ok(Self(parts.headers.get_all(header::IF_NONE_MATCH).iter().cloned().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{body_of, request, send, served, web};
    use axum::Router;
    use axum::routing::get;

    fn given(lines: &[&'static str]) -> IfNoneMatch {
        IfNoneMatch(lines.iter().map(|line| HeaderValue::from_static(line)).collect())
    }

    #[test]
    fn a_tag_is_known_by_its_text() {
        let tag = HeaderValue::from_static("W/\"a.1\"");
        for lines in [
            vec!["W/\"a.1\""],
            vec!["\"a.1\""],
            vec!["*"],
            vec![" * "],
            vec!["\"x\", W/\"a.1\""],
            vec!["\"x\",\"a.1\" , \"y\""],
            vec!["\"x,y\",\"a.1\""],
            vec!["\"x\"", "\"a.1\""],
        ] {
            assert!(given(&lines).has(&tag), "{lines:?}");
            assert!(given(&lines).has(&HeaderValue::from_static("\"a.1\"")), "{lines:?}");
        }
        for lines in [
            vec![],
            vec![""],
            vec!["a.1"],
            vec!["\"a.2\""],
            vec!["\"a.1"],
            vec!["W/W/\"a.1\""],
            vec!["w/\"a.1\""],
            vec!["\"*\""],
            vec!["\"x\", *"],
            vec!["\"a.1\"\"x\""],
        ] {
            assert!(!given(&lines).has(&tag), "{lines:?}");
        }
    }

    #[test]
    fn another_body_has_another_tag() {
        let [one, same, other] = ["[1]", "[1]", "[2]"].map(|text| Tagged::new(text).tag);
        assert!(one == same && one != other && one.to_str().unwrap().starts_with("W/\""));
        assert_eq!(Tagged::json(&[1]).unwrap().body(), "[1]");
        assert!(Tagged::json(&std::collections::HashMap::from([((1, 2), 3)])).is_err());
    }

    /// As it is sent: short and long, plain and compressed, by GET and by HEAD, the first time and again.
    #[tokio::test]
    async fn who_has_it_is_not_sent_it_again() {
        for length in [10, 100_000] {
            let tagged = Tagged::new("x".repeat(length));
            let show = move |known: IfNoneMatch| async move { tagged.answer(&known, PUBLIC) };
            let router = Router::new().route("/", get(show));
            let (web, _) = web();
            for (method, coding) in [("GET", ""), ("GET", "gzip"), ("HEAD", ""), ("HEAD", "gzip")] {
                let ask = async |known: &str| {
                    let headers = [("accept-encoding", coding), ("if-none-match", known)];
                    send(served(router.clone(), &web), request(method, "/", &headers, "")).await
                };
                let first = ask("").await;
                assert_eq!(first.status(), 200, "{method} {coding}");
                let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
                let stays = [header::ETAG, header::CACHE_CONTROL, header::VARY].map(|name| {
                    assert_eq!(first.headers().get_all(&name).iter().count(), 1, "{name}");
                    (name.clone(), first.headers()[&name].clone())
                });
                let zipped = first.headers().contains_key(header::CONTENT_ENCODING);
                assert_eq!(zipped, coding == "gzip" && length > 10, "a HEAD says what a GET would");
                assert_eq!(body_bytes(first).await == 0, method == "HEAD");

                let again = ask(&format!("\"other\", {}", tag.trim_start_matches("W/"))).await;
                assert_eq!(again.status(), 304, "{method} {coding}");
                for (name, value) in stays {
                    assert_eq!(again.headers()[&name], value);
                }
                assert!(!again.headers().contains_key(header::CONTENT_ENCODING));
                assert_eq!(body_of(again).await, "");
                assert_eq!(ask("W/\"other\"").await.status(), 200);
            }
        }
    }

    async fn body_bytes(response: Response) -> usize {
        use http_body_util::BodyExt as _;
        response.into_body().collect().await.unwrap().to_bytes().len()
    }
}
