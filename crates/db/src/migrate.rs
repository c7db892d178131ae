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

/// The tables that every service's database has: outbox, leases, inbox, dead letters, idempotency keys.
const SQLITE: &[Migration] = &[
    Migration { name: "0000_seam", sql: include_str!("../migrations/sqlite_seam.sql") },
    Migration { name: "0000_seam_leases", sql: include_str!("../migrations/sqlite_seam_leases.sql") },
    TRACE,
];
const POSTGRES: &[Migration] =
    &[Migration { name: "0000_seam", sql: include_str!("../migrations/postgres_seam.sql") }, TRACE];
/// For both. What is there already, and what an older copy writes meanwhile, has no trace.
const TRACE: Migration =
    Migration { name: "0000_seam_trace", sql: include_str!("../migrations/seam_trace.sql") };

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, sql TEXT NOT NULL)";
const SCHEMA: &str = "SELECT 1 FROM information_schema.schemata WHERE schema_name = $1";
const BEGUN: &str =
    "SELECT 1 FROM information_schema.tables WHERE table_schema = $1 AND table_name = 'migrations'";
const APPLIED: &str = "SELECT name, sql FROM migrations ORDER BY name LIMIT 10000";

impl Db {
    /// Brings the database up to date. Answers how many scripts were applied.
    ///
    /// # Errors
    /// `Internal` if an applied script has been changed since, or one is unknown here (a newer Marquee
    /// wrote this database); otherwise as the engine says.
    pub async fn migrate(&self, scripts: &[Migration]) -> Result<usize> {
        match &self.engine {
            Engine::Sqlite(sqlite) => {
                let missing = self.missing(scripts).await?;
                for script in &missing {
                    let sql = script.sql.replace("/* clustered */", "WITHOUT ROWID");
                    sqlite.writer().await.script(&format!("{sql};\n{}", note(script)))?;
                }
                self.say(&missing);
                Ok(missing.len())
            }
            Engine::Postgres(postgres) => {
                let script = postgres.unbounded().await?;
                // Copies that start together migrate one after the other; the lock ends with the connection.
                script
                    .run(&format!("SELECT pg_advisory_lock(hashtextextended('marquee {}', 0))", self.name()))
                    .await?;
                let known: Vec<(i64,)> = script.all(SCHEMA, &[&self.name()]).await?;
                if known.is_empty() {
                    script.run(&format!("CREATE SCHEMA {}", self.name())).await?;
                }
                script.run(TABLE).await?;
                let missing = self.compare(script.all(APPLIED, &[]).await?, POSTGRES, scripts)?;
                for wanted in &missing {
                    // The order of bytes, as on the other engine and in code.
                    let sql = wanted.sql.replace(" TEXT", " TEXT COLLATE \"C\"");
                    script.run(&format!("BEGIN;\n{sql};\n{};\nCOMMIT", note(wanted))).await?;
                }
                self.say(&missing);
                Ok(missing.len())
            }
        }
    }

    /// What changes rows that somebody has is worth a line; the tables of a new database are not.
    fn say(&self, applied: &[Migration]) {
        let is_new = applied.iter().any(|script| script.name == SQLITE[0].name);
        for script in applied {
            if is_new {
                tracing::debug!(db = self.name(), migration = script.name, "made");
            } else {
                tracing::info!(db = self.name(), migration = script.name, "migrated");
            }
        }
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
        match &self.engine {
            Engine::Sqlite(sqlite) => {
                sqlite.writer().await.script(TABLE)?;
                self.compare(self.all(APPLIED, &[]).await?, SQLITE, scripts)
            }
            Engine::Postgres(_) => {
                let begun: Vec<(i64,)> = self.all(BEGUN, &[&self.name()]).await?;
                let applied = if begun.is_empty() { Vec::new() } else { self.all(APPLIED, &[]).await? };
                self.compare(applied, POSTGRES, scripts)
            }
        }
    }

    /// What is missing among the seam's and the service's scripts.
    fn compare(
        &self,
        applied: Vec<(String, String)>,
        seam: &[Migration],
        scripts: &[Migration],
    ) -> Result<Vec<Migration>> {
        let wanted: Vec<Migration> = seam.iter().chain(scripts).copied().collect();
        let name = self.name();
        for (applied, sql) in &applied {
            let known = wanted.iter().find(|m| m.name == applied).ok_or_else(|| {
                Error::internal(format!("the database {name} has migration {applied} of a newer Marquee"))
            })?;
            if known.sql != sql {
                return Err(Error::internal(format!(
                    "migration {applied} of {name} was changed after it ran"
                )));
            }
        }
        Ok(wanted.into_iter().filter(|m| !applied.iter().any(|(name, _)| name == m.name)).collect())
    }
}

/// Writes down that a script has been applied.
fn note(script: &Migration) -> String {
    format!("INSERT INTO migrations VALUES ('{}', '{}')", script.name, script.sql.replace('\'', "''"))
}
