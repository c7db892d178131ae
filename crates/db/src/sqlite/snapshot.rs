//! Copies of several databases as they stood at one moment, taken while they are written.

use std::path::PathBuf;
use std::time::Duration;

use kernel::{Error, Result};
use rusqlite::backup::Backup;

use super::Sqlite;
use super::connection::{Connection, named};
use crate::{Db, Engine};

/// Copies each database to its file, all as of one moment: no write falls between two of them. Writers
/// wait, in line, for the milliseconds that it takes to fix the moment, not for the copying. An
/// installation without a server is its own writer, so this holds for it too.
///
/// # Errors
/// `Invalid` for a database on a server; else as the engine says.
pub async fn snapshot(copies: &[(Db, PathBuf)]) -> Result<()> {
    let mut writers = Vec::new();
    for (db, _) in copies {
        let sqlite = embedded(db)?;
        let mut writer = sqlite.writer().await;
        // What has run in the open group is part of the moment.
        writer.settle();
        writers.push(writer);
    }
    let mut sources = Vec::new();
    for (db, to) in copies {
        let sqlite = embedded(db)?;
        let source = Connection::open(sqlite.path(), false)?.raw;
        // The first read fixes what this connection sees from now on.
        source.execute_batch("BEGIN; SELECT COUNT(*) FROM sqlite_schema").map_err(named)?;
        sources.push((source, to.clone()));
    }
    drop(writers);
    tokio::task::spawn_blocking(move || sources.into_iter().try_for_each(|(source, to)| copy(&source, &to)))
        .await
        .map_err(|e| Error::internal("a copy stopped").because(e))?
}

fn embedded(db: &Db) -> Result<&Sqlite> {
    match &db.engine {
        Engine::Sqlite(sqlite) => Ok(sqlite),
        Engine::Postgres(_) => {
            Err(Error::invalid("a database on a server is copied by the server's own means, e.g. pg_dump"))
        }
    }
}

fn copy(source: &rusqlite::Connection, to: &std::path::Path) -> Result<()> {
    let mut copy = rusqlite::Connection::open(to).map_err(named)?;
    Backup::new(source, &mut copy)
        .and_then(|backup| backup.run_to_completion(1024, Duration::ZERO, None))
        .map_err(named)?;
    copy.close().map_err(|(_, e)| named(e))
}
