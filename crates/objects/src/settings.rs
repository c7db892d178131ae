//! Where objects are.

use std::fmt;
use std::path::PathBuf;

use kernel::{Error, Result};
use url::Url;

/// Where objects are, and how they are reached.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `s3://bucket/prefix`, or `file:///directory`. Without it, a directory of the installation's own.
    pub url: Option<String>,
    /// Where an S3 server is that is not Amazon's.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: String,
    /// Access key and secret; without them the machine's role is asked for.
    pub credentials: Option<(String, Hidden)>,
}

/// A secret. It is not shown, nor in any log.
#[derive(Clone)]
pub struct Hidden(String);

impl Hidden {
    /// Keeps `secret`.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }
}

/// What an address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A directory.
    Directory(PathBuf),
    /// A bucket.
    Bucket {
        /// Its name.
        name: String,
        /// What all keys begin with.
        prefix: String,
    },
}

impl Settings {
    /// Where that is; `default` if nothing is said.
    ///
    /// # Errors
    /// `Invalid`, with a sentence that says what to set.
    pub fn place(&self, default: PathBuf) -> Result<Place> {
        let Some(url) = &self.url else { return Ok(Place::Directory(default)) };
        let wrong = || Error::invalid("OBJECTS_URL must be s3://bucket/prefix or file:///directory");
        let url = Url::parse(url).map_err(|_| wrong())?;
        match (url.scheme(), url.host_str()) {
            ("file", None) => url.to_file_path().map(Place::Directory).map_err(|()| wrong()),
            ("s3", Some(bucket)) => {
                let prefix = url.path().trim_matches('/');
                let prefix = if prefix.is_empty() { "marquee" } else { prefix };
                Ok(Place::Bucket { name: bucket.to_owned(), prefix: prefix.to_owned() })
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_directory_or_a_bucket() {
        let place = |url: &str| Settings { url: Some(url.into()), ..Settings::default() }.place("x".into());
        let bucket = |name: &str, prefix: &str| Place::Bucket { name: name.into(), prefix: prefix.into() };
        assert_eq!(Settings::default().place("x".into()).unwrap(), Place::Directory("x".into()));
        assert_eq!(place("file:///srv/films").unwrap(), Place::Directory("/srv/films".into()));
        assert_eq!(place("s3://films").unwrap(), bucket("films", "marquee"));
        assert_eq!(place("s3://films/a/b/").unwrap(), bucket("films", "a/b"));
        for wrong in ["/srv", "s3:", "http://x/y", "file://host/x", ""] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let credentials = Some(("id".to_owned(), Hidden::new("planted")));
        assert!(!format!("{:?}", Settings { credentials, ..Settings::default() }).contains("planted"));
    }
}
