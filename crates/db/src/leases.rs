//! Leases: which of several processes does a piece of a service's work that only one may do at a time (its
//! relay, a partition of a stream), and how far that work has come.
//!
//! A lease is judged by the database's own clock, never by a process's. Its position moves in the
//! transaction of the work itself ([`Tx::advance`]), which fails once the lease has another owner: a
//! process that was stopped and comes back late can finish nothing. (Leases and fencing: Kleppmann,
//! "Designing Data-Intensive Applications", chapter 8, "The leader and the lock".)
//!
//! An embedded database has one process, by the lock on its directory: there a claim always succeeds.

use std::time::Duration;

use kernel::Result;

use crate::{Db, Tx, from_row};

/// How long a lease lasts without being renewed.
pub const LEASE: Duration = Duration::from_secs(2);

/// The database's time in milliseconds.
macro_rules! now {
    () => {
        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    };
}

const CLAIM_EMBEDDED: &str =
    "INSERT INTO leases (name, owner, until, position, mark) VALUES ($1, $2, $3, 0, '')
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until RETURNING position, mark";
const CLAIM: &str = concat!(
    "INSERT INTO leases (name, owner, until, position, mark) VALUES ($1, $2, $3 + ",
    now!(),
    ", 0, '') ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
    WHERE leases.owner = excluded.owner OR leases.until < ",
    now!(),
    " RETURNING position, mark"
);
/// Locked in the order of their names, as transactions lock those whose work they do.
const RENEW: &str = concat!(
    "WITH mine AS (SELECT name FROM leases WHERE owner = $1 ORDER BY name FOR UPDATE)
    UPDATE leases SET until = $2 + ",
    now!(),
    " FROM mine WHERE leases.name = mine.name RETURNING leases.name"
);
const MINE: &str = "SELECT name FROM leases WHERE owner = $1";
const ADVANCE_EMBEDDED: &str = "UPDATE leases SET position = $4, mark = $5, until = $6
    WHERE name = $1 AND owner = $2 AND position = $3";
const ADVANCE: &str = concat!(
    "UPDATE leases SET position = $4, mark = $5, until = $6 + ",
    now!(),
    " WHERE name = $1 AND owner = $2 AND position = $3"
);
const RELEASE: &str = "UPDATE leases SET owner = '', until = 0 WHERE owner = $1 AND name = $2";
const OWNERS: &str = concat!("SELECT name, owner FROM leases WHERE until >= ", now!());
const OWNERS_EMBEDDED: &str = "SELECT name, owner FROM leases WHERE owner <> ''";
const FORGET: &str = concat!("DELETE FROM leases WHERE name LIKE 'copy %' AND until < ", now!(), " - 60000");

/// A lease that was claimed, and how far its work has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The last position that its work has reached; 0 at first.
    pub position: i64,
    /// What the position counts in, e.g. one incarnation of a stream; empty at first.
    pub mark: String,
}
from_row!(Lease { position, mark });

impl Db {
    /// Claims the lease `name` for `owner`, a process's own random name. `None` if somebody else has it.
    /// Claiming again what one has renews it.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn claim(&self, owner: &str, name: &str) -> Result<Option<Lease>> {
        let sql = if self.is_shared() { CLAIM } else { CLAIM_EMBEDDED };
        self.write(|tx| async move { tx.optional(sql, &[&name, &owner, &length()]).await }).await
    }

    /// Renews all leases of `owner`; answers their names.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn renew(&self, owner: &str) -> Result<Vec<String>> {
        let rows: Vec<(String,)> = if self.is_shared() {
            self.write(|tx| async move { tx.all(RENEW, &[&owner, &length()]).await }).await?
        } else {
            self.all(MINE, &[&owner]).await?
        };
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// Gives a lease back, so that another process need not wait for its end.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn release(&self, owner: &str, name: &str) -> Result<()> {
        self.write(|tx| async move { tx.execute(RELEASE, &[&owner, &name]).await.map(drop) }).await
    }

    /// The leases that are held now, as name and owner.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn lease_owners(&self) -> Result<Vec<(String, String)>> {
        self.all(if self.is_shared() { OWNERS } else { OWNERS_EMBEDDED }, &[]).await
    }

    /// Says that the process `owner` is there (a lease of its own, `copy <owner>`), so that the others
    /// can tell how many share the work; forgets those that went away.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn present(&self, owner: &str) -> Result<()> {
        let (name, shared) = (&format!("copy {owner}"), self.is_shared());
        self.write(|tx| async move {
            if shared {
                tx.execute(FORGET, &[]).await?;
            }
            let sql = if shared { CLAIM } else { CLAIM_EMBEDDED };
            tx.optional::<Lease>(sql, &[name, &owner, &length()]).await.map(drop)
        })
        .await
    }
}

impl Tx {
    /// Moves the position of the lease `name` in this transaction. False if `owner` does not have the
    /// lease any more, or its position is not `from`: give the transaction up then.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn advance(&self, owner: &str, name: &str, from: i64, to: i64, mark: &str) -> Result<bool> {
        let sql = if self.is_shared() { ADVANCE } else { ADVANCE_EMBEDDED };
        Ok(self.execute(sql, &[&name, &owner, &from, &to, &mark, &length()]).await? == 1)
    }
}

fn length() -> i64 {
    i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX)
}
