//! One id per request, taken over from the client if it is sane, so that a line in our log can be found
//! from the other end.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries it, in and out.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The request's own id, or a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    headers.get(X_REQUEST_ID).filter(|id| is_sane(id.as_bytes())).cloned().unwrap_or_else(fresh)
}

fn is_sane(id: &[u8]) -> bool {
    (1..=64).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
}

/// A UUID of version 8: half is this process's own random number, half counts. Unlike one made of fresh
/// random bytes it costs no system call, and nothing about a request id need be unguessable.
fn fresh() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("request ids"));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let bits = u128::from(*PROCESS) << 64 | u128::from(count);
    let id = uuid::Builder::from_custom_bytes(bits.to_be_bytes()).into_uuid();
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))
        .unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn takes_over_what_is_sane() {
        let long = "a".repeat(64);
        let too_long = "a".repeat(65);
        for (id, sane) in [
            ("abc-1.2_3", true),
            (&long, true),
            (&too_long, false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("ä", false),
        ] {
            let headers =
                [(X_REQUEST_ID, HeaderValue::from_bytes(id.as_bytes()).unwrap())].into_iter().collect();
            assert_eq!(request_id(&headers) == id, sane, "{id}");
        }
    }

    #[test]
    fn fresh_ids_are_uuids_and_differ() {
        let ids: HashSet<_> = (0..1000).map(|_| fresh()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(
            ids.iter().all(|id| id
                .to_str()
                .unwrap()
                .parse::<uuid::Uuid>()
                .is_ok_and(|id| id.get_version_num() == 8))
        );
    }
}
