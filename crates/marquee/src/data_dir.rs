//! The data directory: one file per service, one lock, one socket, readable by its owner only.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use kernel::{Error, Result};

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

/// Removes what backups and restores left that were killed. Whoever asks holds the directory.
pub(crate) fn tidy(data: &Path) {
    let Ok(entries) = fs::read_dir(data) else { return };
    for entry in entries.flatten() {
        let is_left = ["backup-", "restore-"].iter().any(|prefix| {
            entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix))
                && entry.file_type().is_ok_and(|kind| kind.is_dir())
        });
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
