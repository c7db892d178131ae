//! The peer on PostgreSQL: `pgbench`, one increment a transaction, as one would write it first.

use std::time::Duration;

use engines::Database;
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::Result;
use crate::increments::keys::Keys;
use crate::load::Load;
use crate::pgbench::{self, connect};

const TABLE: &str = "CREATE TABLE counters (key TEXT COLLATE \"C\" PRIMARY KEY, value BIGINT NOT NULL)";
const FILL: &str = "INSERT INTO counters (key, value)
    SELECT CAST(n AS TEXT), 0 FROM generate_series(CAST($1 AS BIGINT), CAST($2 AS BIGINT)) n";
const SUM: &str = "SELECT CAST(COALESCE(SUM(value), 0) AS BIGINT) FROM counters";

/// pgbench and its database, which is on the same server as Marquee's.
pub struct Upsert {
    database: Database,
    client: Client,
    scripts: TempDir,
}

impl Upsert {
    /// Makes the table, with all of the keys in it.
    pub async fn start(database: Database, keys: &[usize]) -> Result<Self> {
        let (client, scripts) = (connect(database.url()).await?, TempDir::new()?);
        client.batch_execute(TABLE).await?;
        for keys in keys {
            let (first, last) = Keys(*keys).span();
            client.execute(FILL, &[&i64::try_from(first)?, &i64::try_from(last)?]).await?;
            std::fs::write(scripts.path().join(keys.to_string()), script(Keys(*keys)))?;
        }
        client.batch_execute("VACUUM ANALYZE counters").await?;
        Ok(Self { database, client, scripts })
    }

    /// Adds to the keys for `seconds`. Fails if the table does not show what pgbench counts.
    pub async fn drive(&mut self, keys: Keys, connections: usize, seconds: Duration) -> Result<Load> {
        let before = self.sum().await?;
        let mut command = pgbench::command(connections, seconds)?;
        command.arg("-f").arg(self.scripts.path().join(keys.0.to_string())).arg(self.database.url());
        let load = pgbench::run(command).await?;
        let counted = self.sum().await? - before;
        if counted != i64::try_from(load.answers)? {
            return Err(format!("pgbench counts {} increments; its table, {counted}", load.answers).into());
        }
        Ok(load)
    }

    async fn sum(&self) -> Result<i64> {
        Ok(self.client.query_one(SUM, &[]).await?.get(0))
    }
}

/// One statement, which is a transaction by itself. What pgbench sends is text, and so is a key.
fn script(keys: Keys) -> String {
    let (first, last) = keys.span();
    let key = if first == last { format!("{first}") } else { format!("random({first}, {last})") };
    format!(
        "\\set key {key}\nINSERT INTO counters (key, value) VALUES (:key, 1) \
         ON CONFLICT (key) DO UPDATE SET value = counters.value + 1 RETURNING value;\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_is_always_the_same() {
        assert!(script(Keys(1)).starts_with("\\set key 1000100000\n"));
        assert!(script(Keys(10)).starts_with("\\set key random(1001000000, 1001000009)\n"));
    }
}
