use axum::http::HeaderName;
use kernel::Instant;
use proptest::prelude::*;

use super::*;

fn entity(size: u64) -> Entity {
    Entity::new(size, "\"tag\"", Instant::from_millis(784_111_777_000), "video/mp4").unwrap()
}

fn request(fields: &[(HeaderName, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
}

#[test]
fn parts_are_written_as_the_rfc_shows_them() {
    let headers = request(&[(header::RANGE, "bytes=500-999,7000-7999")]);
    let plan = plan_with(&Method::GET, &headers, &entity(8_000), || "THIS_STRING_SEPARATES".to_owned());
    assert_eq!(plan.headers[header::CONTENT_TYPE], "multipart/byteranges; boundary=THIS_STRING_SEPARATES");
    let Content::Parts(slices) = plan.content else { panic!("{:?}", plan.content) };
    let expected = [
        Slice::Bytes(Bytes::from_static(
            b"--THIS_STRING_SEPARATES\r\nContent-Type: video/mp4\r\nContent-Range: bytes 500-999/8000\r\n\r\n",
        )),
        Slice::Object(500..1_000),
        Slice::Bytes(Bytes::from_static(
            b"\r\n--THIS_STRING_SEPARATES\r\nContent-Type: video/mp4\r\n\
              Content-Range: bytes 7000-7999/8000\r\n\r\n",
        )),
        Slice::Object(7_000..8_000),
        Slice::Bytes(Bytes::from_static(b"\r\n--THIS_STRING_SEPARATES--\r\n")),
    ];
    assert_eq!(slices, expected);
}

#[test]
fn what_separates_parts_is_another_each_time() {
    let headers = request(&[(header::RANGE, "bytes=0-0,-1")]);
    let separates = || plan(&Method::GET, &headers, &entity(8_000)).headers[header::CONTENT_TYPE].clone();
    assert_ne!(separates(), separates());
}

#[test]
fn who_has_shown_the_tag_is_not_told_the_date_again() {
    let says_date = |more: &[(HeaderName, &str)]| {
        let headers = request(&[&[(header::RANGE, "bytes=0-0")], more].concat());
        let plan = plan(&Method::GET, &headers, &entity(8_000));
        assert_eq!(plan.status, StatusCode::PARTIAL_CONTENT);
        plan.headers.contains_key(header::LAST_MODIFIED)
    };
    assert!(!says_date(&[(header::IF_RANGE, "\"tag\"")]));
    assert!(says_date(&[]));
}

#[test]
fn what_has_no_content_says_nothing_of_one() {
    for (name, value) in
        [(header::IF_NONE_MATCH, "*"), (header::IF_MATCH, "\"other\""), (header::RANGE, "bytes=8000-")]
    {
        let plan = plan(&Method::GET, &request(&[(name, value)]), &entity(8_000));
        assert_eq!(plan.content, Content::Empty);
        for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::LAST_MODIFIED] {
            assert!(!plan.headers.contains_key(&name), "{name}");
        }
    }
}

/// A line of a request: something that looks like what belongs there, or anything.
fn line() -> impl Strategy<Value = (HeaderName, Vec<u8>)> {
    let names = prop::sample::select(vec![
        header::RANGE,
        header::RANGE,
        header::RANGE,
        header::IF_RANGE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
    ]);
    let numbers = prop_oneof![
        Just(String::new()),
        "[0-9]{1,3}",
        (0..9_999_u32).prop_map(|n| n.to_string()),
        "[0-9]{18,24}"
    ];
    let specs = prop::collection::vec((numbers.clone(), numbers), 1..9).prop_map(|specs| {
        let specs: Vec<String> = specs.into_iter().map(|(first, last)| format!("{first}-{last}")).collect();
        format!("bytes={}", specs.join(","))
    });
    let dates = (0..2_000_000_000_u64)
        .prop_map(|s| httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(s)));
    let values = prop_oneof![
        6 => specs.prop_map(String::into_bytes),
        2 => "(W/)?\"(tag|[a-z,]{0,4})\"(, ?\\*?(W/)?\"tag\"?)?".prop_map(String::into_bytes),
        2 => dates.prop_map(String::into_bytes),
        1 => "[A-Za-z]{3,9},? [ 0-9]{2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT".prop_map(String::into_bytes),
        1 => "(bytes)?[-=, \t\"W/*0-9a-f]{0,40}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    (names, values)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, max_shrink_iters: 10_000, ..ProptestConfig::default() })]
    #[test]
    fn any_request_gets_what_is_there_and_as_long_as_is_said(
        lines in prop::collection::vec(line(), 0..4),
        size in prop_oneof![0..5_u64, 0..9_999_u64, any::<u64>()],
        is_get in any::<bool>(),
    ) {
        let entity = entity(size);
        let method = if is_get { Method::GET } else { Method::HEAD };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(name, value);
            }
        }
        let plan = plan(&method, &headers, &entity);
        let said = |name| plan.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let length: Option<u64> = said(header::CONTENT_LENGTH).map(|length| length.parse().unwrap());
        match (plan.status.as_u16(), &plan.content) {
            (200, Content::Empty) => {
                prop_assert!(!is_get || size == 0);
                prop_assert_eq!(length, Some(size));
            }
            (200, Content::Object(range)) => {
                prop_assert!(is_get);
                prop_assert_eq!((range.clone(), length), (0..size, Some(size)));
            }
            (206, Content::Object(range)) => {
                prop_assert!(is_get && range.start < range.end && range.end <= size);
                prop_assert_eq!(length, Some(range.end - range.start));
                let says = format!("bytes {}-{}/{size}", range.start, range.end - 1);
                prop_assert_eq!(said(header::CONTENT_RANGE), Some(says));
            }
            (206, Content::Parts(slices)) => {
                let mut sum = 0_u64;
                for slice in slices {
                    sum = sum.saturating_add(match slice {
                        Slice::Bytes(bytes) => bytes.len() as u64,
                        Slice::Object(range) => {
                            prop_assert!(range.start < range.end && range.end <= size);
                            range.end - range.start
                        }
                    });
                }
                prop_assert!(is_get && slices.len() >= 5);
                prop_assert_eq!(length, Some(sum));
                prop_assert_eq!(said(header::CONTENT_RANGE), None);
            }
            (304 | 412 | 416, Content::Empty) => prop_assert_eq!(length, None),
            _ => prop_assert!(false, "{:?}", plan),
        }
    }
}
