//! Restoring what [`crate::backup`] wrote into an empty data directory: all of it, or nothing that would start.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::process::ExitCode;

use db::Db;
use kernel::{Error, ObjectId, Result};
use objects::Store;
use storage::keep::objects_after;

use crate::contents::{self, Contents, named};
use crate::data_dir::KEY;
use crate::progress::telling;
use crate::{Service, Settings, data_dir};

/// The folder of objects, in an archive and in a data directory.
const OBJECTS: &str = "objects";
/// Objects asked for at a time.
const PAGE: i64 = 1_000;

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
    objects: HashSet<ObjectId>,
    contents: Contents,
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
    let Unpacked { mut names, objects, contents } = unpack(archive, aside.path())?;
    let has = |name: &&str| names.contains(&format!("{name}.db"));
    let mut needed = data_dir::DATABASES.iter().filter(|name| !data_dir::MAY_LACK.contains(name));
    if let Some(absent) = needed.find(|name| !has(name)) {
        return Err(Error::invalid(format!("this is not a whole backup of Marquee: {absent} is missing")));
    }
    let has_storage = has(&Service::Storage.name());
    if has_storage && contents.objects.is_some() {
        check(settings, aside.path(), &objects, &contents.missing).await?;
    }
    if !objects.is_empty() {
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
        // The original may live on, and have objects of which this copy knows nothing.
        let id = storage::keep::renew(&storage).await?;
        if !objects.is_empty() {
            Store::open(&objects::Settings::default(), data.join(OBJECTS))?.adopt(&id).await?;
        }
    }
    fs::remove_file(&marker).map_err(failed("end the restore"))?;
    sync(data)?;
    println!("restored into {}", data.display());
    if !objects.is_empty() {
        println!("with {} objects", objects.len());
    }
    if !contents.missing.is_empty() {
        let (count, missing) = (contents.missing.len(), named(&contents.missing));
        println!("without {count} objects that were not there when the backup was written: {missing}");
    }
    if has_storage && contents.objects.is_none() {
        println!(
            "its objects are where OBJECTS_URL led, and not this installation's yet, which lets none of them go: once \
             the one that was backed up is gone for good, take them over by marquee collect --adopt"
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a backup that lacks objects of which its own rows speak, but for those that were `missing` before.
async fn check(
    settings: &Settings,
    aside: &Path,
    objects: &HashSet<ObjectId>,
    missing: &[ObjectId],
) -> Result<()> {
    let storage = Service::Storage.name();
    // Who opens a database leaves files beside it.
    let rows = aside.join("rows.db");
    fs::copy(data_dir::database(aside, storage), &rows).map_err(failed("read the backup"))?;
    let rows = Db::open_sqlite(&rows, storage, settings.clock.clone())?;
    let known: HashSet<_> = objects.iter().chain(missing).collect();
    let (mut lost, mut after) = (Vec::new(), None);
    loop {
        let page = objects_after(&rows, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        lost.extend(page.into_iter().filter(|id| !known.contains(id)));
    }
    if lost.is_empty() {
        return Ok(());
    }
    let told = format!("this is not a whole backup: {} objects are missing: {}", lost.len(), named(&lost));
    Err(Error::invalid(told))
}

/// Unpacks the files that a backup has, by their plain names, whatever the archive says; all of it is on the disk then.
///
/// # Errors
/// `Invalid` for what is no backup, and for one that does not end as it was written.
fn unpack(archive: File, to: &Path) -> Result<Unpacked> {
    let (mut names, mut objects, mut contents) = (Vec::new(), HashSet::new(), None);
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
        if !(kind.is_file() || kind.is_gnu_sparse()) || contents.is_some() {
            return Err(foreign());
        }
        if name == contents::NAME {
            contents = Some(Contents::read(&mut entry)?);
            continue;
        }
        let place = if known(name) {
            names.push(name.to_owned());
            to.join(name)
        } else {
            let id: ObjectId =
                name.strip_prefix("objects/").and_then(|id| id.parse().ok()).ok_or_else(foreign)?;
            objects.insert(id);
            store.file(id).ok_or_else(foreign)?
        };
        let folder = place.parent().unwrap_or(to);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make a folder"))?;
        let mut file = OpenOptions::new();
        let mut file = file.create_new(true).write(true).mode(0o600).open(&place).map_err(failed("write"))?;
        io::copy(&mut entry, &mut file).and_then(|_| file.sync_all()).map_err(failed("write"))?;
    }
    let whole = contents
        .filter(|contents| contents.files == names && contents.objects.unwrap_or_default() == objects.len());
    let contents = whole.ok_or_else(|| {
        Error::invalid(
            "this is not a whole backup: its last entry, which says what it has, is missing or says otherwise; it \
             was cut off, or is of a version that wrote none",
        )
    })?;
    let root = to.join(OBJECTS);
    for shelf in fs::read_dir(root.join(OBJECTS)).map_err(failed("read the folder"))? {
        sync(&shelf.map_err(failed("read the folder"))?.path())?;
    }
    sync(&root.join(OBJECTS))?;
    sync(&root)?;
    sync(to)?;
    Ok(Unpacked { names, objects, contents })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, tar::EntryType)], contents: Option<Contents>) -> File {
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
        if let Some(contents) = contents {
            contents.append(&mut archive).unwrap();
        }
        let mut file = archive.into_inner().unwrap();
        io::Seek::rewind(&mut file).unwrap();
        file
    }

    fn contents(files: &[&str], objects: usize) -> Option<Contents> {
        let files = files.iter().map(|name| (*name).to_owned()).collect();
        Some(Contents { files, objects: Some(objects), missing: Vec::new() })
    }

    #[test]
    fn what_was_cut_off_is_not_taken_for_a_whole() {
        use tar::EntryType::Regular;
        let object = "objects/0197a3c4-0000-7000-8000-0000000000ab";
        let all = [("orders.db", Regular), (KEY, Regular), (object, Regular)];
        for (entries, contents, is_whole) in [
            (&all[..], contents(&["orders.db", KEY], 1), true),
            (&all[..], None, false),
            (&all[..2], contents(&["orders.db", KEY], 1), false),
            (&all[1..], contents(&["orders.db", KEY], 1), false),
            (&[], None, false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let unpacked = unpack(archive(entries, contents), folder.path());
            assert_eq!(unpacked.is_ok(), is_whole, "{entries:?}");
            assert!(unpacked.err().is_none_or(|e| e.to_string().contains("not a whole backup")));
        }
        let folder = tempfile::tempdir().unwrap();
        let after = [(contents::NAME, Regular), ("orders.db", Regular)];
        assert!(unpack(archive(&after, None), folder.path()).is_err(), "nothing comes after it");
    }

    #[test]
    fn only_what_a_backup_has_is_unpacked_and_nowhere_else() {
        use tar::EntryType::{Regular, Symlink};
        let folder = tempfile::tempdir().unwrap();
        let id = "0197a3c4-0000-7000-8000-0000000000ab";
        let object = format!("objects/{id}");
        let all = [("orders.db", Regular), (KEY, Regular), (object.as_str(), Regular)];
        let whole = archive(&all, contents(&["orders.db", KEY], 1));
        let Unpacked { names, objects, .. } = unpack(whole, folder.path()).unwrap();
        assert_eq!(names, ["orders.db", KEY]);
        assert_eq!(objects, HashSet::from([id.parse().unwrap()]));
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
            let refused = unpack(archive(&[(name, kind)], None), folder.path());
            assert!(refused.is_err_and(|e| e.to_string().contains("not a backup")), "{name}");
        }
    }
}
