use axum::http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn asked(field: &str, size: u64) -> Wanted {
    wanted(&HeaderMap::from_iter([(header::RANGE, HeaderValue::from_str(field).unwrap())]), size)
}

#[test]
fn numerals_of_any_length_are_compared_by_what_they_mean() {
    let long = format!("1{}", "0".repeat(60));
    assert!(is_less(b"9", b"10") && is_less(b"0009", b"10") && is_less(b"", b"1"));
    assert!(!is_less(b"10", b"010") && !is_less(b"0", b"00"));
    assert!(is_less(b"18446744073709551616", long.as_bytes()));
    assert_eq!(number(long.as_bytes()), Some(u64::MAX));
    assert_eq!((number(b""), number(b"1a"), number(b"007")), (None, None, Some(7)));
}

#[test]
fn the_greatest_numbers_do_not_overflow() {
    let most = u64::MAX;
    assert_eq!(asked(&format!("bytes=0-{most}"), most), Wanted::One(0..most));
    assert_eq!(asked(&format!("bytes={}-", most - 1), most), Wanted::One(most - 1..most));
    assert_eq!(asked(&format!("bytes={most}-"), most), Wanted::Unsatisfiable);
    assert_eq!(asked(&format!("bytes=0-0,{}-", most - 1), most), Wanted::Several(vec![0..1, most - 1..most]));
}

#[test]
fn more_than_the_most_are_ignored_even_if_they_are_one() {
    let many = |count| format!("bytes={}", vec!["0-9"; count].join(",,"));
    assert_eq!(asked(&many(MOST), 100), Wanted::One(0..10));
    assert_eq!(asked(&many(MOST + 1), 100), Wanted::Whole);
}

#[test]
fn only_what_is_nearer_than_a_head_is_long_is_joined() {
    assert_eq!(asked("bytes=0-9,89-99", 1_000), Wanted::One(0..100));
    assert_eq!(asked("bytes=0-9,90-99", 1_000), Wanted::Several(vec![0..10, 90..100]));
}

/// A spec as a client writes it, and the places that it means: first and last, or how many of the last.
fn spec() -> impl Strategy<Value = (String, Option<u64>, Option<u64>)> {
    prop_oneof![
        (0..3_000_u64, 0..600_u64).prop_map(|(first, more)| {
            (format!("{first}-{}", first + more), Some(first), Some(first + more))
        }),
        (0..3_000_u64).prop_map(|first| (format!("{first}-"), Some(first), None)),
        (0..3_000_u64).prop_map(|suffix| (format!("-{suffix}"), None, Some(suffix))),
    ]
}

proptest! {
    /// By a second reading, byte for byte: what is asked for is there once, and else only what lies between near parts.
    #[test]
    fn what_is_asked_for_is_sent_once(specs in prop::collection::vec(spec(), 1..6), size in 1..2_000_u64) {
        let field: Vec<&str> = specs.iter().map(|(text, ..)| text.as_str()).collect();
        let is_asked = |at: u64| specs.iter().any(|(_, first, last)| match (first, last) {
            (Some(first), last) => *first <= at && last.is_none_or(|last| at <= last),
            (None, suffix) => at + suffix.unwrap_or(0) >= size,
        });
        let sent = match asked(&format!("bytes={}", field.join(", ")), size) {
            Wanted::Unsatisfiable => vec![],
            Wanted::One(range) => vec![range],
            Wanted::Several(ranges) => {
                prop_assert!(ranges.len() > 1);
                ranges
            }
            Wanted::Whole => return Err(TestCaseError::fail("it is valid")),
        };
        for at in 0..size {
            let times = sent.iter().filter(|range| range.contains(&at)).count();
            if is_asked(at) {
                prop_assert_eq!(times, 1, "{}", at);
            } else if times > 0 {
                prop_assert_eq!(times, 1, "{}", at);
                let near = |at: u64| at < size && is_asked(at);
                let before = (1..NEAR).find(|n| at.checked_sub(*n).is_some_and(near));
                let after = (1..NEAR).find(|n| near(at + n));
                prop_assert!(before.zip(after).is_some_and(|(b, a)| b + a <= NEAR), "{}", at);
            }
        }
        prop_assert!(sent.iter().all(|range| range.start < range.end && range.end <= size));
        for (n, range) in sent.iter().enumerate() {
            for other in &sent[..n] {
                prop_assert!(range.start >= other.end + NEAR || other.start >= range.end + NEAR);
            }
        }
    }
}
