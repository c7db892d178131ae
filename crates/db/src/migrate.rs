//! Migrations: scripts in the shared dialect, each applied once, in order, and never changed afterwards.
//! A table that ends in `/* clustered */` is kept in the order of its primary key where the engine can do
//! that: one tree to write instead of two. To the others it is a comment.

use kernel::{Error, Result};

use crate::{Db, Engine};

/// One script. Its name sorts by its number: `0001_init`.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The file's name without `.sql`.
    pub name: &'static str,
    /// The file's text.
    pub sql: &'static str,
}

/// The tables that every service's database has: outbox, inbox, dead letters, idempotency keys.
const SEAM: Migration = Migration { name: "0000_seam", sql: include_str!("../migrations/sqlite_seam.sql") };

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, sql TEXT NOT NULL)";
const APPLIED: &str = "SELECT name, sql FROM migrations ORDER BY name LIMIT 10000";

impl Db {
    /// Brings the database up to date. Answers how many scripts were applied.
    ///
    /// # Errors
    /// `Internal` if an applied script has been changed since, or one is unknown here (a newer Marquee
    /// wrote this database); otherwise as the engine says.
    pub async fn migrate(&self, scripts: &[Migration]) -> Result<usize> {
        let Engine::Sqlite(sqlite) = &self.engine;
        sqlite.writer().await.script(TABLE)?;
        let applied: Vec<(String, String)> = self.all(APPLIED, &[]).await?;
        let wanted: Vec<Migration> = std::iter::once(SEAM).chain(scripts.iter().copied()).collect();
        for (name, sql) in &applied {
            let known = wanted.iter().find(|m| m.name == name).ok_or_else(|| {
                Error::internal(format!(
                    "the database {} has migration {name} of a newer Marquee",
                    self.name()
                ))
            })?;
            if known.sql != sql {
                return Err(Error::internal(format!(
                    "migration {name} of {} was changed after it ran",
                    self.name()
                )));
            }
        }
        let mut count = 0;
        for script in wanted.iter().filter(|m| !applied.iter().any(|(name, _)| name == m.name)) {
            let note = format!(
                "INSERT INTO migrations VALUES ('{}', '{}')",
                script.name,
                script.sql.replace('\'', "''")
            );
            let sql = script.sql.replace("/* clustered */", "WITHOUT ROWID");
            sqlite.writer().await.script(&format!("{sql};\n{note}"))?;
            tracing::info!(db = self.name(), migration = script.name, "migrated");
            count += 1;
        }
        Ok(count)
    }

    /// Refuses a database that is not up to date, for a start that must not migrate.
    ///
    /// # Errors
    /// `Conflict` if scripts are missing; those of [`Db::migrate`].
    pub async fn check_migrated(&self, scripts: &[Migration]) -> Result<()> {
        match self.missing(scripts).await?.first() {
            None => Ok(()),
            Some(script) => Err(Error::conflict(format!(
                "the database {} lacks migration {}: run `marquee migrate`, or start without --no-migrate",
                self.name(),
                script.name
            ))),
        }
    }

    /// The scripts that have not been applied, in order.
    async fn missing(&self, scripts: &[Migration]) -> Result<Vec<Migration>> {
        let Engine::Sqlite(sqlite) = &self.engine;
        sqlite.writer().await.script(TABLE)?;
        let applied: Vec<(String, String)> = self.all(APPLIED, &[]).await?;
        let wanted: Vec<Migration> = std::iter::once(SEAM).chain(scripts.iter().copied()).collect();
        for (name, sql) in &applied {
            let known = wanted.iter().find(|m| m.name == name).ok_or_else(|| {
                Error::internal(format!(
                    "the database {} has migration {name} of a newer Marquee",
                    self.name()
                ))
            })?;
            if known.sql != sql {
                return Err(Error::internal(format!(
                    "migration {name} of {} was changed after it ran",
                    self.name()
                )));
            }
        }
        Ok(wanted.into_iter().filter(|m| !applied.iter().any(|(name, _)| name == m.name)).collect())
    }
}
