//! Restoring what [`crate::backup`] wrote into an empty data directory: all of it, or nothing that would start.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::process::ExitCode;

use db::Db;
use kernel::{Error, ObjectId, Result};
use objects::Store;

use crate::data_dir::KEY;
use crate::progress::telling;
use crate::{Service, Settings, data_dir};

/// The folder of objects, in an archive and in a data directory.
const OBJECTS: &str = "objects";

fn failed(what: &str) -> impl Fn(io::Error) -> Error {
    let what = what.to_string();
    move |e| Error::unavailable(format!("cannot {what}")).because(e)
}

fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(failed("make the files durable"))
}

/// What came out of an archive.
struct Unpacked {
    /// Databases, and the key.
    names: Vec<String>,
    /// How many objects.
    objects: u64,
}

/// Brings everything back from `file` into an empty data directory.
pub(crate) async fn restore(settings: &Settings, file: &Path) -> Result<ExitCode> {
    let _telling = telling("restoring");
    let data = &settings.data;
    let archive = File::open(file).map_err(failed(&format!("read {}", file.display())))?;
    data_dir::make(data)?;
    if !data_dir::is_empty(data) || data.join(OBJECTS).exists() {
        let told = "holds an installation already; restore into another --data";
        return Err(Error::conflict(format!("{} {told}", data.display())));
    }
    let _lock = data_dir::lock(data)?;
    let aside = data_dir::aside(data)?;
    let Unpacked { mut names, objects } = unpack(archive, aside.path())?;
    let has = |name: &&str| names.contains(&format!("{name}.db"));
    let mut needed = data_dir::DATABASES.iter().filter(|name| !data_dir::MAY_LACK.contains(name));
    if let Some(absent) = needed.find(|name| !has(name)) {
        return Err(Error::invalid(format!("this is not a whole backup of Marquee: {absent} is missing")));
    }
    let has_storage = has(&Service::Storage.name());
    if objects > 0 {
        if settings.objects.url.is_some() {
            return Err(Error::invalid(
                "this backup has objects, which go into --data: leave OBJECTS_URL out, here and when it is served",
            ));
        }
        names.push(OBJECTS.into());
    }
    let marker = data_dir::restoring(data);
    File::create(&marker).map_err(failed("mark the restore"))?;
    sync(data)?;
    for name in names {
        fs::rename(aside.path().join(&name), data.join(&name)).map_err(failed("put the files in place"))?;
    }
    sync(data)?;
    if has_storage {
        // They have bytes that a backup has not; whoever uploads begins anew.
        let storage = data_dir::database(data, Service::Storage.name());
        let storage = Db::open_sqlite(&storage, Service::Storage.name(), settings.clock.clone())?;
        storage.migrate(Service::Storage.migrations()).await?;
        storage::keep::forget_uploads(&storage).await?;
    }
    fs::remove_file(&marker).map_err(failed("end the restore"))?;
    sync(data)?;
    println!("restored into {}", data.display());
    if objects > 0 {
        println!("with {objects} objects");
    }
    Ok(ExitCode::SUCCESS)
}

/// Unpacks the files that a backup has, by their plain names, whatever the archive says; all of it is on the disk then.
fn unpack(archive: File, to: &Path) -> Result<Unpacked> {
    let mut unpacked = Unpacked { names: Vec::new(), objects: 0 };
    let foreign = || Error::invalid("this is not a backup of Marquee");
    let known = |name: &str| name == KEY || data_dir::DATABASES.iter().any(|db| format!("{db}.db") == name);
    let store = Store::open(&objects::Settings::default(), to.join(OBJECTS))?;
    for entry in tar::Archive::new(archive).entries().map_err(failed("read the backup"))? {
        let mut entry = entry.map_err(failed("read the backup"))?;
        let path = entry.path().map_err(failed("read the backup"))?.into_owned();
        let name = path.to_str().ok_or_else(foreign)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() && path == Path::new(OBJECTS) {
            continue;
        }
        if !(kind.is_file() || kind.is_gnu_sparse()) {
            return Err(foreign());
        }
        let place = if known(name) {
            unpacked.names.push(name.to_owned());
            to.join(name)
        } else {
            let id: ObjectId =
                name.strip_prefix("objects/").and_then(|id| id.parse().ok()).ok_or_else(foreign)?;
            unpacked.objects += 1;
            store.file(id).ok_or_else(foreign)?
        };
        let folder = place.parent().unwrap_or(to);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make a folder"))?;
        let mut file = OpenOptions::new();
        let mut file = file.create_new(true).write(true).mode(0o600).open(&place).map_err(failed("write"))?;
        io::copy(&mut entry, &mut file).and_then(|_| file.sync_all()).map_err(failed("write"))?;
    }
    let root = to.join(OBJECTS);
    for shelf in fs::read_dir(root.join(OBJECTS)).map_err(failed("read the folder"))? {
        sync(&shelf.map_err(failed("read the folder"))?.path())?;
    }
    sync(&root.join(OBJECTS))?;
    sync(&root)?;
    sync(to)?;
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, tar::EntryType)]) -> File {
        let mut archive = tar::Builder::new(tempfile::tempfile().unwrap());
        for (name, kind) in entries {
            let mut header = tar::Header::new_gnu();
            let bytes = header.as_old_mut().name.get_mut(..name.len()).unwrap();
            bytes.copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(2);
            header.set_mode(0o777);
            header.set_cksum();
            archive.append(&header, &b"hi"[..]).unwrap();
        }
        let mut file = archive.into_inner().unwrap();
        io::Seek::rewind(&mut file).unwrap();
        file
    }

    #[test]
    fn only_what_a_backup_has_is_unpacked_and_nowhere_else() {
        use tar::EntryType::{Regular, Symlink};
        let folder = tempfile::tempdir().unwrap();
        let id = "0197a3c4-0000-7000-8000-0000000000ab";
        let object = format!("objects/{id}");
        let whole = archive(&[("orders.db", Regular), (KEY, Regular), (&object, Regular)]);
        let Unpacked { names, objects } = unpack(whole, folder.path()).unwrap();
        assert_eq!((names.as_slice(), objects), (["orders.db".to_owned(), KEY.to_owned()].as_slice(), 1));
        let there = folder.path().join("objects/objects/ab").join(id);
        assert_eq!(fs::read(&there).unwrap(), b"hi");
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(there).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let up = format!("objects/../{id}");
        for (name, kind) in [
            ("../orders.db", Regular),
            ("/tmp/orders.db", Regular),
            ("orders.db", Symlink),
            ("objects/orders.db", Regular),
            ("objects/../../x", Regular),
            (up.as_str(), Regular),
            (id, Regular),
            ("other.db", Regular),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let refused = unpack(archive(&[(name, kind)]), folder.path());
            assert!(refused.is_err_and(|e| e.to_string().contains("not a backup")), "{name}");
        }
    }
}
