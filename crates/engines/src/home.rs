//! Where a test's databases live.

use std::path::Path;

use tempfile::TempDir;

use crate::{Database, Postgres};

/// Where a test's databases live: SQLite files in a directory, or a database on PostgreSQL. It goes when it is
/// dropped, with all that is in it.
pub struct Home {
    directory: TempDir,
    database: Option<Database>,
}

impl Home {
    /// An empty one, on the engine that `MARQUEE_TEST_ENGINE` chooses: `sqlite` (the default) or `postgres`.
    ///
    /// # Panics
    /// If it is chosen and not installed, or names something else.
    #[allow(clippy::new_without_default, reason = "it waits for a server")]
    pub async fn new() -> Self {
        match std::env::var("MARQUEE_TEST_ENGINE").as_deref() {
            Err(_) | Ok("" | "sqlite") => Self { directory: directory(), database: None },
            Ok("postgres") => {
                Self::postgres().await.expect("MARQUEE_TEST_ENGINE asks for PostgreSQL: install it")
            }
            Ok(other) => panic!("MARQUEE_TEST_ENGINE is sqlite or postgres, not {other}"),
        }
    }

    /// An empty one on PostgreSQL, whatever is chosen. `None` if that is not installed.
    ///
    /// # Panics
    /// As [`Postgres::shared`].
    pub async fn postgres() -> Option<Self> {
        let database = Postgres::shared().await?.database().await;
        Some(Self { directory: directory(), database: Some(database) })
    }

    /// Whether it is on PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        self.database.is_some()
    }

    /// A directory of the test's own, for files on either engine.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the database is, on PostgreSQL.
    pub fn url(&self) -> Option<&str> {
        self.database.as_ref().map(Database::url)
    }
}

fn directory() -> TempDir {
    TempDir::new().expect("a directory")
}
