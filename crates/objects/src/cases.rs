//! Requests with ranges and preconditions, and what RFC 9110 answers to each, as data. The table is run against
//! [`plan`](crate::plan()) here, and over HTTP against whatever serves the same files.
//!
//! Whoever runs it has each [`File`] served, learns by a HEAD what is said of it ([`told`]), sends what
//! [`Case::headers`] gives, and asks [`Case::allows`] or, of Marquee, [`Case::expects`] what is wrong with the answer.

mod check;
mod file;
mod if_range;
mod multipart;
mod one;
mod preconditions;
mod several;
mod syntax;
mod whole;

use std::ops::RangeInclusive;
use std::time::{Duration, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::Entity;

pub use check::{Reply, told};
pub use file::File;

/// A request, and what may be answered to it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What is asked, in words; no other case has the same.
    pub name: &'static str,
    /// The section of RFC 9110 that says what to answer.
    pub section: &'static str,
    /// GET or HEAD.
    pub method: Method,
    /// Of what.
    pub file: File,
    /// What the RFC allows, first what Marquee does. What [`Case::may_ignore_range`] adds is not among it.
    pub answers: Vec<Answer>,
    headers: Vec<(HeaderName, String)>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200 with all of it, or for a HEAD with what is said of it.
    Whole,
    /// 206 with one part: its first and its last byte.
    Part(RangeInclusive<u64>),
    /// 206 as `multipart/byteranges` with these parts, in this order.
    Parts(Vec<RangeInclusive<u64>>),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    Unsatisfiable,
}

/// All cases, in the order of what they are about.
pub fn cases() -> Vec<Case> {
    let tables = [
        whole::cases(),
        one::cases(),
        several::cases(),
        syntax::cases(),
        preconditions::cases(),
        if_range::cases(),
    ];
    tables.into_iter().flatten().collect()
}

impl Case {
    /// The fields of the request, with what is to be known of `entity` filled in. There may be several lines of one.
    pub fn headers(&self, entity: &Entity) -> HeaderMap {
        let fields = self.headers.iter().filter_map(|(name, template)| {
            Some((name.clone(), HeaderValue::try_from(filled(template, entity)).ok()?))
        });
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        headers
    }

    /// Whether `Range` may be ignored here as everywhere (section 14.2), so that the whole is right as well. Of a huge
    /// file it is not asked.
    pub fn may_ignore_range(&self) -> bool {
        let is_by_range =
            |a: &Answer| matches!(a, Answer::Part(_) | Answer::Parts(_) | Answer::Unsatisfiable);
        self.file != File::Huge && self.answers.iter().any(is_by_range)
    }

    fn new(method: Method, name: &'static str, section: &'static str, file: File) -> Self {
        Self { name, section, method, file, answers: Vec::new(), headers: Vec::new() }
    }

    /// Adds a field to the request. In its value stand `{etag}` for the entity tag, `{modified}` for the date, also in
    /// the obsolete forms `{rfc850}` and `{asctime}`, and `{before}` and `{after}` for an hour earlier and later.
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((HeaderName::from_static(name), value.into()));
        self
    }

    fn range(self, value: impl Into<String>) -> Self {
        self.with("range", value)
    }

    fn answer(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    fn whole(self) -> Self {
        self.answer(Answer::Whole)
    }

    fn part(self, part: RangeInclusive<u64>) -> Self {
        self.answer(Answer::Part(part))
    }

    fn parts(self, parts: impl Into<Vec<RangeInclusive<u64>>>) -> Self {
        self.answer(Answer::Parts(parts.into()))
    }

    fn not_modified(self) -> Self {
        self.answer(Answer::NotModified)
    }

    fn failed(self) -> Self {
        self.answer(Answer::PreconditionFailed)
    }

    fn unsatisfiable(self) -> Self {
        self.answer(Answer::Unsatisfiable)
    }
}

/// A GET of the file of 10,000 bytes that the RFC's examples are about.
fn get(name: &'static str, section: &'static str) -> Case {
    Case::new(Method::GET, name, section, File::Whole)
}

/// A GET of another file.
fn get_of(file: File, name: &'static str, section: &'static str) -> Case {
    Case::new(Method::GET, name, section, file)
}

/// A HEAD.
fn head_of(file: File, name: &'static str, section: &'static str) -> Case {
    Case::new(Method::HEAD, name, section, file)
}

fn filled(template: &str, entity: &Entity) -> String {
    const HOUR: u64 = 3_600;
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let at = |seconds: u64| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    // Sun, 06 Nov 1994 08:49:37 GMT
    let now = at(entity.seconds());
    let (day, date, month, year, time) = (&now[..3], &now[5..7], &now[8..11], &now[12..16], &now[17..25]);
    let long_day = DAYS.iter().find(|name| name.starts_with(day)).unwrap_or(&"");
    template
        .replace("{etag}", entity.etag().to_str().unwrap_or_default())
        .replace("{modified}", &now)
        .replace("{rfc850}", &format!("{long_day}, {date}-{month}-{} {time} GMT", &year[2..]))
        .replace("{asctime}", &format!("{day} {month} {:>2} {time} {year}", date.trim_start_matches('0')))
        .replace("{before}", &at(entity.seconds().saturating_sub(HOUR)))
        .replace("{after}", &at(entity.seconds() + HOUR))
}

#[cfg(test)]
mod tests;
