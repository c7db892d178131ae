//! Secrets come from the environment, from the file that `X_FILE` names, or, for the signing key of an
//! embedded installation, from the data directory, where the first start puts one.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use kernel::{Error, Result};

use crate::Settings;
use crate::settings::unsigned;

/// The secret `name` from `name` or from the file that `name_FILE` names; trailing line ends are cut.
pub(crate) fn from_environment(name: &str) -> Result<Option<String>> {
    if let Some(value) = std::env::var(name).ok().filter(|value| !value.is_empty()) {
        return Ok(Some(value));
    }
    let Ok(path) = std::env::var(format!("{name}_FILE")) else { return Ok(None) };
    let text = fs::read_to_string(&path)
        .map_err(|e| Error::invalid(format!("{name}_FILE names a file that cannot be read")).because(e))?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_string()))
}

/// A secret that was given. It is not shown, nor in any log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Keeps `secret`.
    pub fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }
}

/// The key of `JWT_KEY`, if that is set.
pub(crate) fn given_key() -> Result<Option<Secret>> {
    let Some(key) = from_environment("JWT_KEY")? else { return Ok(None) };
    if key.len() < 16 {
        return Err(Error::invalid(
            "JWT_KEY is too short: give it at least 16 characters, better 32 random ones",
        ));
    }
    Ok(Some(Secret::new(key)))
}

/// The key that signs sessions: the one that was given, else that of the data directory.
pub(crate) fn jwt_key(settings: &Settings) -> Result<Vec<u8>> {
    if let Some(Secret(key)) = &settings.jwt_key {
        return Ok(key.clone());
    }
    if !settings.is_embedded() {
        return Err(unsigned());
    }
    let data = &settings.data;
    let path = data.join("jwt.key");
    match fs::read(&path) {
        Ok(key) if key.len() >= 32 => Ok(key),
        Ok(_) => {
            Err(Error::internal(format!("{} is damaged; delete it to sign everybody out", path.display())))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => make_key(data, &path),
        Err(e) => Err(Error::unavailable("cannot read the signing key").because(e)),
    }
}

/// Writes a new key aside, makes it durable, and only then gives it its name.
fn make_key(data: &Path, path: &Path) -> Result<Vec<u8>> {
    let key = format!("{}{}", kernel::random_code(), kernel::random_code()).into_bytes();
    let aside = data.join("jwt.key.new");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&aside)?;
        file.write_all(&key)?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        fs::File::open(data)?.sync_all()
    };
    write().map_err(|e| Error::unavailable("cannot write the signing key").because(e))?;
    Ok(key)
}
