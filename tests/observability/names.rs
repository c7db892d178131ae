//! Which metrics a query asks for.

use std::collections::BTreeSet;

const WORDS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "inf", "nan", "atan2"];
const GROUPS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// The names of metrics in a query: what is neither a function, a word of the language, a label nor in quotes.
pub fn of(query: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let bytes = query.as_bytes();
    let (mut at, mut labels) = (0, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at += 1 + query[at + 1..].find('"').map_or(bytes.len(), |end| end + 1),
            // A range is a duration.
            b'[' => at += query[at..].find(']').map_or(bytes.len(), |end| end + 1),
            b'{' => {
                labels += 1;
                at += 1;
            }
            b'}' => {
                labels = labels.saturating_sub(1);
                at += 1;
            }
            c if c.is_ascii_digit() || c == b'.' => {
                // A number, or a duration behind `offset`.
                let end = query[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '.');
                at += end.unwrap_or(bytes.len() - at);
            }
            c if c.is_ascii_alphabetic() || c == b'_' => {
                let end = query[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
                let word = &query[at..at + end.unwrap_or(bytes.len() - at)];
                at += word.len();
                let rest = query[at..].trim_start();
                // `sum (…)` or `sum by (…) (…)`.
                let calls = rest.starts_with('(') || rest.starts_with("by ") || rest.starts_with("without ");
                if GROUPS.contains(&word) {
                    at += query[at..].find(')').map_or(0, |end| end + 1);
                } else if labels == 0 && !calls && !WORDS.contains(&word) {
                    names.insert(word.to_owned());
                }
            }
            _ => at += 1,
        }
    }
    names
}

#[test]
fn names_are_found_and_nothing_else() {
    for (query, names) in [
        ("up", "up"),
        (r#"sum by (job, le) (rate(a_bucket{x="y{z}",w=~"b"}[5m]))"#, "a_bucket"),
        ("topk(10, sum by (method) (rate(a[1m]))) / (b > 0)", "a b"),
        ("a:b:c > 14.4 * 0.001 and on (job) d unless e offset 5m", "a:b:c d e"),
        (r#"count(ALERTS{x="1"}) or vector(0)"#, "ALERTS"),
        ("time() - predict_linear(x[6h], 24 * 3600) < bool 1e3", "x"),
    ] {
        assert_eq!(of(query).into_iter().collect::<Vec<_>>().join(" "), names, "{query}");
    }
}
