//! Backup of an embedded installation: one tar file with every database as it stood at one moment, the objects that are
//! in the installation's own directory, and the signing key where the installation keeps one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use db::Db;
use kernel::{Clock, Error, ObjectId, Result};
use storage::Storage;
use storage::keep::{Held, objects_after};
use tar::Builder;
use tempfile::TempPath;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::House;
use crate::contents::{Contents, named};
use crate::data_dir::{self, KEY};
use crate::progress::telling;

/// Objects asked for at a time.
const PAGE: i64 = 1_000;

fn failed(what: &str) -> impl Fn(io::Error) -> Error {
    let what = what.to_string();
    move |e| Error::unavailable(format!("cannot {what}")).because(e)
}

/// Writes everything of `house` into `file`, which must not exist; answers what there is to say of it.
///
/// # Errors
/// `Conflict` if something is there by that name; also, though the file is written, if objects are not where their rows
/// say: whoever relies on it has to hear of it.
pub(crate) async fn write(house: &House, file: &Path) -> Result<Vec<String>> {
    // Made first, so that a backup that cannot be written costs nothing.
    let (out, part) = begin(file)?;
    let _telling = telling("writing the backup");
    let data = house.data();
    let aside = data_dir::aside(data)?;
    let here = house.storage().filter(|storage| storage.directory() == Some(&data.join("objects")));
    // From before the moment of the databases until the last object is copied: they never change, but they are removed.
    let held = match here {
        Some(storage) => Some((storage.clone(), storage.hold().await)),
        None => None,
    };
    let ledger = house.payments()?.gateway().as_test().map(payments::TestGateway::db);
    let databases = house.databases().iter().chain(ledger);
    let copies: Vec<_> =
        databases.map(|db| (db.clone(), aside.path().join(format!("{}.db", db.name())))).collect();
    db::snapshot(&copies).await?;
    let files = copies.into_iter().map(|(_, path)| path).chain([data.join(KEY)]).collect();
    let given_up = CancellationToken::new();
    let _whoever_asked = given_up.clone().drop_guard();
    let filling = Filling { out: Out { file: out, given_up }, files, held, clock: house.web.clock().clone() };
    let (runtime, place) = (Handle::current(), file.to_owned());
    let missing = tokio::task::spawn_blocking(move || {
        let _aside = aside;
        let missing = filling.fill(&runtime)?;
        put(part, &place).map(|()| missing)
    });
    let missing = missing.await.map_err(|e| Error::internal("the backup stopped half-way").because(e))??;
    if !missing.is_empty() {
        return Err(Error::conflict(format!(
            "{} is written, but {} objects are not where their rows say, and not in it (see marquee verify): {}",
            file.display(),
            missing.len(),
            named(&missing)
        )));
    }
    let elsewhere = "objects are not in the backup: they are kept where OBJECTS_URL says";
    Ok(here.is_none().then(|| elsewhere.to_owned()).into_iter().collect())
}

/// The file beside `file` that becomes it when it is whole: half a backup is worse than none. It goes when it is dropped.
fn begin(file: &Path) -> Result<(File, TempPath)> {
    if fs::symlink_metadata(file).is_ok() {
        return Err(taken(file));
    }
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&part);
    let out = made.map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => Error::conflict(format!(
            "{} is there: a backup is being written, or was killed; then remove it, or choose another name",
            part.display()
        )),
        _ => Error::unavailable(format!("cannot write {}: {e}", file.display())),
    })?;
    Ok((out, TempPath::try_from_path(part).map_err(failed("write the backup"))?))
}

/// Gives a whole backup its name, never over an older one.
fn put(part: TempPath, file: &Path) -> Result<()> {
    part.persist_noclobber(file).map_err(|e| match e.error.kind() {
        ErrorKind::AlreadyExists => taken(file),
        _ => failed("put the backup in its place")(e.error),
    })?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("make the backup durable"))
}

fn taken(file: &Path) -> Error {
    Error::conflict(format!("{} exists already: choose another name", file.display()))
}

/// What has to be done by a thread that may wait for the disk.
struct Filling {
    out: Out,
    files: Vec<PathBuf>,
    held: Option<(Storage, Held)>,
    clock: Clock,
}

impl Filling {
    /// Fills the file and makes it durable; answers which objects are not there.
    fn fill(self, runtime: &Handle) -> Result<Vec<ObjectId>> {
        let mut archive = Builder::new(&self.out);
        let mut contents = Contents::default();
        for path in &self.files {
            if let (Some(name), true) = (path.file_name(), path.exists()) {
                archive.append_path_with_name(path, name).map_err(failed("write the backup"))?;
                contents.files.push(name.to_string_lossy().into_owned());
            }
        }
        if let Some((storage, _held)) = &self.held
            && let Some(copy) = self.files.iter().find(|path| path.ends_with("storage.db"))
        {
            // The copy says which objects there were at its moment; it is in the archive already as it was.
            let copy = Db::open_sqlite(copy, "storage", self.clock.clone())?;
            let (mut count, mut after) = (0, None);
            loop {
                let page = runtime.block_on(objects_after(&copy, after, PAGE))?;
                let Some(last) = page.last() else { break };
                after = Some(*last);
                for id in page {
                    match append(&mut archive, storage, id)? {
                        true => count += 1,
                        false => contents.missing.push(id),
                    }
                }
            }
            contents.objects = Some(count);
        }
        contents.append(&mut archive).map_err(failed("write the backup"))?;
        archive.finish().map_err(failed("finish the backup"))?;
        drop(archive);
        self.out.file.sync_all().map_err(failed("make the backup durable"))?;
        Ok(contents.missing)
    }
}

/// Writes one object; false if it is not there.
fn append(archive: &mut Builder<&Out>, storage: &Storage, id: ObjectId) -> Result<bool> {
    let Some(path) = storage.file(id) else { return Ok(false) };
    match File::open(path) {
        Ok(mut file) => {
            let name = format!("objects/{id}");
            archive.append_file(name, &mut file).map_err(failed("write an object into the backup"))?;
            Ok(true)
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(failed("read an object")(e)),
    }
}

/// The file, until whoever asked for it has gone.
struct Out {
    file: File,
    given_up: CancellationToken,
}

impl Write for &Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.given_up.is_cancelled() {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        (&self.file).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&self.file).flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_has_its_name_when_it_is_whole_and_never_an_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        let names = || {
            let there = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = there.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names
        };
        let file = folder.path().join("friday.tar");
        let (mut out, part) = begin(&file).unwrap();
        out.write_all(b"half").unwrap();
        assert_eq!(names(), ["friday.tar.part"]);
        assert!(begin(&file).unwrap_err().to_string().contains("friday.tar.part is there"));
        drop(part);
        assert!(names().is_empty(), "what was not finished goes");

        let (_, part) = begin(&file).unwrap();
        put(part, &file).unwrap();
        assert_eq!(names(), ["friday.tar"]);
        assert!(begin(&file).unwrap_err().to_string().contains("exists already"));

        let other = folder.path().join("other.tar");
        let (_, part) = begin(&other).unwrap();
        fs::write(&other, "made meanwhile").unwrap();
        assert!(put(part, &other).unwrap_err().to_string().contains("exists already"));
        assert_eq!(fs::read(&other).unwrap(), b"made meanwhile");
        assert_eq!(names(), ["friday.tar", "other.tar"]);
    }
}
