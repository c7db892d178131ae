//! What is wrong with an answer.

use std::ops::RangeInclusive;
use std::time::UNIX_EPOCH;

use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use kernel::Instant;

use super::multipart::{self, Part};
use super::{Answer, Case};
use crate::Entity;

/// An answer as it came over the wire.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its code.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    /// All of its content, until the message ended.
    pub body: Vec<u8>,
}

/// What a server says of a file, from the fields of its answer to a plain HEAD.
///
/// # Errors
/// In words, if it says no length, no strong entity tag or no date.
pub fn told(headers: &HeaderMap) -> Result<Entity, String> {
    let text = |name| field(headers, &name).ok_or_else(|| format!("there is no {name}"));
    let size = text(header::CONTENT_LENGTH)?.parse().map_err(|_| "Content-Length is no number")?;
    let modified = httpdate::parse_http_date(text(header::LAST_MODIFIED)?).map_err(|e| e.to_string())?;
    let since = modified.duration_since(UNIX_EPOCH).map_err(|e| e.to_string())?;
    let millis = i64::try_from(since.as_millis()).map_err(|e| e.to_string())?;
    let (etag, content_type) = (text(header::ETAG)?, text(header::CONTENT_TYPE)?);
    Entity::new(size, etag, Instant::from_millis(millis), content_type).map_err(|e| e.to_string())
}

type Checked = Result<(), String>;

impl Case {
    /// Whether this is an answer that RFC 9110 allows, about what a HEAD says is `entity`.
    ///
    /// # Errors
    /// In words, what is wrong, by each answer that it may have been meant for.
    pub fn allows(&self, entity: &Entity, reply: &Reply) -> Checked {
        let mut allowed = self.answers.clone();
        if self.may_ignore_range() && !allowed.contains(&Answer::Whole) {
            allowed.push(Answer::Whole);
        }
        let mut wrong = Vec::new();
        for answer in &allowed {
            match self.check(answer, entity, reply) {
                Ok(()) => return Ok(()),
                Err(why) => wrong.push(format!("not {answer:?}: {why}")),
            }
        }
        Err(wrong.join("; "))
    }

    /// Whether this is the answer that Marquee gives.
    ///
    /// # Errors
    /// In words, what is wrong.
    pub fn expects(&self, entity: &Entity, reply: &Reply) -> Checked {
        let answer = self.answers.first().ok_or("the case has no answer")?;
        self.check(answer, entity, reply)?;
        match answer {
            Answer::Whole | Answer::Part(_) | Answer::Parts(_) => {
                says(&reply.headers, &header::ACCEPT_RANGES, Some("bytes"))
            }
            _ => Ok(()),
        }
    }

    fn check(&self, answer: &Answer, entity: &Entity, reply: &Reply) -> Checked {
        let status = match answer {
            Answer::Whole => StatusCode::OK,
            Answer::Part(_) | Answer::Parts(_) => StatusCode::PARTIAL_CONTENT,
            Answer::NotModified => StatusCode::NOT_MODIFIED,
            Answer::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Answer::Unsatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        };
        same("status", &reply.status, &status)?;
        let headers = &reply.headers;
        let is_head = self.method == Method::HEAD;
        if is_head || *answer == Answer::NotModified {
            same("length of the body", &reply.body.len(), &0)?;
        } else if let Some(length) = field(headers, &header::CONTENT_LENGTH) {
            same("Content-Length", &length, &reply.body.len().to_string().as_str())?;
        }
        match answer {
            Answer::Whole => {
                self.describes(entity, headers)?;
                says(headers, &header::CONTENT_TYPE, text(entity.content_type()))?;
                says(headers, &header::CONTENT_LENGTH, text(entity.length()))?;
                says(headers, &header::CONTENT_RANGE, None)?;
                if is_head { Ok(()) } else { self.holds(0, &reply.body, entity.size()) }
            }
            Answer::Part(part) => {
                self.describes(entity, headers)?;
                // With If-Range the client is thought to know it (section 15.3.7).
                if headers.contains_key(header::CONTENT_TYPE) || !self.has(&header::IF_RANGE) {
                    says(headers, &header::CONTENT_TYPE, text(entity.content_type()))?;
                }
                says(headers, &header::CONTENT_LENGTH, Some(&length(part).to_string()))?;
                says(headers, &header::CONTENT_RANGE, Some(&content_range(part, entity)))?;
                self.holds(*part.start(), &reply.body, length(part))
            }
            Answer::Parts(parts) => {
                self.describes(entity, headers)?;
                says(headers, &header::CONTENT_LENGTH, Some(&reply.body.len().to_string()))?;
                says(headers, &header::CONTENT_RANGE, None)?;
                self.check_parts(parts, entity, reply)
            }
            Answer::NotModified => says(headers, &header::ETAG, text(entity.etag())),
            Answer::PreconditionFailed => Ok(()),
            Answer::Unsatisfiable => {
                says(headers, &header::CONTENT_RANGE, Some(&format!("bytes */{}", entity.size())))
            }
        }
    }

    /// What a 200 and a 206 both say of the file, whose bytes are sent as they are.
    fn describes(&self, entity: &Entity, headers: &HeaderMap) -> Checked {
        says(headers, &header::CONTENT_ENCODING, None)?;
        says(headers, &header::ETAG, text(entity.etag()))?;
        if headers.contains_key(header::LAST_MODIFIED) || !self.has(&header::IF_RANGE) {
            says(headers, &header::LAST_MODIFIED, text(entity.modified()))?;
        }
        Ok(())
    }

    fn check_parts(&self, expected: &[RangeInclusive<u64>], entity: &Entity, reply: &Reply) -> Checked {
        let content_type = field(&reply.headers, &header::CONTENT_TYPE).unwrap_or_default();
        let boundary =
            multipart::boundary(content_type).ok_or_else(|| format!("Content-Type is {content_type:?}"))?;
        let parts = multipart::read(&reply.body, boundary)?;
        let ranges: Vec<_> = parts.iter().map(|part| part.field("content-range").unwrap_or("none")).collect();
        let wanted: Vec<_> = expected.iter().map(|part| content_range(part, entity)).collect();
        same("ranges of the parts", &ranges, &wanted.iter().map(String::as_str).collect())?;
        for (Part { bytes, .. }, range) in parts.iter().zip(expected) {
            self.holds(*range.start(), bytes, length(range))?;
        }
        let types = parts.iter().filter_map(|part| part.field("content-type")).collect();
        same(
            "types of the parts",
            &types,
            &vec![text(entity.content_type()).unwrap_or_default(); parts.len()],
        )
    }

    /// Whether `body` is `length` bytes of the file from `start` on.
    fn holds(&self, start: u64, body: &[u8], length: u64) -> Checked {
        same("length of the content", &(body.len() as u64), &length)?;
        let expected = self.file.bytes(start..start + length);
        match expected.iter().zip(body).position(|(expected, byte)| expected != byte) {
            Some(at) => Err(format!("byte {} is another one", start + at as u64)),
            None => Ok(()),
        }
    }

    fn has(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|(n, _)| n == name)
    }
}

fn length(part: &RangeInclusive<u64>) -> u64 {
    part.end() - part.start() + 1
}

fn content_range(part: &RangeInclusive<u64>, entity: &Entity) -> String {
    format!("bytes {}-{}/{}", part.start(), part.end(), entity.size())
}

fn text(value: &axum::http::HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// The value of a field that is there once, as text.
fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none()).and_then(text)
}

/// Whether the field is there, once and with this value, or is not there.
fn says(headers: &HeaderMap, name: &HeaderName, value: Option<&str>) -> Checked {
    let lines: Vec<_> = headers.get_all(name).iter().map(|line| text(line).unwrap_or("not text")).collect();
    same(name.as_str(), &lines, &value.into_iter().collect())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, should: &T) -> Checked {
    if is == should { Ok(()) } else { Err(format!("{what} is {is:?}, not {should:?}")) }
}
