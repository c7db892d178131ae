//! No SQL statement that is untried on either engine. While tests run, each process notes what it executes
//! (`crates/db/src/statements.rs`); `tests/run` runs them on both engines and then asks here. The list of what
//! there is comes from the sources, so a new statement cannot be forgotten.

mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use self::reader::{Statement, crate_statements};

const ENGINES: [&str; 2] = ["postgres", "sqlite"];

/// Statements of the seam that only one engine is given, each because of what the other has instead.
const ONE_ENGINE: [(&str, &str); 14] = [
    // Transactions that commit side by side leave gaps for a moment; where there is one writer, there are none.
    ("crates/db/src/feed.rs NEXT_AND_LATE", "postgres"),
    ("crates/db/src/feed.rs OLDEST", "postgres"),
    ("crates/db/src/feed.rs ABOVE", "postgres"),
    // Leases are for several processes; an embedded database has one.
    ("crates/db/src/leases.rs CLAIM", "postgres"),
    ("crates/db/src/leases.rs CLAIM_EMBEDDED", "sqlite"),
    ("crates/db/src/leases.rs RENEW", "postgres"),
    ("crates/db/src/leases.rs MINE", "sqlite"),
    ("crates/db/src/leases.rs ADVANCE", "postgres"),
    ("crates/db/src/leases.rs ADVANCE_EMBEDDED", "sqlite"),
    ("crates/db/src/leases.rs OWNERS", "postgres"),
    ("crates/db/src/leases.rs OWNERS_EMBEDDED", "sqlite"),
    ("crates/db/src/leases.rs FORGET", "postgres"),
    // Schemas are made where there is a server.
    ("crates/db/src/migrate.rs SCHEMA", "postgres"),
    ("crates/db/src/migrate.rs BEGUN", "postgres"),
];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every statement of the services and of the seam.
fn all() -> Vec<Statement> {
    let top = top();
    let services = std::fs::read_dir(top.join("services")).unwrap();
    let mut roots: Vec<String> = services
        .map(|service| format!("services/{}/src/lib.rs", service.unwrap().file_name().to_str().unwrap()))
        .collect();
    roots.push("crates/db/src/lib.rs".into());
    roots.sort();
    roots.iter().flat_map(|root| crate_statements(&top, root)).collect()
}

/// What was executed, by engine: the lines of all files in a directory.
fn executed(directory: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut executed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let engine = name.split('-').next().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        // A process that was killed may have left half a line.
        let lines = text.lines().filter_map(|line| serde_json::from_str::<String>(line).ok());
        executed.entry(engine).or_default().extend(lines);
    }
    executed
}

/// A line for each statement and engine that have not met.
fn untried(
    statements: &[Statement],
    one_engine: &[(&str, &str)],
    executed: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let mut untried = Vec::new();
    for Statement { name, sql } in statements {
        let only = one_engine.iter().find(|(known, _)| known == name).map(|(_, engine)| *engine);
        for engine in ENGINES.into_iter().filter(|engine| only.is_none_or(|only| only == *engine)) {
            if !executed.get(engine).is_some_and(|known| known.contains(sql)) {
                untried.push(format!("{name} was not executed on {engine}"));
            }
        }
    }
    untried
}

#[test]
#[ignore = "it looks at what a whole run on both engines has executed: tests/run runs it at its end"]
fn every_statement_was_executed_on_both_engines() {
    let directory = std::env::var_os("MARQUEE_STATEMENTS").expect("MARQUEE_STATEMENTS, as tests/run sets it");
    let untried = untried(&all(), &ONE_ENGINE, &executed(Path::new(&directory)));
    assert!(untried.is_empty(), "write a test that runs them:\n{}", untried.join("\n"));
}

#[test]
fn the_sources_have_statements_and_the_exceptions_are_some_of_them() {
    let all = all();
    for name in ["services/orders/src/store.rs TAKE", "services/payments/src/gateway/ledger.rs ENTRY"] {
        assert!(all.iter().any(|statement| statement.name == name), "{name} is not found any more");
    }
    for (name, _) in ONE_ENGINE {
        assert!(all.iter().any(|statement| statement.name == name), "{name} is gone: strike it out");
    }
}

/// The negative control: a statement that nobody runs, or only one engine has run, is found.
#[test]
fn a_statement_that_nobody_runs_is_found() {
    let text = r#"
        const RUN: &str = "SELECT 1";
        const HALF: &str = "SELECT 2";
        const NEVER: &str = "SELECT 3";
        const ONE: &str = "SELECT 4";
    "#;
    let (statements, _) = reader::file_statements("store.rs", text);
    let ran = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    let executed = BTreeMap::from([
        ("sqlite".to_owned(), ran(&["SELECT 1", "SELECT 2"])),
        ("postgres".to_owned(), ran(&["SELECT 1", "SELECT 4"])),
    ]);
    assert_eq!(
        untried(&statements, &[("store.rs ONE", "postgres")], &executed),
        [
            "store.rs HALF was not executed on postgres",
            "store.rs NEVER was not executed on postgres",
            "store.rs NEVER was not executed on sqlite",
        ]
    );
    assert_eq!(untried(&statements, &[], &BTreeMap::new()).len(), 8);
}
