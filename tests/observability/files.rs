//! What the repository has about metrics: dashboards, rules, the table of what is exported.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::openapi;

/// The repository.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files of a directory with an ending, in order.
pub fn list(directory: &str, ending: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(top().join(directory)).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|e| e == ending)).collect();
    files.sort();
    assert!(!files.is_empty(), "{directory} has no files");
    files
}

/// A query and where it stands.
pub struct Query {
    pub place: String,
    pub text: String,
}

/// The dashboards.
pub fn dashboards() -> Vec<Value> {
    let files = list("observability/grafana/dashboards", "json");
    files.iter().map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()).collect()
}

/// Every query of every panel.
pub fn panels() -> Vec<Query> {
    let mut queries = Vec::new();
    for board in dashboards() {
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let place = format!("{} / {}", board["title"], panel["title"]);
                queries.push(Query { place, text: target["expr"].as_str().unwrap().to_owned() });
            }
        }
    }
    queries
}

/// A query as Grafana asks it at first: all processes, and a rate over a few scrapes.
pub fn filled_in(query: &str) -> String {
    let query = query.replace("$__rate_interval", "1m").replace("$instance", ".*");
    assert!(!query.contains('$'), "a variable that nothing is put in for: {query}");
    query
}

/// The rules of a kind, `alert` or `record`, by their names. They are read as they are laid out: a name, and then its
/// expression, on the same line or folded below.
pub fn rules(kind: &str) -> Vec<Query> {
    let begin = format!("- {kind}: ");
    let mut rules: Vec<Query> = Vec::new();
    for file in list("observability/prometheus/rules", "yml") {
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines = text.lines().map(str::trim_start).peekable();
        while let Some(line) = lines.next() {
            if let Some(place) = line.strip_prefix(&begin) {
                rules.push(Query { place: place.to_owned(), text: String::new() });
            } else if line.starts_with("- ") {
                // Of another kind.
                rules.push(Query { place: String::new(), text: String::new() });
            } else if let Some(expr) = line.strip_prefix("expr: ") {
                let mut expr = expr.trim_start_matches('>').to_owned();
                while expr.is_empty() || lines.peek().is_some_and(|next| is_folded(next)) {
                    expr.push_str(lines.next().unwrap());
                    expr.push(' ');
                }
                rules.last_mut().unwrap().text = expr.trim().to_owned();
            }
        }
    }
    rules.retain(|rule| !rule.place.is_empty());
    assert!(rules.iter().all(|rule| !rule.text.is_empty()), "a rule has no expression");
    rules
}

/// Whether a line goes on with the expression above it, rather than being a key, a rule or nothing.
fn is_folded(line: &str) -> bool {
    !line.is_empty()
        && !line.starts_with('#')
        && !line.starts_with("- ")
        && !line.starts_with("for: ")
        && !line.starts_with("labels: ")
        && !line.starts_with("annotations:")
}

/// A metric as the table has it, or a scrape.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Metric {
    pub kind: String,
    pub labels: BTreeSet<String>,
}

/// The table of what is exported, by name.
pub fn table() -> BTreeMap<String, Metric> {
    let text = std::fs::read_to_string(top().join("observability/README.md")).unwrap();
    let (_, table) = text.split_once("## What is exported").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let metrics = rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[2].split_whitespace().map(|label| label.trim_matches('`').to_owned()).collect();
        (cells[0].trim_matches('`').to_owned(), Metric { kind: cells[1].to_owned(), labels })
    });
    metrics.collect()
}

/// The templates of all paths: those that belong to services, those of the API, and those that every process answers.
pub fn routes(table: &[u8]) -> BTreeSet<String> {
    let table: Value = serde_json::from_slice(table).unwrap();
    let services = table.as_array().unwrap().iter().flat_map(|entry| entry["paths"].as_array().unwrap());
    let document: Value = serde_json::from_slice(&std::fs::read(openapi::FILE).unwrap()).unwrap();
    let api = document["paths"].as_object().unwrap().keys().cloned();
    let own = ["unmatched", "/assets/{file}", "/house", "/house/live", "/house/letters", "/docs"];
    services
        .map(|path| path.as_str().unwrap().to_owned())
        .chain(api)
        .chain(own.map(ToOwned::to_owned))
        .collect()
}
