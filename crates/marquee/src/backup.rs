//! Backup and restore of an embedded installation: one tar file with every database as it stood at one
//! moment, and the signing key where the installation keeps one.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use kernel::{Error, Result};

use crate::progress::telling;
use crate::{House, Settings, data_dir};

const KEY: &str = "jwt.key";

fn failed(what: &str) -> impl Fn(std::io::Error) -> Error {
    let what = what.to_string();
    move |e| Error::unavailable(format!("cannot {what}")).because(e)
}

/// Writes everything of `house` into `file`, which must not exist.
pub(crate) async fn write(house: &House, file: &Path) -> Result<()> {
    // Made first, so that a backup that cannot be written costs nothing; never over an older one.
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(file);
    let out = made.map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => {
            Error::conflict(format!("{} exists already: choose another name", file.display()))
        }
        _ => Error::unavailable(format!("cannot write {}: {e}", file.display())),
    })?;
    let written = fill(house, &out).await.and_then(|()| {
        let parent = file.parent().unwrap_or(Path::new("/"));
        out.sync_all()
            .and_then(|()| File::open(parent)?.sync_all())
            .map_err(failed("make the backup durable"))
    });
    if written.is_err() {
        // Half a backup is worse than none.
        let _ = fs::remove_file(file);
    }
    written
}

async fn fill(house: &House, out: &File) -> Result<()> {
    let _telling = telling("writing the backup");
    let data = house.data();
    let aside =
        tempfile::Builder::new().prefix("backup-").tempdir_in(data).map_err(failed("make a folder"))?;
    let ledger = house.payments()?.gateway().as_test().map(payments::TestGateway::db);
    let databases = house.databases().iter().chain(ledger);
    let copies: Vec<_> =
        databases.map(|db| (db.clone(), aside.path().join(format!("{}.db", db.name())))).collect();
    db::snapshot(&copies).await?;
    let mut archive = tar::Builder::new(out);
    for path in copies.iter().map(|(_, path)| path.as_path()).chain([data.join(KEY).as_path()]) {
        if let (Some(name), true) = (path.file_name(), path.exists()) {
            archive.append_path_with_name(path, name).map_err(failed("write the backup"))?;
        }
    }
    archive.finish().map_err(failed("finish the backup"))
}

/// Brings everything back from `file` into an empty data directory.
pub(crate) fn restore(settings: &Settings, file: &Path) -> Result<ExitCode> {
    let _telling = telling("restoring");
    let data = &settings.data;
    let archive = File::open(file).map_err(failed(&format!("read {}", file.display())))?;
    data_dir::make(data)?;
    if data_dir::DATABASES.iter().any(|name| data_dir::database(data, name).exists()) {
        let told = "holds an installation already; restore into another --data";
        return Err(Error::conflict(format!("{} {told}", data.display())));
    }
    let _lock = data_dir::lock(data)?;
    let aside =
        tempfile::Builder::new().prefix("restore-").tempdir_in(data).map_err(failed("make a folder"))?;
    let names = unpack(archive, aside.path())?;
    let has = |name: &&str| names.contains(&format!("{name}.db"));
    let mut needed = data_dir::DATABASES.iter().filter(|name| !data_dir::MAY_LACK.contains(name));
    if let Some(absent) = needed.find(|name| !has(name)) {
        return Err(Error::invalid(format!("this is not a whole backup of Marquee: {absent} is missing")));
    }
    let marker = data_dir::restoring(data);
    let sync = |path: &Path| {
        File::open(path).and_then(|dir| dir.sync_all()).map_err(failed("make the files durable"))
    };
    File::create(&marker).map_err(failed("mark the restore"))?;
    sync(data)?;
    for name in names {
        fs::rename(aside.path().join(&name), data.join(&name)).map_err(failed("put the files in place"))?;
    }
    sync(data)?;
    fs::remove_file(&marker).map_err(failed("end the restore"))?;
    sync(data)?;
    println!("restored into {}", data.display());
    Ok(ExitCode::SUCCESS)
}

/// Unpacks the files that a backup has, by their plain names, whatever the archive says.
fn unpack(archive: File, to: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in tar::Archive::new(archive).entries().map_err(failed("read the backup"))? {
        let mut entry = entry.map_err(failed("read the backup"))?;
        let path = entry.path().map_err(failed("read the backup"))?.into_owned();
        let known =
            |name: &str| name == KEY || data_dir::DATABASES.iter().any(|db| format!("{db}.db") == name);
        let Some(name) = path.to_str().filter(|name| known(name)).map(str::to_string) else {
            return Err(Error::invalid("this is not a backup of Marquee"));
        };
        let mut file = OpenOptions::new();
        let mut file =
            file.create_new(true).write(true).mode(0o600).open(to.join(&name)).map_err(failed("write"))?;
        std::io::copy(&mut entry, &mut file).and_then(|_| file.sync_all()).map_err(failed("write"))?;
        names.push(name);
    }
    Ok(names)
}
