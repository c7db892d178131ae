//! What an answer says of the object that it is about.

use std::time::{Duration, UNIX_EPOCH};

use axum::http::HeaderValue;
use kernel::{Error, Instant, Result};

/// The last second that an HTTP-date can name: its year has four digits (RFC 9110, section 5.6.7).
const LAST_SECOND: u64 = 253_402_300_799;

/// An object as HTTP speaks of it: a selected representation (RFC 9110, section 3.2). What is said of it is kept as it
/// is sent, and clones share it, so that an answer formats next to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    size: u64,
    length: HeaderValue,
    etag: HeaderValue,
    seconds: u64,
    modified: HeaderValue,
    content_type: HeaderValue,
}

impl Entity {
    /// An object of `size` bytes, with its strong entity tag in quotation marks, when it was stored, and its media
    /// type. `modified` is said to the second; it must not be in the future (RFC 9110, section 8.8.2.1).
    ///
    /// # Errors
    /// 500 if `etag` is not a strong entity tag (section 8.8.3), or `content_type` cannot be sent.
    pub fn new(size: u64, etag: &str, modified: Instant, content_type: &str) -> Result<Self> {
        if !is_strong(etag.as_bytes()) {
            return Err(Error::internal(format!("{etag:?} is not a strong entity tag")));
        }
        let unfit = |_| Error::internal(format!("a header cannot say {etag:?} or {content_type:?}"));
        let seconds = u64::try_from(modified.as_seconds()).unwrap_or(0).min(LAST_SECOND);
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        Ok(Self {
            size,
            length: HeaderValue::from(size),
            etag: HeaderValue::from_str(etag).map_err(unfit)?,
            seconds,
            modified: HeaderValue::from_str(&date).map_err(unfit)?,
            content_type: HeaderValue::from_str(content_type).map_err(unfit)?,
        })
    }

    /// The same, said to be of another media type.
    #[must_use]
    pub fn with_content_type(self, content_type: HeaderValue) -> Self {
        Self { content_type, ..self }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its size as `Content-Length` says it.
    pub fn length(&self) -> &HeaderValue {
        &self.length
    }

    /// Its strong entity tag, with its quotation marks.
    pub fn etag(&self) -> &HeaderValue {
        &self.etag
    }

    /// When it was stored, in seconds since the Unix epoch.
    pub fn seconds(&self) -> u64 {
        self.seconds
    }

    /// When it was stored, as `Last-Modified` says it.
    pub fn modified(&self) -> &HeaderValue {
        &self.modified
    }

    /// Its media type.
    pub fn content_type(&self) -> &HeaderValue {
        &self.content_type
    }
}

/// Whether this is an opaque-tag, in quotation marks (RFC 9110, section 8.8.3).
fn is_strong(tag: &[u8]) -> bool {
    let within = tag.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\""));
    within.is_some_and(|t| t.iter().all(|b| is_etagc(*b)))
}

/// What may stand within an entity tag (RFC 9110, section 8.8.3): no quotation mark, no space, but commas.
pub(crate) fn is_etagc(byte: u8) -> bool {
    byte == 0x21 || (0x23..=0x7e).contains(&byte) || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(etag: &str, millis: i64, content_type: &str) -> Result<Entity> {
        Entity::new(10_000, etag, Instant::from_millis(millis), content_type)
    }

    #[test]
    fn says_its_date_to_the_second() {
        let entity = entity("\"a,b\"", 784_111_777_999, "video/mp4").unwrap();
        assert_eq!(entity.modified(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(entity.seconds(), 784_111_777);
        assert_eq!(entity.length(), "10000");
    }

    #[test]
    fn a_date_that_http_cannot_say_becomes_the_nearest_that_it_can() {
        assert_eq!(entity("\"\"", -1, "a/b").unwrap().modified(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(entity("\"\"", i64::MAX, "a/b").unwrap().modified(), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn takes_strong_tags_only_and_types_that_can_be_sent() {
        for etag in ["", "\"", "abc", "W/\"abc\"", "\"a b\"", "\"a\"b\"", "\"a\n\"", "\"a\"\r\nx: \"b\""] {
            assert!(entity(etag, 0, "video/mp4").is_err(), "{etag}");
        }
        assert!(entity("\"abc\"", 0, "video/mp4\r\nx: y").is_err());
    }
}
