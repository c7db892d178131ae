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
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::House;
use crate::data_dir::{self, KEY};
use crate::progress::telling;

/// Objects asked for at a time.
const PAGE: i64 = 1_000;

fn failed(what: &str) -> impl Fn(io::Error) -> Error {
    let what = what.to_string();
    move |e| Error::unavailable(format!("cannot {what}")).because(e)
}

/// Writes everything of `house` into `file`, which must not exist; answers what there is to say of it.
pub(crate) async fn write(house: &House, file: &Path) -> Result<Vec<String>> {
    // Made first, so that a backup that cannot be written costs nothing; never over an older one.
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(file);
    let out = made.map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => {
            Error::conflict(format!("{} exists already: choose another name", file.display()))
        }
        _ => Error::unavailable(format!("cannot write {}: {e}", file.display())),
    })?;
    let unfinished = Unfinished(Some(file.to_owned()));
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
    let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
    let out = Out { file: out, given_up };
    let filling = Filling { out, folder, files, held, clock: house.web.clock().clone() };
    let (mut told, runtime) = (Vec::new(), Handle::current());
    let missing = tokio::task::spawn_blocking(move || {
        let _aside = aside;
        filling.fill(&runtime).inspect(|_| unfinished.keep())
    });
    let missing = missing.await.map_err(|e| Error::internal("the backup stopped half-way").because(e))??;
    if missing > 0 {
        told.push(format!("{missing} objects are not there and not in the backup: see marquee verify"));
    }
    if here.is_none() {
        told.push("objects are not in the backup: they are kept where OBJECTS_URL says".into());
    }
    Ok(told)
}

/// What has to be done by a thread that may wait for the disk.
struct Filling {
    out: Out,
    /// Where it is.
    folder: PathBuf,
    files: Vec<PathBuf>,
    held: Option<(Storage, Held)>,
    clock: Clock,
}

impl Filling {
    /// Fills the file and makes it durable; answers how many objects are not there.
    fn fill(self, runtime: &Handle) -> Result<usize> {
        let mut archive = Builder::new(&self.out);
        for path in &self.files {
            if let (Some(name), true) = (path.file_name(), path.exists()) {
                archive.append_path_with_name(path, name).map_err(failed("write the backup"))?;
            }
        }
        let mut missing = 0;
        if let Some((storage, _held)) = &self.held
            && let Some(copy) = self.files.iter().find(|path| path.ends_with("storage.db"))
        {
            // The copy says which objects there were at its moment; it is in the archive already as it was.
            let copy = Db::open_sqlite(copy, "storage", self.clock.clone())?;
            let mut after = None;
            loop {
                let page = runtime.block_on(objects_after(&copy, after, PAGE))?;
                let Some(last) = page.last() else { break };
                after = Some(*last);
                for id in page {
                    missing += usize::from(!append(&mut archive, storage, id)?);
                }
            }
        }
        archive.finish().map_err(failed("finish the backup"))?;
        drop(archive);
        let sync = || self.out.file.sync_all().and_then(|()| File::open(&self.folder)?.sync_all());
        sync().map_err(failed("make the backup durable"))?;
        Ok(missing)
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

/// Half a backup is worse than none: it is removed, unless it was finished.
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}
