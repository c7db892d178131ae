//! Whose a directory is, by a small file in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use kernel::Result;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{Disk, blocking, sync_dir};
use crate::store::MARKER;

/// The longest that a marker is.
const MOST: u64 = 200;

impl Disk {
    /// Whose this is, if that was said.
    pub(crate) async fn owner(&self) -> Result<Option<String>> {
        let root = self.root.clone();
        blocking(move || read(&root)).await
    }

    /// Whose this is; `id`'s from now on, if it was nobody's.
    pub(crate) async fn claim(&self, id: &str) -> Result<String> {
        let (root, id) = (self.root.clone(), id.to_owned());
        blocking(move || {
            if let Some(owner) = read(&root)? {
                return Ok(owner);
            }
            let aside = write(&root, &id)?;
            match put(&aside, &root.join(MARKER)) {
                // Somebody else was first.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => fs::remove_file(aside)?,
                done => done?,
            }
            sync_dir(&root)?;
            read(&root)?.ok_or_else(|| ErrorKind::NotFound.into())
        })
        .await
    }

    /// Makes this `id`'s, whoever's it was.
    pub(crate) async fn adopt(&self, id: &str) -> Result<()> {
        let (root, id) = (self.root.clone(), id.to_owned());
        blocking(move || {
            fs::rename(write(&root, &id)?, root.join(MARKER))?;
            sync_dir(&root)
        })
        .await
    }
}

fn read(root: &Path) -> io::Result<Option<String>> {
    let file = match File::open(root.join(MARKER)) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut owner = String::new();
    file.take(MOST).read_to_string(&mut owner)?;
    Ok(Some(owner.trim_end().to_owned()))
}

/// A file that says `id`, and is on the disk.
fn write(root: &Path, id: &str) -> io::Result<PathBuf> {
    let path = root.join(format!("{MARKER}-{}", kernel::random_code()));
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
    file.write_all(id.as_bytes())?;
    file.sync_all()?;
    Ok(path)
}

/// Gives a file another name that is nobody's.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can.
        Err(Errno::INVAL | Errno::NOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        done => Ok(done?),
    }
}
