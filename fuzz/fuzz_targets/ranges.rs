//! What is asked of a video: ranges and preconditions. The first line is its size, each other a field of the request
//! after a letter for its name.

#![no_main]

use std::ops::Range;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use kernel::Instant;
use libfuzzer_sys::fuzz_target;
use objects::{Content, Entity, Plan, Slice, plan};

const TAG: &str = "\"tag\"";
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fuzz_target!(|text: &[u8]| {
    let mut lines = text.split(|b| *b == b'\n');
    let size = lines.next().and_then(|line| std::str::from_utf8(line).ok()?.parse().ok()).unwrap_or(10_000);
    let entity =
        Entity::new(size, TAG, Instant::from_millis(784_111_777_000), "video/mp4").expect("an entity");
    let fields = lines.filter_map(|line| {
        let (letter, value) = line.split_first()?;
        Some((name(*letter)?, HeaderValue::from_bytes(value).ok()?))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value);
    }
    let got = plan(&Method::GET, &headers, &entity);
    holds(&got, size);
    means(&got, &headers);

    let head = plan(&Method::HEAD, &headers, &entity);
    assert_eq!(head.content, Content::Empty);
    match got.status {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            assert_eq!(head.status, StatusCode::OK);
            assert_eq!(head.headers[header::CONTENT_LENGTH], size.to_string());
        }
        other => assert_eq!((head.status, head.headers), (other, got.headers)),
    }
});

fn name(letter: u8) -> Option<HeaderName> {
    match letter {
        b'r' => Some(header::RANGE),
        b'i' => Some(header::IF_RANGE),
        b'm' => Some(header::IF_MATCH),
        b'n' => Some(header::IF_NONE_MATCH),
        b's' => Some(header::IF_MODIFIED_SINCE),
        b'u' => Some(header::IF_UNMODIFIED_SINCE),
        _ => None,
    }
}

/// What is sent is there, once, and as long as is said.
fn holds(plan: &Plan, size: u64) {
    let said = |name| plan.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
    let (text, ranges): (u64, Vec<Range<u64>>) = match &plan.content {
        Content::Empty => (0, vec![]),
        Content::Object(range) => (0, vec![range.clone()]),
        Content::Parts(slices) => {
            let mut ranges = Vec::new();
            let mut text = 0;
            for slice in slices {
                match slice {
                    Slice::Bytes(bytes) => text += bytes.len() as u64,
                    Slice::Object(range) => ranges.push(range.clone()),
                }
            }
            assert!(ranges.len() > 1 && ranges.len() <= 64);
            assert!(said(header::CONTENT_RANGE).is_none());
            (text, ranges)
        }
    };
    for (n, range) in ranges.iter().enumerate() {
        assert!(range.start < range.end && range.end <= size);
        assert!(ranges[..n].iter().all(|other| other.end < range.start || range.end < other.start));
    }
    let sum = ranges.iter().fold(text, |sum, range| sum.saturating_add(range.end - range.start));
    match (plan.status, &ranges[..]) {
        (StatusCode::PARTIAL_CONTENT, [range]) => {
            let range = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            assert_eq!(said(header::CONTENT_RANGE), Some(range));
        }
        (StatusCode::PARTIAL_CONTENT, [_, _, ..]) => {}
        (StatusCode::OK, []) => assert_eq!(size, 0),
        (StatusCode::OK, [range]) => assert_eq!(*range, 0..size),
        (StatusCode::RANGE_NOT_SATISFIABLE, []) => {
            assert_eq!(said(header::CONTENT_RANGE), Some(format!("bytes */{size}")));
        }
        (StatusCode::NOT_MODIFIED | StatusCode::PRECONDITION_FAILED, []) => return,
        _ => panic!("{plan:?}"),
    }
    if plan.status != StatusCode::RANGE_NOT_SATISFIABLE {
        assert_eq!(said(header::CONTENT_LENGTH), Some(sum.to_string()));
    }
}

/// Each code has its reason in the request, by a reading that only looks for what must be there.
fn means(plan: &Plan, headers: &HeaderMap) {
    let has = |name: &HeaderName, text: &str| {
        let contains =
            |value: &HeaderValue| value.as_bytes().windows(text.len()).any(|w| w == text.as_bytes());
        headers.get_all(name).iter().any(contains)
    };
    let there = |name: HeaderName| headers.contains_key(name);
    let may_be = |name: HeaderName| {
        has(&name, TAG) || headers.get(&name).is_some_and(|v| v.as_bytes().trim_ascii() == b"*")
    };
    match plan.status {
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            assert!(has(&header::RANGE, "-"));
            assert_eq!(headers.get_all(header::RANGE).iter().count(), 1);
            assert!(!there(header::IF_RANGE) || has(&header::IF_RANGE, TAG));
            assert!(!has(&header::IF_RANGE, "W/"));
        }
        StatusCode::NOT_MODIFIED if there(header::IF_NONE_MATCH) => assert!(may_be(header::IF_NONE_MATCH)),
        StatusCode::NOT_MODIFIED => assert!(there(header::IF_MODIFIED_SINCE)),
        StatusCode::PRECONDITION_FAILED => {
            assert!(there(header::IF_MATCH) || there(header::IF_UNMODIFIED_SINCE));
            assert!(there(header::IF_MATCH) || !has(&header::IF_UNMODIFIED_SINCE, DATE));
        }
        _ => {}
    }
    if plan.status != StatusCode::PRECONDITION_FAILED && there(header::IF_MATCH) {
        assert!(may_be(header::IF_MATCH));
    }
}
