//! Backup and restore of an embedded installation: one tar file with every database as it stood at one
//! moment, and the signing key.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use kernel::{Error, Result};

use crate::{Settings, data_dir};

const KEY: &str = "jwt.key";

fn failed(what: &str) -> impl Fn(std::io::Error) -> Error {
    let what = what.to_string();
    move |e| Error::unavailable(format!("cannot {what}")).because(e)
}

/// Writes everything into `file`, whether a server runs or not.
pub(crate) fn backup(settings: &Settings, file: &Path) -> Result<ExitCode> {
    let data = &settings.data;
    let databases: Vec<_> = data_dir::DATABASES.iter().map(|name| data_dir::database(data, name)).collect();
    if let Some(absent) = databases.iter().find(|path| !path.exists()) {
        return Err(Error::invalid(format!(
            "there is no installation here: {} is missing",
            absent.display()
        )));
    }
    // Made first, so that a backup that cannot be written costs nothing; never over an older one.
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(file);
    let out = made.map_err(failed(&format!("write {}", file.display())))?;
    let written = write(data, &databases, &out).and_then(|()| {
        out.sync_all()
            .and_then(|()| File::open(parent)?.sync_all())
            .map_err(failed("make the backup durable"))
    });
    if let Err(error) = written {
        // Half a backup is worse than none.
        let _ = fs::remove_file(file);
        return Err(error);
    }
    println!("{}", file.display());
    Ok(ExitCode::SUCCESS)
}

fn write(data: &Path, databases: &[std::path::PathBuf], out: &File) -> Result<()> {
    let aside =
        tempfile::Builder::new().prefix("backup-").tempdir_in(data).map_err(failed("make a folder"))?;
    let copies: Vec<_> =
        databases.iter().filter_map(|path| Some(aside.path().join(path.file_name()?))).collect();
    db::snapshot(databases, &copies)?;
    let mut archive = tar::Builder::new(out);
    for path in copies.iter().map(std::path::PathBuf::as_path).chain([data.join(KEY).as_path()]) {
        if let (Some(name), true) = (path.file_name(), path.exists()) {
            archive.append_path_with_name(path, name).map_err(failed("write the backup"))?;
        }
    }
    archive.finish().map_err(failed("finish the backup"))
}

/// Brings everything back from `file` into an empty data directory.
pub(crate) fn restore(settings: &Settings, file: &Path) -> Result<ExitCode> {
    let data = &settings.data;
    let archive = File::open(file).map_err(failed(&format!("read {}", file.display())))?;
    let _lock = data_dir::lock(data)?;
    if data_dir::DATABASES.iter().any(|name| data_dir::database(data, name).exists()) {
        return Err(Error::conflict(format!(
            "{} holds an installation already; restore into another --data",
            data.display()
        )));
    }
    let aside =
        tempfile::Builder::new().prefix("restore-").tempdir_in(data).map_err(failed("make a folder"))?;
    let mut names = Vec::new();
    for entry in tar::Archive::new(archive).entries().map_err(failed("read the backup"))? {
        let mut entry = entry.map_err(failed("read the backup"))?;
        let path = entry.path().map_err(failed("read the backup"))?.into_owned();
        let known =
            |name: &str| name == KEY || data_dir::DATABASES.iter().any(|db| format!("{db}.db") == name);
        // Only the files that a backup has, by their plain names, whatever the archive says.
        let Some(name) = path.to_str().filter(|name| known(name)).map(str::to_string) else {
            return Err(Error::invalid("this is not a backup of Marquee"));
        };
        let mut to = OpenOptions::new();
        let mut to = to
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(aside.path().join(&name))
            .map_err(failed("write"))?;
        std::io::copy(&mut entry, &mut to).and_then(|_| to.sync_all()).map_err(failed("write"))?;
        names.push(name);
    }
    if names.len() != data_dir::DATABASES.len() + 1 {
        return Err(Error::invalid("this is not a whole backup of Marquee"));
    }
    for name in names {
        fs::rename(aside.path().join(&name), data.join(&name)).map_err(failed("put the files in place"))?;
    }
    File::open(data).and_then(|dir| dir.sync_all()).map_err(failed("make the restored files durable"))?;
    println!("restored into {}", data.display());
    Ok(ExitCode::SUCCESS)
}
