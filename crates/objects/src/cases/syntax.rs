//! How a range is written, and what is not one. What is not valid may be ignored or rejected (section 14.2); Marquee
//! ignores it.

use super::{Case, get};

/// What is not a ranges-specifier of bytes.
const INVALID: [(&str, &str); 15] = [
    ("no range", "bytes="),
    ("only a comma", "bytes=,"),
    ("only a dash", "bytes=-"),
    ("only a number", "bytes=5"),
    ("an end before the start", "bytes=5-2"),
    ("an end before the start in 20 digits", "bytes=99999999999999999999-99999999999999999998"),
    ("an end before the start beyond the end", "bytes=20001-20000"),
    ("a range, and one beyond the end that is not valid", "bytes=0-0,20000-x"),
    ("words", "bytes=a-b"),
    ("a sign", "bytes=+0-5"),
    ("hexadecimals", "bytes=0x0-0x5"),
    ("a fraction", "bytes=0-5.5"),
    ("two dashes", "bytes=0-5-9"),
    ("a negative suffix", "bytes=--5"),
    ("a semicolon", "bytes=0-5;9-9"),
];

pub(super) fn cases() -> Vec<Case> {
    let invalid = INVALID.map(|(name, range)| get(name, "14.1.1").range(range).whole().unsatisfiable());
    let mut cases = Vec::from(invalid);
    cases.extend([
        // What can be read of it may be answered (section 2.4).
        get("a range, and one that is not valid", "14.1.1")
            .range("bytes=0-0,5-2")
            .whole()
            .unsatisfiable()
            .part(0..=0),
        get("a range, and a word", "14.1.1").range("bytes=0-0,abc").whole().unsatisfiable().part(0..=0),
        get("spaces within a range", "14.1.1").range("bytes=0 - 5").whole().unsatisfiable().part(0..=5),
        get("no equals sign", "14.1.1").range("bytes").whole().unsatisfiable(),
        get("a space in place of the equals sign", "14.1.1").range("bytes 0-5").whole().unsatisfiable(),
        get("a space before the equals sign", "14.1.1").range("bytes =0-5").whole().unsatisfiable(),
        get("no unit", "14.1.1").range("0-5").whole().unsatisfiable(),
        get("another unit", "14.2").range("seconds=0-5").whole(),
        get("a unit that only begins like ours", "14.2").range("bytesx=0-5").whole(),
        get("a unit that only ends like ours", "14.2").range("kbytes=0-5").whole(),
        get("the unit in capitals", "14.1").range("BYTES=0-5").part(0..=5),
        get("the unit in mixed letters", "14.1").range("bYteS=-5").part(9_995..=9_999),
        get("white space beside commas", "5.6.1").range("bytes=0-0 ,\t5000-5000\t, -1").parts([
            0..=0,
            5_000..=5_000,
            9_999..=9_999,
        ]),
        get("empty elements", "5.6.1.2").range("bytes=,0-0,, ,").part(0..=0).parts([0..=0]),
        // The field is not a list: which of two lines counts is nowhere said.
        get("two lines", "5.3")
            .range("bytes=0-0")
            .range("bytes=9999-9999")
            .whole()
            .part(0..=0)
            .part(9_999..=9_999)
            .unsatisfiable(),
        get("two lines that would be one list", "5.3")
            .range("bytes=0-0")
            .range("9999-9999")
            .whole()
            .part(0..=0)
            .parts([0..=0, 9_999..=9_999]),
    ]);
    cases
}
