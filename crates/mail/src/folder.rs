//! Mail as files, where no server is named.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use kernel::{Error, Instant, Result};
use lettre::message::Message;

/// So many files are kept: the newest.
pub const KEPT: usize = 1_000;

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Writes a mail into a file of its own; answers which.
    pub(crate) async fn keep(&self, message: Message, now: Instant) -> Result<PathBuf> {
        let directory = self.0.clone();
        let kept = move || {
            // In order of their names they are in order of time. Who a mail is for is in the file alone.
            let path = directory.join(format!("{:014}-{}.eml", now.as_millis(), kernel::random_code()));
            write(&directory, &path, &message.formatted())?;
            forget_old(&directory)?;
            Ok(path)
        };
        let failed = |e: io::Error| Error::unavailable("cannot write a mail into its folder").because(e);
        tokio::task::spawn_blocking(kept)
            .await
            .map_err(|e| Error::internal("writing a mail stopped").because(e))?
            .map_err(failed)
    }
}

/// Writes aside, makes durable, and only then names; readable by its owner only, as temporary files are.
fn write(directory: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut aside = tempfile::NamedTempFile::new_in(directory)?;
    aside.write_all(text)?;
    aside.as_file().sync_all()?;
    aside.persist(path)?;
    File::open(directory)?.sync_all()
}

/// Removes all but the newest. What a crash left half written has a name that comes before all others.
fn forget_old(directory: &Path) -> io::Result<()> {
    let mut files = fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    if files.len() <= KEPT {
        return Ok(());
    }
    files.sort_unstable();
    for old in &files[..files.len() - KEPT] {
        match fs::remove_file(old) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}
