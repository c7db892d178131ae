//! One range.

use super::{Case, File, get, get_of};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = within();
    cases.extend(beyond());
    cases.extend(small());
    cases.extend(huge());
    cases
}

fn within() -> Vec<Case> {
    vec![
        get("the first byte", "14.1.2").range("bytes=0-0").part(0..=0),
        get("the first 500 bytes", "14.1.2").range("bytes=0-499").part(0..=499),
        get("the second 500 bytes", "14.1.2").range("bytes=500-999").part(500..=999),
        get("the last 500 bytes", "14.1.2").range("bytes=-500").part(9_500..=9_999),
        get("from a byte to the end", "14.1.2").range("bytes=9500-").part(9_500..=9_999),
        get("the last byte by its place", "14.1.2").range("bytes=9999-9999").part(9_999..=9_999),
        get("the last byte from its place on", "14.1.2").range("bytes=9999-").part(9_999..=9_999),
        get("the last byte as a suffix", "14.1.2").range("bytes=-1").part(9_999..=9_999),
        get("all bytes from the first on", "14.1.2").range("bytes=0-").part(0..=9_999),
        get("all bytes by their places", "14.1.2").range("bytes=0-9999").part(0..=9_999),
        get("all but the first as a suffix", "14.1.2").range("bytes=-9999").part(1..=9_999),
        get("a suffix as long as the file", "14.1.2").range("bytes=-10000").part(0..=9_999),
        get("leading zeros", "14.1.1").range("bytes=000-0000000000000000000000009").part(0..=9),
        get("a range that would take gzip", "14.1.2")
            .range("bytes=0-499")
            .with("accept-encoding", "gzip, br")
            .part(0..=499),
    ]
}

fn beyond() -> Vec<Case> {
    vec![
        get("one byte more than there is", "14.1.2").range("bytes=0-10000").part(0..=9_999),
        get("from the last byte to far beyond", "14.1.2").range("bytes=9999-20000").part(9_999..=9_999),
        get("an end of 2^64 - 1", "14.1.2").range("bytes=0-18446744073709551615").part(0..=9_999),
        get("an end of 2^64", "14.1.2").range("bytes=1-18446744073709551616").part(1..=9_999),
        get("an end of 40 digits", "14.1.2")
            .range("bytes=5-9999999999999999999999999999999999999999")
            .part(5..=9_999),
        get("a suffix longer by one", "14.1.2").range("bytes=-10001").part(0..=9_999),
        get("a suffix of 40 digits", "14.1.2")
            .range("bytes=-9999999999999999999999999999999999999999")
            .part(0..=9_999),
        get("from the end on", "15.5.17").range("bytes=10000-").unsatisfiable(),
        get("one byte at the end", "15.5.17").range("bytes=10000-10000").unsatisfiable(),
        get("far beyond the end", "15.5.17").range("bytes=20000-30000").unsatisfiable(),
        get("a start of 2^63 - 1", "14.1.2").range("bytes=9223372036854775807-").unsatisfiable(),
        get("a start of 2^64", "14.1.2").range("bytes=18446744073709551616-").unsatisfiable(),
        get("40 digits to 40 digits", "14.1.2")
            .range("bytes=9999999999999999999999999999999999999998-9999999999999999999999999999999999999999")
            .unsatisfiable(),
        get("a suffix of no bytes", "14.1.2").range("bytes=-0").unsatisfiable(),
        get("a suffix of no bytes in three digits", "14.1.2").range("bytes=-000").unsatisfiable(),
    ]
}

fn small() -> Vec<Case> {
    let empty = |name, section| get_of(File::Empty, name, section);
    let one = |name| get_of(File::One, name, "14.1.2");
    vec![
        one("the byte of one byte").range("bytes=0-0").part(0..=0),
        one("the last of one byte").range("bytes=-1").part(0..=0),
        one("more than one byte").range("bytes=0-5").part(0..=0),
        one("what follows one byte").range("bytes=1-").unsatisfiable(),
        empty("the first byte of none", "14.1.2").range("bytes=0-0").unsatisfiable(),
        empty("all of no bytes", "14.1.2").range("bytes=0-").unsatisfiable(),
        // That is satisfiable, but no Content-Range can say so.
        empty("the last of no bytes", "14.2").range("bytes=-1").whole(),
        empty("no bytes of none", "14.1.2").range("bytes=-0").unsatisfiable(),
        empty("several of no bytes", "14.2").range("bytes=0-0,-5").whole(),
    ]
}

fn huge() -> Vec<Case> {
    const GIB: u64 = 1 << 30;
    let huge = |name| get_of(File::Huge, name, "14.1.2");
    vec![
        huge("the first bytes of 5 GiB").range("bytes=0-99").part(0..=99),
        huge("across 2 GiB").range("bytes=2147483640-2147483655").part(2 * GIB - 8..=2 * GIB + 7),
        huge("across 4 GiB").range("bytes=4294967288-4294967303").part(4 * GIB - 8..=4 * GIB + 7),
        huge("one byte at 4 GiB").range("bytes=4294967296-4294967296").part(4 * GIB..=4 * GIB),
        huge("100 KiB after 4 GiB")
            .range("bytes=4294967297-4295069696")
            .part(4 * GIB + 1..=4 * GIB + 102_400),
        huge("the last 64 bytes of 5 GiB").range("bytes=-64").part(5 * GIB - 64..=5 * GIB - 1),
        huge("from near the end of 5 GiB on").range("bytes=5368709020-").part(5 * GIB - 100..=5 * GIB - 1),
        huge("to beyond the end of 5 GiB")
            .range("bytes=5368709110-9999999999")
            .part(5 * GIB - 10..=5 * GIB - 1),
        huge("beyond the end of 5 GiB").range("bytes=5368709120-").unsatisfiable(),
        huge("parts of 5 GiB").range("bytes=0-9,4294967296-4294967305,-10").parts([
            0..=9,
            4 * GIB..=4 * GIB + 9,
            5 * GIB - 10..=5 * GIB - 1,
        ]),
    ]
}
