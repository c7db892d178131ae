//! Copies of several databases as they stood at one moment, taken beside whoever writes them.

use std::path::PathBuf;
use std::time::Duration;

use kernel::Result;
use rusqlite::backup::Backup;

use super::connection::{Connection, named};

/// Copies `from` to `to`, pairwise, all as of one moment: no write falls between two of them. Writers
/// wait for the milliseconds that it takes to fix the moment, not for the copying.
///
/// # Errors
/// As the engine says.
pub fn snapshot(from: &[PathBuf], to: &[PathBuf]) -> Result<()> {
    let open = |path: &PathBuf| Connection::open(path, true).map(|c| c.raw);
    let holds = from.iter().map(open).collect::<Result<Vec<_>>>()?;
    let sources = from.iter().map(open).collect::<Result<Vec<_>>>()?;
    for hold in &holds {
        hold.execute_batch("BEGIN IMMEDIATE").map_err(named)?;
    }
    for source in &sources {
        // The first read fixes what this connection sees from now on.
        source.execute_batch("BEGIN; SELECT COUNT(*) FROM sqlite_schema").map_err(named)?;
    }
    for hold in &holds {
        hold.execute_batch("ROLLBACK").map_err(named)?;
    }
    for (source, to) in sources.iter().zip(to) {
        let mut copy = rusqlite::Connection::open(to).map_err(named)?;
        Backup::new(source, &mut copy)
            .and_then(|backup| backup.run_to_completion(1024, Duration::ZERO, None))
            .map_err(named)?;
        copy.close().map_err(|(_, e)| named(e))?;
    }
    Ok(())
}
