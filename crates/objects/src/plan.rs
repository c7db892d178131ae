//! What to answer to a GET or a HEAD for an object that never changes, by RFC 9110 and without touching the object:
//! validators (section 8.8), preconditions (13), ranges (14), and the codes 206, 304, 412 and 416 (15).

use std::fmt;
use std::io::Write;
use std::ops::Range;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::Entity;
use crate::conditions::{IfRange, Verdict, if_range, verdict};
use crate::parts::parts;
use crate::ranges::{Wanted, wanted};

/// Room for what is said here and for what others add, so that the map need not grow.
const HEADERS: usize = 12;

/// An answer, but for the bytes of the object.
#[derive(Debug, Clone)]
pub struct Plan {
    /// 200, 206, 304, 412 or 416.
    pub status: StatusCode,
    /// With a 200 and a 206 all that is to be said of the object and the content, its length included. A 304, a 412
    /// and a 416 say nothing of a content: whether there is one is for whoever sends them.
    pub headers: HeaderMap,
    /// What follows.
    pub content: Content,
}

/// The content of an answer. Its length is what `Content-Length` says, unless it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing: for a HEAD, an empty object, a 304, a 412, a 416.
    Empty,
    /// These bytes of the object.
    Object(Range<u64>),
    /// Several of its parts, each with its head: `multipart/byteranges`.
    Parts(Vec<Slice>),
}

/// A piece of a content of several parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slice {
    /// What stands before and after parts.
    Bytes(Bytes),
    /// These bytes of the object.
    Object(Range<u64>),
}

/// What to answer, about `entity`, to a request with these headers. Any method but GET is answered as HEAD is.
pub fn plan(method: &Method, headers: &HeaderMap, entity: &Entity) -> Plan {
    plan_with(method, headers, entity, kernel::random_code)
}

/// `boundary` makes what separates parts: at most 70 letters and digits (RFC 2046, section 5.1.1), which nobody can
/// know before and which therefore are not in the object.
pub(crate) fn plan_with(
    method: &Method,
    headers: &HeaderMap,
    entity: &Entity,
    boundary: impl FnOnce() -> String,
) -> Plan {
    match verdict(headers, entity) {
        Verdict::Met => {}
        Verdict::NotModified => return not_modified(entity),
        Verdict::Failed => return Plan::empty(StatusCode::PRECONDITION_FAILED, HeaderMap::new()),
    }
    // Only for GET is it defined what Range means (section 14.2), and only with Range what If-Range does (13.1.5).
    if method != Method::GET {
        return whole(entity, true);
    }
    if !headers.contains_key(header::RANGE) {
        return whole(entity, false);
    }
    let condition = if_range(headers, entity);
    let wanted = match condition {
        IfRange::Other => Wanted::Whole,
        IfRange::Absent | IfRange::Tag => wanted(headers, entity.size()),
    };
    match wanted {
        Wanted::Whole => whole(entity, false),
        Wanted::One(range) => one(entity, condition, range),
        Wanted::Several(ranges) => several(entity, condition, &ranges, &boundary()),
        Wanted::Unsatisfiable => unsatisfiable(entity),
    }
}

impl Plan {
    fn empty(status: StatusCode, headers: HeaderMap) -> Self {
        Self { status, headers, content: Content::Empty }
    }
}

fn whole(entity: &Entity, is_head: bool) -> Plan {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(header::CONTENT_TYPE, entity.content_type().clone());
    headers.insert(header::CONTENT_LENGTH, entity.length().clone());
    headers.insert(header::ETAG, entity.etag().clone());
    headers.insert(header::LAST_MODIFIED, entity.modified().clone());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let content =
        if is_head || entity.size() == 0 { Content::Empty } else { Content::Object(0..entity.size()) };
    Plan { status: StatusCode::OK, headers, content }
}

fn one(entity: &Entity, condition: IfRange, range: Range<u64>) -> Plan {
    let mut headers = partial(entity, condition);
    headers.insert(header::CONTENT_TYPE, entity.content_type().clone());
    headers.insert(header::CONTENT_LENGTH, value(format_args!("{}", range.end - range.start)));
    let (first, last) = (range.start, range.end - 1);
    headers.insert(header::CONTENT_RANGE, value(format_args!("bytes {first}-{last}/{}", entity.size())));
    Plan { status: StatusCode::PARTIAL_CONTENT, headers, content: Content::Object(range) }
}

fn several(entity: &Entity, condition: IfRange, ranges: &[Range<u64>], boundary: &str) -> Plan {
    let (slices, length) = parts(entity, ranges, boundary);
    let mut headers = partial(entity, condition);
    headers.insert(header::CONTENT_TYPE, value(format_args!("multipart/byteranges; boundary={boundary}")));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Plan { status: StatusCode::PARTIAL_CONTENT, headers, content: Content::Parts(slices) }
}

/// What every 206 says. To who has shown our tag the date is not said again, as section 15.3.7 asks.
fn partial(entity: &Entity, condition: IfRange) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(header::ETAG, entity.etag().clone());
    if condition != IfRange::Tag {
        headers.insert(header::LAST_MODIFIED, entity.modified().clone());
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers
}

/// Of a representation that the client has, only the tag is said (section 15.4.5).
fn not_modified(entity: &Entity) -> Plan {
    let headers = HeaderMap::from_iter([(header::ETAG, entity.etag().clone())]);
    Plan::empty(StatusCode::NOT_MODIFIED, headers)
}

fn unsatisfiable(entity: &Entity) -> Plan {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(header::CONTENT_RANGE, value(format_args!("bytes */{}", entity.size())));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Plan::empty(StatusCode::RANGE_NOT_SATISFIABLE, headers)
}

/// Of text that has nothing in it which a header cannot say, at most 128 bytes long; it is copied once.
fn value(text: fmt::Arguments<'_>) -> HeaderValue {
    let mut room = [0; 128];
    let mut rest = &mut room[..];
    // Writing fails only where the room ends.
    let _ = rest.write_fmt(text);
    let length = 128 - rest.len();
    HeaderValue::from_bytes(&room[..length]).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
