//! A video in one request: its bytes as they are, its name in a header.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use contracts::Visibility;
use http_body_util::BodyExt as _;
use kernel::{Error, Result};
use objects::{Came, Digest, Part};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex, PoisonError};
use web::{Answer, Coming, KeyHeader, Next, Routes, Session, Unhurried, routes};

use crate::Streaming;
use crate::api::VideoView;
use crate::store::uploads;
use crate::uploads::Wish;

const ROUTE: &str = "POST /api/videos";

pub(crate) fn routes() -> Routes<Streaming> {
    Routes::new().api(routes!(create))
}

/// Upload a video in one request
///
/// What it is, is read from its bytes and not believed. It is private until its owner says otherwise. For large files, and
/// to go on after a broken connection, there is `/api/uploads`.
#[utoipa::path(
    post, path = "/api/videos", tag = "videos", operation_id = "createVideo",
    params(
        KeyHeader,
        ("File-Name" = Option<String>, Header, description = "What the file is called, percent-encoded where it has \
            other characters than ASCII"),
        ("Content-Digest" = Option<String>, Header, description = "`sha-256=:…:`, the digest that the bytes must have \
            (RFC 9530)"),
    ),
    security(("session" = [])),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The file"),
    extensions(("x-raw-body" = json!(true))),
    responses(
        (status = 201, description = "The video", body = VideoView),
        (status = 400, description = "The bytes do not have this digest | The body broke off | Content-Digest must be \
            sha-256=:…:"),
        (status = 409, description = "You have too many uploads under way: finish or cancel one first"),
        (status = 413, description = "A video must be at most 20 GiB"),
        (status = 415, description = "This is no video that can be played here: send MP4, WebM, MOV, MKV or Ogg"),
        (status = 429, description = "You send too many videos at once: wait until one of them is through"),
        (status = 507, description = "There is no room left for it | That is more than the 100 GiB that you may keep: \
            delete a video first"),
    ),
)]
async fn create(
    State(streaming): State<Streaming>,
    session: Session,
    key: KeyHeader,
    _: Unhurried,
    headers: HeaderMap,
    body: Body,
) -> web::Result<Response> {
    let digest = digest(&headers)?;
    if key.is_used(&streaming.0.db, &session, ROUTE).await? {
        let once = key.over(&streaming.looked_through(body, digest).await?);
        let forgotten = async |_| Err(Error::unavailable("the answer of a key was forgotten meanwhile"));
        return once.around(&streaming.0.db, &session, ROUTE, forgotten).await;
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let name = headers.get("file-name").map_or_else(String::new, |value| decoded(value.as_bytes()));
    let wish = Wish { name, title: None, visibility: Visibility::Private, length, metadata: None };
    let upload = streaming.begin(session.user, wish, uploads::Kind::Once).await?;
    let given_up = streaming.unless_kept(upload.clone());
    let most = upload.length.unsigned_abs().min(streaming.0.settings.limit);
    let (body, seen) = if key.is_given() { watched(body) } else { (body, Seen::default()) };
    let appended = streaming.append(&upload, Part { offset: 0, most, body, digest, at_hand: false }).await?;
    match appended.came {
        Came::Whole => {}
        Came::Broken => Err(broken_off())?,
        Came::Spoilt => Err(spoilt())?,
    }
    let once = key.over(&seen.digest());
    once.around(&streaming.0.db, &session, ROUTE, async |key| {
        let video = streaming.finish(upload, key, Some(given_up)).await?;
        Ok(Answer::created(&VideoView::from(&video)))
    })
    .await
}

fn broken_off() -> Error {
    Error::invalid("The body broke off")
}

fn spoilt() -> Error {
    Error::invalid("The bytes do not have this digest")
}

impl Streaming {
    /// The SHA-256 of a body that is not kept: its key says what it came to.
    async fn looked_through(&self, body: Body, digest: Option<Digest>) -> Result<Vec<u8>> {
        let (mut coming, mut seen, mut length) = (Coming::new(body), Sha256::new(), 0);
        loop {
            match coming.next().await {
                Next::Chunk(chunk) => {
                    length += chunk.len() as u64;
                    if length > self.0.settings.limit {
                        return Err(self.too_large());
                    }
                    seen.update(&chunk);
                }
                Next::Broken => return Err(broken_off()),
                Next::End => break,
            }
        }
        let seen = seen.finalize().to_vec();
        match digest {
            Some(Digest::Sha256(wanted)) if wanted != seen => Err(spoilt()),
            _ => Ok(seen),
        }
    }
}

/// What has passed of a body: enough to tell it from another under the same idempotency key.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Sha256>>);

impl Seen {
    fn digest(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().finalize().to_vec()
    }
}

fn watched(body: Body) -> (Body, Seen) {
    let seen = Seen::default();
    let watching = seen.clone();
    let body = body.map_frame(move |frame| {
        if let Some(chunk) = frame.data_ref() {
            watching.0.lock().unwrap_or_else(PoisonError::into_inner).update(chunk);
        }
        frame
    });
    (Body::new(body), seen)
}

/// The SHA-256 of `Content-Digest` (RFC 9530, section 2), if one is given; other algorithms are not looked at.
fn digest(headers: &HeaderMap) -> Result<Option<Digest>> {
    let wrong = || Error::invalid("Content-Digest must be sha-256=:…:");
    for value in headers.get_all("content-digest") {
        for member in value.to_str().map_err(|_| wrong())?.split(',') {
            let (name, digest) = member.trim().split_once('=').ok_or_else(wrong)?;
            if !name.eq_ignore_ascii_case("sha-256") {
                continue;
            }
            let digest =
                digest.strip_prefix(':').and_then(|text| text.strip_suffix(':')).ok_or_else(wrong)?;
            let digest = BASE64_STANDARD.decode(digest).ok().filter(|bytes| bytes.len() == 32);
            return digest.map(|bytes| Some(Digest::Sha256(bytes))).ok_or_else(wrong);
        }
    }
    Ok(None)
}

/// A header's text: percent-encoded, or UTF-8 as it is.
fn decoded(value: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, tail @ ..] = rest {
        let escape = (*first == b'%').then(|| tail.get(..2)).flatten();
        let escaped = escape.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_name_may_be_encoded() {
        for (value, name) in [
            ("a%20b.mp4", "a b.mp4"),
            ("%C3%A4.webm", "ä.webm"),
            ("100%.mp4", "100%.mp4"),
            ("%zz%4", "%zz%4"),
        ] {
            assert_eq!(decoded(value.as_bytes()), name);
        }
        assert_eq!(decoded("ä".as_bytes()), "ä");
    }

    #[test]
    fn a_digest_is_read_or_refused() {
        let of = |value: &'static str| {
            digest(
                &[("content-digest".parse().unwrap(), HeaderValue::from_static(value))].into_iter().collect(),
            )
        };
        let nothing = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
        assert!(matches!(of(nothing), Ok(Some(Digest::Sha256(bytes))) if bytes[..2] == [0xe3, 0xb0]));
        assert!(matches!(of("sha-512=:AA==:"), Ok(None)));
        assert!(matches!(digest(&HeaderMap::new()), Ok(None)));
        for wrong in ["sha-256=AA", "sha-256=:AA==:", "x", "sha-256=:!:"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
