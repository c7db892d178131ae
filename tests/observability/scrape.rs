//! Reading `/metrics`, and what may not be in it.

use std::collections::{BTreeMap, BTreeSet};

use super::files::Metric;

/// The labels of a series.
type Labels = Vec<(String, String)>;

/// Everything that is exported by any of some processes, by name; the parts of a histogram are one metric.
pub fn exported(scrapes: &[String]) -> BTreeMap<String, Metric> {
    let mut all: BTreeMap<String, Metric> = BTreeMap::new();
    for scrape in scrapes {
        let described: BTreeSet<&str> = scrape
            .lines()
            .filter_map(|line| line.strip_prefix("# HELP "))
            .filter_map(|rest| rest.split_once(' '))
            .map(|(name, _)| name)
            .collect();
        for line in scrape.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let (name, kind) = line.split_once(' ').unwrap();
            assert!(described.contains(name), "{name} is not described");
            all.entry(name.to_owned()).or_default().kind = kind.to_owned();
        }
        for (name, labels) in series(scrape) {
            let whole = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
            let is_histogram = |name: &&str| all.get(*name).is_some_and(|metric| metric.kind == "histogram");
            let name = whole.filter(is_histogram).unwrap_or(&name).to_owned();
            let names = labels.into_iter().map(|(label, _)| label).filter(|label| label != "le");
            all.entry(name).or_default().labels.extend(names);
        }
    }
    all
}

/// The series of a scrape.
fn series(scrape: &str) -> Vec<(String, Labels)> {
    let lines = scrape.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, _value) = line.rsplit_once(' ').unwrap();
            let Some((name, labels)) = series.split_once('{') else { return (series.to_owned(), Vec::new()) };
            let labels = labels.strip_suffix("\"}").unwrap().split("\",").map(|label| {
                let (name, value) = label.split_once("=\"").unwrap();
                (name.to_owned(), value.to_owned())
            });
            (name.to_owned(), labels.collect())
        })
        .collect()
}

/// A line for each metric that is in one and not in the other, or is another there.
pub fn differences(exported: &BTreeMap<String, Metric>, table: &BTreeMap<String, Metric>) -> Vec<String> {
    let names: BTreeSet<&String> = exported.keys().chain(table.keys()).collect();
    let difference = |name: &String| match (exported.get(name), table.get(name)) {
        (Some(one), Some(other)) if one == other => None,
        (Some(one), Some(other)) => Some(format!("{name} is {one:?}, and in the table {other:?}")),
        (Some(one), None) => Some(format!("{name} is exported and not in the table: {one:?}")),
        (None, _) => Some(format!("{name} is in the table and nobody exports it")),
    };
    names.into_iter().filter_map(difference).collect()
}

/// A line for each value of a label that is not one of few: a path, an id, a number beyond those of HTTP.
pub fn strangers(scrape: &str, routes: &BTreeSet<String>) -> Vec<String> {
    let mut strangers = Vec::new();
    for (name, labels) in series(scrape) {
        for (label, value) in labels {
            let known = match label.as_str() {
                "route" => routes.contains(&value),
                "method" => matches!(
                    value.as_str(),
                    "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "OTHER"
                ),
                "status" if value.len() == 3 => value.bytes().all(|byte| byte.is_ascii_digit()),
                "le" | "version" => value.len() < 12,
                _ => {
                    value.bytes().all(|b| b.is_ascii_lowercase() || b == b':' || b == b'_' || label == "arch")
                }
            };
            if !known {
                strangers.push(format!("{name}: {label} is {value}"));
            }
        }
    }
    strangers
}

#[test]
fn what_should_not_be_exported_is_found() {
    let scrape = "# HELP a_total A.\n# TYPE a_total counter\na_total{route=\"/api/orders/0198\",db=\"orders\"} 1\n\
                  # HELP b_seconds B.\n# TYPE b_seconds histogram\nb_seconds_bucket{le=\"0.5\"} 1\nb_seconds_sum 2\n";
    let exported = exported(&[scrape.to_owned()]);
    assert_eq!(exported.keys().collect::<Vec<_>>(), ["a_total", "b_seconds"]);
    let routes = BTreeSet::from(["/api/orders/{id}".to_owned()]);
    assert_eq!(strangers(scrape, &routes), ["a_total: route is /api/orders/0198"]);
    let mut table = exported.clone();
    table.remove("b_seconds");
    table.insert("c".into(), Metric::default());
    table.get_mut("a_total").unwrap().labels.remove("db");
    assert_eq!(differences(&exported, &table).len(), 3);
}
