//! Preconditions (RFC 9110, section 13), in the order of section 13.2.2.

use std::time::UNIX_EPOCH;

use axum::http::header::{AsHeaderName, HeaderMap};
use axum::http::{HeaderValue, header};

use crate::Entity;
use crate::entity::is_etagc;

/// What the preconditions of a GET or a HEAD come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The method is performed.
    Met,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates all but `If-Range`. A date that is not valid, or is one of several, is ignored.
pub(crate) fn verdict(headers: &HeaderMap, entity: &Entity) -> Verdict {
    let opaque = entity.etag().as_bytes();
    if headers.contains_key(header::IF_MATCH) {
        if !lists(headers, header::IF_MATCH, |tag| !tag.is_weak && tag.opaque == opaque) {
            return Verdict::Failed;
        }
    } else if date(headers, header::IF_UNMODIFIED_SINCE).is_some_and(|date| entity.seconds() > date) {
        return Verdict::Failed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        if lists(headers, header::IF_NONE_MATCH, |tag| tag.opaque == opaque) {
            return Verdict::NotModified;
        }
    } else if date(headers, header::IF_MODIFIED_SINCE).is_some_and(|date| entity.seconds() <= date) {
        return Verdict::NotModified;
    }
    Verdict::Met
}

/// What an `If-Range` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfRange {
    /// There is none.
    Absent,
    /// It has our entity tag: the client knows which bytes it has, and what we say of them.
    Tag,
    /// It has a date, or something else: `Range` must be ignored (section 13.1.5).
    Other,
}

/// Evaluates `If-Range`. A date holds only if it is a strong validator: if it is known that what goes by the URL did not
/// change twice within that second (section 8.8.2.2). An object does not change, but of what other object its URL spoke
/// a moment before is not known here: a path is free again once its video is deleted. Whoever has our tag, as all have
/// whom we answered, must not ask by the date (section 13.1.5).
pub(crate) fn if_range(headers: &HeaderMap, entity: &Entity) -> IfRange {
    let mut lines = headers.get_all(header::IF_RANGE).iter();
    let line = match (lines.next(), lines.next()) {
        (None, _) => return IfRange::Absent,
        (Some(_), Some(_)) => return IfRange::Other,
        (Some(line), None) => line,
    };
    match Tag::read(line.as_bytes().trim_ascii()) {
        Some((tag, b"")) if !tag.is_weak && tag.opaque == entity.etag().as_bytes() => IfRange::Tag,
        _ => IfRange::Other,
    }
}

/// An entity tag (section 8.8.3).
struct Tag<'a> {
    is_weak: bool,
    /// With its quotation marks.
    opaque: &'a [u8],
}

impl<'a> Tag<'a> {
    /// The tag at the beginning of `field`, and what follows it.
    fn read(field: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (is_weak, quoted) = field.strip_prefix(b"W/").map_or((false, field), |rest| (true, rest));
        let within = quoted.strip_prefix(b"\"")?;
        let length = within.iter().position(|b| !is_etagc(*b))?;
        let rest = within[length..].strip_prefix(b"\"")?;
        Some((Self { is_weak, opaque: &quoted[..length + 2] }, rest))
    }
}

/// Whether the field is `*`, or a list of entity tags one of which `matches`. Anything else lists nothing: with `*` or
/// a stray word in it, it is neither (sections 13.1.1 and 13.1.2).
fn lists(headers: &HeaderMap, name: impl AsHeaderName, matches: impl Fn(&Tag<'_>) -> bool) -> bool {
    let mut lines = headers.get_all(name).iter().map(|line| line.as_bytes().trim_ascii()).peekable();
    let mut found = false;
    let mut is_first = true;
    while let Some(mut line) = lines.next() {
        if line == b"*" {
            return is_first && lines.peek().is_none();
        }
        is_first = false;
        loop {
            // Empty elements are passed over (section 5.6.1.2).
            line = line.trim_ascii_start();
            if let Some(rest) = line.strip_prefix(b",") {
                line = rest;
                continue;
            }
            if line.is_empty() {
                break;
            }
            let Some((tag, rest)) = Tag::read(line) else { return false };
            found |= matches(&tag);
            line = rest.trim_ascii_start();
            if !line.is_empty() && !line.starts_with(b",") {
                return false;
            }
        }
    }
    found
}

/// The only value of the field, as a date, in seconds since the Unix epoch.
fn date(headers: &HeaderMap, name: impl AsHeaderName) -> Option<u64> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => seconds(line),
        _ => None,
    }
}

/// An HTTP-date in any of its three forms (section 5.6.7), in seconds since the Unix epoch.
fn seconds(value: &HeaderValue) -> Option<u64> {
    let date = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}
