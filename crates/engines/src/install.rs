//! Where engines are installed, and as whom they run.

use std::fs;
use std::path::{Path, PathBuf};

/// A user of this machine, by number.
#[derive(Clone, Copy)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// As whom PostgreSQL runs: `None` for whoever runs the tests, unless that is root, which it refuses to be.
///
/// # Panics
/// If this is root and there is nobody else.
pub(crate) fn unprivileged() -> Option<Account> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd can be read");
    let account = ["postgres", "nobody"].iter().find_map(|name| account(&users, name));
    Some(account.expect("a user postgres or nobody, for PostgreSQL refuses to run as root"))
}

fn account(users: &str, name: &str) -> Option<Account> {
    let mut fields =
        users.lines().map(|line| line.split(':')).find(|line| line.clone().next() == Some(name))?;
    let uid = fields.nth(2)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Account { uid, gid })
}

/// The directory that has `initdb` and `postgres`: the one that `PG_BIN` names, else one of the `PATH`, else the
/// newest where Debian or the packages of Red Hat put them.
///
/// # Panics
/// If `PG_BIN` names a directory that has not.
pub(crate) fn postgres() -> Option<PathBuf> {
    let complete =
        |directory: &PathBuf| ["initdb", "postgres"].iter().all(|name| directory.join(name).is_file());
    if let Some(named) = std::env::var_os("PG_BIN") {
        let named = PathBuf::from(named);
        assert!(
            complete(&named),
            "PG_BIN names a directory without initdb and postgres: {}",
            named.display()
        );
        return Some(named);
    }
    path().into_iter().find(complete).or_else(|| versions().into_iter().find(complete))
}

/// The program `nats-server`; Debian puts it where only root's `PATH` leads.
pub(crate) fn nats() -> Option<PathBuf> {
    program("nats-server")
}

/// The server of Redis, or of Valkey, which goes on with its protocol.
pub(crate) fn redis() -> Option<PathBuf> {
    program("redis-server").or_else(|| program("valkey-server"))
}

/// A program of the `PATH`, or where packages and people put them.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let usual = ["/usr/sbin", "/usr/local/bin", "/usr/local/sbin"].map(PathBuf::from);
    let mut places = path().into_iter().chain(usual).map(|place| place.join(name));
    places.find(|program| program.is_file())
}

fn path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// Directories of installed versions of PostgreSQL, the newest first.
fn versions() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
        found.extend(number(&entry.path(), "").map(|version| (version, entry.path().join("bin"))));
    }
    for entry in fs::read_dir("/usr").into_iter().flatten().flatten() {
        found.extend(number(&entry.path(), "pgsql-").map(|version| (version, entry.path().join("bin"))));
    }
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, directory)| directory).collect()
}

fn number(directory: &Path, prefix: &str) -> Option<u32> {
    directory.file_name()?.to_str()?.strip_prefix(prefix)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{account, number};
    use std::path::Path;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "postgresql:x:1:2::/:\npostgres:x:104:111:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n";
        let found = account(users, "postgres").unwrap();
        assert_eq!((found.uid, found.gid), (104, 111));
        assert!(account(users, "nobody").is_none());
    }

    #[test]
    fn a_version_is_a_number() {
        assert_eq!(number(Path::new("/usr/lib/postgresql/15"), ""), Some(15));
        assert_eq!(number(Path::new("/usr/pgsql-17"), "pgsql-"), Some(17));
        assert_eq!(number(Path::new("/usr/lib/postgresql/common"), ""), None);
    }
}
