//! `If-Match`, `If-Unmodified-Since`, `If-None-Match`, `If-Modified-Since`, and their order.

use super::{Case, File, get, head_of};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = if_match();
    cases.extend(if_unmodified_since());
    cases.extend(if_none_match());
    cases.extend(if_modified_since());
    cases.extend(order());
    cases
}

fn if_match() -> Vec<Case> {
    let get = |name, value: &'static str| get(name, "13.1.1").with("if-match", value);
    vec![
        get("If-Match with the tag", "{etag}").whole(),
        get("If-Match with another tag", "\"other\"").failed(),
        get("If-Match with the tag as a weak one", "W/{etag}").failed(),
        get("If-Match with anything", "*").whole(),
        get("If-Match with the tag among others", "\"a\", {etag}, W/\"b\"").whole(),
        get("If-Match with other tags", "\"a\",\"b\" , \"c\"").failed(),
        get("If-Match with a comma within a tag", "\"a,b\",{etag}").whole(),
        get("If-Match with empty elements", ", ,{etag},").whole(),
        get("If-Match in two lines", "\"a\"").with("if-match", "{etag}").whole(),
        get("If-Match without quotation marks", "other").failed(),
        // Not valid, so it is neither; but a server that finds the tag in it does no harm.
        get("If-Match with anything and another tag", "*, \"a\"").failed().whole(),
        get("If-Match with the tag and a range", "{etag}").range("bytes=0-99").part(0..=99),
        get("If-Match with another tag and a range", "\"other\"").range("bytes=0-99").failed(),
        get("If-Match with the tag and a range beyond the end", "{etag}")
            .range("bytes=10000-")
            .unsatisfiable(),
        head_of(File::Whole, "a HEAD, If-Match with another tag", "13.1.1")
            .with("if-match", "\"other\"")
            .failed(),
    ]
}

fn if_unmodified_since() -> Vec<Case> {
    let get = |name, value: &'static str| get(name, "13.1.4").with("if-unmodified-since", value);
    vec![
        get("If-Unmodified-Since its date", "{modified}").whole(),
        get("If-Unmodified-Since later", "{after}").whole(),
        get("If-Unmodified-Since earlier", "{before}").failed(),
        get("If-Unmodified-Since long ago, as RFC 850 has it", "Sunday, 06-Nov-94 08:49:37 GMT").failed(),
        get("If-Unmodified-Since long ago, as asctime has it", "Sun Nov  6 08:49:37 1994").failed(),
        get("If-Unmodified-Since its date, as RFC 850 has it", "{rfc850}").whole(),
        get("If-Unmodified-Since no date", "yesterday").whole(),
        get("If-Unmodified-Since two dates", "{before}").with("if-unmodified-since", "{before}").whole(),
        get("If-Unmodified-Since its date and a range", "{modified}").range("bytes=-100").part(9_900..=9_999),
        get("If-Unmodified-Since earlier and a range", "{before}").range("bytes=-100").failed(),
        head_of(File::Whole, "a HEAD, If-Unmodified-Since earlier", "13.1.4")
            .with("if-unmodified-since", "{before}")
            .failed(),
    ]
}

fn if_none_match() -> Vec<Case> {
    let get = |name, value: &'static str| get(name, "13.1.2").with("if-none-match", value);
    vec![
        get("If-None-Match with the tag", "{etag}").not_modified(),
        get("If-None-Match with the tag as a weak one", "W/{etag}").not_modified(),
        get("If-None-Match with another tag", "\"other\"").whole(),
        get("If-None-Match with anything", "*").not_modified(),
        get("If-None-Match with the tag among others", "\"a\",W/\"b\", {etag}").not_modified(),
        get("If-None-Match with other tags", "\"a\", \"b\"").whole(),
        get("If-None-Match in two lines", "\"a\"").with("if-none-match", "W/{etag}").not_modified(),
        get("If-None-Match without quotation marks", "other").whole(),
        // Not valid, so it is true; but a server may read of it what it can (section 2.4).
        get("If-None-Match without a comma between tags", "{etag} \"a\"").whole().not_modified(),
        get("If-None-Match with an end of a tag", "\"other").whole(),
        get("If-None-Match with the tag and a range", "{etag}").range("bytes=0-99").not_modified(),
        get("If-None-Match with the tag and a range beyond the end", "{etag}")
            .range("bytes=10000-")
            .not_modified(),
        get("If-None-Match with another tag and a range", "\"other\"").range("bytes=0-99").part(0..=99),
        head_of(File::Whole, "a HEAD, If-None-Match with the tag", "13.1.2")
            .with("if-none-match", "{etag}")
            .not_modified(),
    ]
}

fn if_modified_since() -> Vec<Case> {
    let get = |name, value: &'static str| get(name, "13.1.3").with("if-modified-since", value);
    vec![
        get("If-Modified-Since its date", "{modified}").not_modified(),
        // A server may heed its own date alone.
        get("If-Modified-Since later", "{after}").not_modified().whole(),
        get("If-Modified-Since earlier", "{before}").whole(),
        get("If-Modified-Since its date, as RFC 850 has it", "{rfc850}").not_modified(),
        get("If-Modified-Since its date, as asctime has it", "{asctime}").not_modified(),
        get("If-Modified-Since no date", "{modified} or so").whole(),
        get("If-Modified-Since a day that there is not", "Mon, 31 Feb 2094 08:49:37 GMT").whole(),
        get("If-Modified-Since two dates", "{modified}").with("if-modified-since", "{modified}").whole(),
        get("If-Modified-Since its date and a range", "{modified}").range("bytes=0-99").not_modified(),
        get("If-Modified-Since earlier and a range", "{before}").range("bytes=0-99").part(0..=99),
        head_of(File::Whole, "a HEAD, If-Modified-Since its date", "13.1.3")
            .with("if-modified-since", "{modified}")
            .not_modified(),
    ]
}

fn order() -> Vec<Case> {
    let get = |name| get(name, "13.2.2");
    vec![
        get("If-Match holds, and If-Unmodified-Since is ignored")
            .with("if-match", "{etag}")
            .with("if-unmodified-since", "{before}")
            .whole(),
        get("If-Match fails, and If-Unmodified-Since is ignored")
            .with("if-match", "\"other\"")
            .with("if-unmodified-since", "{after}")
            .failed(),
        get("If-None-Match holds, and If-Modified-Since is ignored")
            .with("if-none-match", "\"other\"")
            .with("if-modified-since", "{modified}")
            .whole(),
        get("If-None-Match fails, and If-Modified-Since is ignored")
            .with("if-none-match", "{etag}")
            .with("if-modified-since", "{before}")
            .not_modified(),
        get("If-Match fails before If-None-Match does")
            .with("if-match", "\"other\"")
            .with("if-none-match", "{etag}")
            .failed(),
        get("If-Match holds, and If-None-Match does not")
            .with("if-match", "{etag}")
            .with("if-none-match", "{etag}")
            .not_modified(),
        get("If-Unmodified-Since fails before If-Modified-Since does")
            .with("if-unmodified-since", "{before}")
            .with("if-modified-since", "{modified}")
            .failed(),
        get("If-Unmodified-Since holds, and If-None-Match does not")
            .with("if-unmodified-since", "{modified}")
            .with("if-none-match", "{etag}")
            .not_modified(),
        get("all that there is holds, and a range")
            .with("if-match", "{etag}")
            .with("if-unmodified-since", "{modified}")
            .with("if-none-match", "\"other\"")
            .with("if-modified-since", "{before}")
            .with("if-range", "{etag}")
            .range("bytes=0-99")
            .part(0..=99),
    ]
}
