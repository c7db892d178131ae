use std::collections::HashSet;

use axum::http::{HeaderMap, StatusCode, header};
use kernel::Instant;

use super::*;
use crate::{Content, Plan, Slice, plan};

/// What is said of a file here.
fn entity(file: File) -> Entity {
    // A day of one digit, which asctime writes in another way.
    let modified = Instant::parse("2026-11-06T08:49:37.250Z").unwrap();
    Entity::new(file.size(), "\"5f3a,9c\"", modified, "video/mp4").unwrap()
}

/// What comes over the wire of a plan.
fn sent(plan: Plan, file: File) -> Reply {
    let object = |range: std::ops::Range<u64>| {
        assert!(range.end - range.start <= 1 << 20, "nobody asked for {range:?}");
        file.bytes(range)
    };
    let body = match plan.content {
        Content::Empty => Vec::new(),
        Content::Object(range) => object(range),
        Content::Parts(slices) => slices
            .into_iter()
            .flat_map(|slice| match slice {
                Slice::Bytes(bytes) => bytes.to_vec(),
                Slice::Object(range) => object(range),
            })
            .collect(),
    };
    Reply { status: plan.status, headers: plan.headers, body }
}

#[test]
fn each_is_answered_as_the_rfc_says() {
    let wrong: Vec<String> = cases()
        .iter()
        .filter_map(|case| {
            let entity = entity(case.file);
            let reply = sent(plan(&case.method, &case.headers(&entity), &entity), case.file);
            let checked = case.expects(&entity, &reply).and_then(|()| case.allows(&entity, &reply));
            checked.err().map(|why| format!("{} ({}): {why}", case.name, case.section))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_are_enough_and_each_is_another() {
    let cases = cases();
    assert!(cases.len() >= 75, "{}", cases.len());
    let names: HashSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    let asked: HashSet<_> = cases
        .iter()
        .map(|case| format!("{} {} {:?}", case.method, case.file.name(), case.headers(&entity(case.file))))
        .collect();
    assert_eq!(asked.len(), cases.len());
    for case in &cases {
        assert!(!case.answers.is_empty(), "{}", case.name);
        // Every line is there, and none has been left as a template.
        let headers = case.headers(&entity(case.file));
        assert_eq!(headers.len(), case.headers.len(), "{}", case.name);
        assert!(headers.values().all(|value| !value.to_str().unwrap().contains(['{', '}'])), "{}", case.name);
    }
}

#[test]
fn nobody_is_asked_for_all_of_a_huge_file() {
    for case in cases().iter().filter(|case| case.file == File::Huge && case.method == Method::GET) {
        assert!(!case.answers.contains(&Answer::Whole) && !case.may_ignore_range(), "{}", case.name);
    }
}

#[test]
fn an_answer_that_is_wrong_in_anything_is_found() {
    let case = |name: &str| cases().into_iter().find(|case| case.name == name).unwrap();
    let check = |case: &Case, spoil: &dyn Fn(&mut Reply)| {
        let entity = entity(case.file);
        let mut reply = sent(plan(&case.method, &case.headers(&entity), &entity), case.file);
        spoil(&mut reply);
        case.allows(&entity, &reply)
    };
    type Spoil = Box<dyn Fn(&mut Reply)>;
    let other = |name: HeaderName, value: &'static str| -> Spoil {
        Box::new(move |reply| drop(reply.headers.insert(name.clone(), HeaderValue::from_static(value))))
    };
    let without = |name: HeaderName| -> Spoil { Box::new(move |reply| drop(reply.headers.remove(&name))) };
    let about_part: Vec<(&str, Spoil)> = vec![
        ("status", Box::new(|reply| reply.status = StatusCode::OK)),
        ("a byte", Box::new(|reply| reply.body[7] ^= 1)),
        ("length", Box::new(|reply| reply.body.truncate(499))),
        ("range", other(header::CONTENT_RANGE, "bytes 500-999/*")),
        ("no range", without(header::CONTENT_RANGE)),
        ("said length", other(header::CONTENT_LENGTH, "499")),
        ("no length", without(header::CONTENT_LENGTH)),
        ("tag", other(header::ETAG, "\"other\"")),
        ("weak tag", other(header::ETAG, "W/\"5f3a,9c\"")),
        ("no date", without(header::LAST_MODIFIED)),
        ("no type", without(header::CONTENT_TYPE)),
        ("gzip", other(header::CONTENT_ENCODING, "gzip")),
    ];
    let part = case("the second 500 bytes");
    assert_eq!(check(&part, &|_| {}), Ok(()));
    for (what, spoil) in about_part {
        assert!(check(&part, &*spoil).is_err(), "{what}");
    }
    let turn = |from: &'static [u8], to: &'static [u8]| -> Spoil {
        Box::new(move |reply| {
            let at = reply.body.windows(from.len()).position(|w| w == from).unwrap();
            reply.body.splice(at..at + from.len(), to.iter().copied());
            reply.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
        })
    };
    let about_parts: Vec<(&str, Spoil)> = vec![
        ("range", turn(b"bytes 0-0/", b"bytes 1-1/")),
        ("type", turn(b"video/mp4", b"video/mpeg")),
        ("no line break", turn(b"\r\nContent-Range", b"Content-Range")),
        ("not closed", turn(b"--\r\n", b"\r\n")),
        ("a range above", other(header::CONTENT_RANGE, "bytes 0-0/10000")),
        ("boundary", other(header::CONTENT_TYPE, "multipart/byteranges; boundary=other")),
    ];
    let parts = case("the first and the last byte");
    assert_eq!(check(&parts, &|_| {}), Ok(()));
    for (what, spoil) in about_parts {
        assert!(check(&parts, &*spoil).is_err(), "{what}");
    }
    let nothing = case("from the end on");
    assert!(check(&nothing, &*without(header::CONTENT_RANGE)).is_err());
    let same = case("If-None-Match with the tag");
    assert!(check(&same, &*without(header::ETAG)).is_err());
    assert!(check(&same, &|reply| reply.body.push(0)).is_err());
}

#[test]
fn what_is_told_of_a_file_is_read_as_it_was_meant() {
    for file in File::ALL {
        let entity = entity(file);
        let head = plan(&Method::HEAD, &HeaderMap::new(), &entity);
        assert_eq!(told(&head.headers), Ok(entity));
    }
    let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static("5"))]);
    assert!(told(&headers).is_err());
}

#[test]
fn a_file_that_is_written_has_the_bytes_that_are_told() {
    let directory = tempfile::tempdir().unwrap();
    for file in [File::Whole, File::Empty, File::One] {
        let path = directory.path().join(file.name());
        file.write(&path).unwrap();
        assert!(std::fs::read(path).unwrap() == file.bytes(0..file.size()), "{}", file.name());
    }
}

#[test]
fn a_file_is_the_same_however_it_is_read() {
    let all = File::Whole.bytes(0..10_000);
    assert_eq!(&all[4..8], b"ftyp");
    assert_eq!(File::Whole.bytes(4_000..5_000), all[4_000..5_000]);
    let edge = 1 << 32;
    assert_eq!(File::Huge.bytes(edge - 2..edge + 2).len(), 4);
    assert_eq!(File::Huge.bytes(1 << 20..(1 << 20) + 9), [0; 9]);
    // No mark is where the wrong 32 bits would lead to.
    assert_ne!(File::Huge.bytes(edge..edge + 16), File::Huge.bytes(0..16));
    assert_ne!(File::Huge.bytes(edge..edge + 16), File::Huge.bytes(edge / 2..edge / 2 + 16));
}
