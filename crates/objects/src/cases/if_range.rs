//! `If-Range`: if it holds the range is heeded, if not it must be ignored (section 13.1.5).

use super::{Case, File, get, get_of};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = dated();
    cases.extend(holds());
    cases.extend(does_not());
    cases.extend(among_others());
    cases
}

fn asked(name: &'static str, value: &'static str) -> Case {
    get(name, "13.1.5").range("bytes=0-99").with("if-range", value)
}

/// It holds where a server knows that nothing else went by the URL within that second (section 8.8.2.2), which Marquee
/// does not.
fn dated() -> Vec<Case> {
    [
        asked("If-Range with its date", "{modified}"),
        asked("If-Range with its date, as RFC 850 has it", "{rfc850}"),
        asked("If-Range with its date, as asctime has it", "{asctime}"),
    ]
    .map(|case| case.whole().part(0..=99))
    .into()
}

fn holds() -> Vec<Case> {
    vec![
        asked("If-Range with the tag", "{etag}").part(0..=99),
        get("If-Range with the tag and several ranges", "13.1.5")
            .range("bytes=0-99,-100")
            .with("if-range", "{etag}")
            .parts([0..=99, 9_900..=9_999]),
        get("If-Range with the tag and a range beyond the end", "15.5.17")
            .range("bytes=10000-")
            .with("if-range", "{etag}")
            .unsatisfiable(),
        get_of(File::Huge, "If-Range with the tag, to go on after 4 GiB", "13.1.5")
            .range("bytes=5368709000-")
            .with("if-range", "{etag}")
            .part(5_368_709_000..=5_368_709_119),
    ]
}

fn does_not() -> Vec<Case> {
    vec![
        asked("If-Range with another tag", "\"other\"").whole(),
        asked("If-Range with the tag as a weak one", "W/{etag}").whole(),
        asked("If-Range with another weak tag", "W/\"other\"").whole(),
        asked("If-Range with an earlier date", "{before}").whole(),
        asked("If-Range with a later date", "{after}").whole(),
        asked("If-Range with anything", "*").whole(),
        asked("If-Range with neither a tag nor a date", "other").whole(),
        asked("If-Range with two tags", "\"a\", {etag}").whole(),
        asked("If-Range with two tags, ours the first", "{etag}, \"a\"").whole(),
        asked("If-Range in two lines", "{etag}").with("if-range", "\"a\"").whole(),
        get("If-Range with another tag and several ranges", "13.1.5")
            .range("bytes=0-99,-100")
            .with("if-range", "\"other\"")
            .whole(),
        get("If-Range with another tag and a range beyond the end", "13.1.5")
            .range("bytes=10000-")
            .with("if-range", "\"other\"")
            .whole(),
    ]
}

fn among_others() -> Vec<Case> {
    vec![
        get("If-Range with another tag, without a range", "13.1.5").with("if-range", "\"other\"").whole(),
        get("If-Range with the tag, without a range", "13.1.5").with("if-range", "{etag}").whole(),
        get("If-Range with the tag and what is no range", "14.2")
            .range("bytes=x")
            .with("if-range", "{etag}")
            .whole()
            .unsatisfiable(),
        asked("If-Range holds, and If-None-Match does not", "{etag}")
            .with("if-none-match", "{etag}")
            .not_modified(),
        asked("If-Range holds, and If-Match does not", "{etag}").with("if-match", "\"other\"").failed(),
        asked("If-Range does not hold, and If-Match does", "\"other\"").with("if-match", "{etag}").whole(),
        asked("If-Range with its date, and If-Unmodified-Since earlier", "{modified}")
            .with("if-unmodified-since", "{before}")
            .failed(),
    ]
}
