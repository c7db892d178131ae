//! Where a database is.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::Limits;

/// A file of this machine, or a schema on a server.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// An SQLite file.
    File(PathBuf),
    /// A PostgreSQL server (`postgres://user:password@host:port/database`). The schema is the database's name.
    Server {
        /// The server's address; it may hold a password.
        url: String,
        /// What it may take.
        limits: Limits,
    },
}

impl Location {
    /// The schema of `name` on the server at `url`, with the limits of requests; without a server, the file
    /// `name.db` in `directory`.
    pub fn new(url: Option<&str>, directory: &Path, name: &str) -> Self {
        match url {
            Some(url) => Self::Server { url: url.to_string(), limits: Limits::default() },
            None => Self::File(directory.join(format!("{name}.db"))),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            // No password in a log.
            Self::Server { .. } => f.write_str("a PostgreSQL server"),
        }
    }
}
