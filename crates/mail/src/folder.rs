//! Mail as files, where no server is named.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel::{Error, Instant, Result};
use lettre::message::Message;

/// So many files are kept: the newest.
pub const KEPT: usize = 1_000;
/// What the names of mails begin with while they are written.
const ASIDE: &str = ".mail-";
/// Nobody writes on one for so long.
const ABANDONED: Duration = Duration::from_secs(3600);

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
            // The mail lies there: to say that it failed would have it written again.
            if let Err(error) = forget_old(&directory, &path) {
                tracing::warn!(%error, directory = %directory.display(), "old mails cannot be removed");
            }
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
    let mut aside = tempfile::Builder::new().prefix(ASIDE).tempfile_in(directory)?;
    aside.write_all(text)?;
    aside.as_file().sync_all()?;
    aside.persist(path)?;
    File::open(directory)?.sync_all()
}

/// Removes all mails but the newest, and what a crash left half written before `latest` was. What else somebody has put
/// there stays, and one that cannot be removed keeps no other.
fn forget_old(directory: &Path, latest: &Path) -> io::Result<()> {
    let abandoned = fs::metadata(latest)?.modified()? - ABANDONED;
    let (mut mails, mut old) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let Some(name) = name.to_str() else { continue };
        if is_mail(name) {
            mails.push(path);
        } else if name.starts_with(ASIDE) {
            // It may be finished or gone by now.
            let written = entry.metadata().and_then(|data| data.modified());
            old.extend(written.is_ok_and(|at| at < abandoned).then_some(path));
        }
    }
    mails.sort_unstable();
    old.extend(mails.drain(..mails.len().saturating_sub(KEPT)));
    let mut removed = Ok(());
    for path in old {
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => removed = Err(e),
            _ => {}
        }
    }
    removed
}

/// Whether a name is as [`Folder::keep`] gives them.
fn is_mail(name: &str) -> bool {
    let parts = name.strip_suffix(".eml").and_then(|name| name.split_once('-'));
    parts.is_some_and(|(at, _)| at.len() == 14 && at.bytes().all(|b| b.is_ascii_digit()))
}
