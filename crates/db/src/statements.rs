//! Which statements were executed: for the test that none of any `store.rs` is untried on either engine.
//! Where `MARQUEE_STATEMENTS` names a directory, each process writes there, per engine, every statement
//! that it executes, once, as lines of JSON strings.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

struct Written {
    directory: PathBuf,
    known: HashSet<(&'static str, &'static str)>,
}

/// Notes a statement when it is first prepared.
pub(crate) fn executed(engine: &'static str, sql: &'static str) {
    static WRITTEN: OnceLock<Option<Mutex<Written>>> = OnceLock::new();
    let open = || {
        let directory = PathBuf::from(std::env::var_os("MARQUEE_STATEMENTS")?);
        Some(Mutex::new(Written { directory, known: HashSet::new() }))
    };
    let Some(written) = WRITTEN.get_or_init(open) else { return };
    let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
    if !written.known.insert((engine, sql)) {
        return;
    }
    let line = serde_json::Value::from(sql).to_string();
    let path = written.directory.join(format!("{engine}-{}.jsonl", std::process::id()));
    let file = OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = file.and_then(|mut file: File| writeln!(file, "{line}")) {
        tracing::warn!(%error, "an executed statement could not be noted");
    }
}
