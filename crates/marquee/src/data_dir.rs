//! The data directory: one file per service, one lock, one socket, readable by its owner only.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use kernel::{Error, Result};
use tempfile::TempDir;

/// The databases of an embedded installation, by service; `gateway` is the test gateway's own ledger.
pub(crate) const DATABASES: [&str; 9] = [
    "accounts",
    "tickets",
    "orders",
    "expiration",
    "payments",
    "counters",
    "storage",
    "streaming",
    "gateway",
];
/// Those that a whole backup may lack: there is no ledger where the gateway is not the test gateway, and neither
/// counters nor videos in a backup made before there were any; they begin with nothing then.
pub(crate) const MAY_LACK: [&str; 4] = ["counters", "storage", "streaming", "gateway"];
/// How the name of a folder begins that [`aside`] makes. People name theirs otherwise.
const ASIDE: &str = ".marquee-unfinished-";
/// Signs the sessions of an installation that made the key itself.
pub(crate) const KEY: &str = "jwt.key";

/// Holds the directory for one server; let go when dropped, or by the kernel when the process dies.
pub(crate) struct Lock(#[allow(dead_code, reason = "held for its lock")] File);

pub(crate) fn database(data: &Path, service: &str) -> PathBuf {
    data.join(format!("{service}.db"))
}

pub(crate) fn socket(data: &Path) -> PathBuf {
    data.join("marquee.sock")
}

/// There while a restore puts files in place; a directory that still has it is half an installation.
pub(crate) fn restoring(data: &Path) -> PathBuf {
    data.join("restoring")
}

/// A folder in `data` for what is not finished; it goes when it is dropped, or by [`tidy`] if the process is killed.
pub(crate) fn aside(data: &Path) -> Result<TempDir> {
    tempfile::Builder::new().prefix(ASIDE).tempdir_in(data).map_err(|e| {
        let told = format!("cannot make a folder in {}", data.display());
        Error::unavailable(told).because(e)
    })
}

/// Removes what backups and restores left that were killed, and nothing that anybody else may have put here. Whoever asks
/// holds the directory.
pub(crate) fn tidy(data: &Path) {
    let Ok(entries) = fs::read_dir(data) else { return };
    for entry in entries.flatten() {
        let is_left = entry.file_name().to_str().is_some_and(|name| name.starts_with(ASIDE))
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_left && let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(%error, "what a backup left that was killed stays");
        }
    }
}

/// Whether there is no installation in `data`.
pub(crate) fn is_empty(data: &Path) -> bool {
    DATABASES.iter().all(|service| !database(data, service).exists())
}

/// Makes the directory where it is absent.
pub(crate) fn make(data: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(|e| {
        let told = format!("cannot make the data directory {}: choose another --data", data.display());
        Error::unavailable(told).because(e)
    })
}

/// Takes the directory for this process.
///
/// # Errors
/// `Conflict` if another process has it.
pub(crate) fn lock(data: &Path) -> Result<Lock> {
    make(data)?;
    let path = data.join("marquee.lock");
    let failed = |e| Error::unavailable(format!("cannot lock {}", path.display())).because(e);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) if restoring(data).exists() => Err(Error::conflict(format!(
            "a restore into {} was interrupted: empty that directory and restore again",
            data.display()
        ))),
        Ok(()) => Ok(Lock(file)),
        Err(fs::TryLockError::WouldBlock) => Err(Error::conflict(format!(
            "another marquee runs on {}: stop it, or give this one its own --data and --port",
            data.display()
        ))),
        Err(fs::TryLockError::Error(e)) => Err(failed(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_aside_is_tidied_away() {
        let data = tempfile::tempdir().unwrap();
        let left = aside(data.path()).unwrap().keep();
        fs::write(left.join("orders.db"), "half").unwrap();
        let theirs = ["backup-2026", "restore-of-friday", "backup-"].map(|name| data.path().join(name));
        for folder in &theirs {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("friday.tar"), "a backup").unwrap();
        }
        tidy(data.path());
        assert!(!left.exists());
        assert!(theirs.iter().all(|folder| folder.join("friday.tar").exists()));
    }
}
