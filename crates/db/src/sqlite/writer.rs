//! The one connection that writes, and the group of jobs that its next `COMMIT` makes durable.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use kernel::{Error, Result};
use metrics::Histogram;
use tokio::sync::{Notify, oneshot};

use super::connection::{Connection, named};
use crate::tx::After;

pub(crate) struct Writer {
    pub(crate) connection: Connection,
    name: &'static str,
    seconds: Histogram,
    sizes: Histogram,
    open: bool,
    /// Whether the running job has a savepoint; the first of a group needs none, for there is nothing else to keep.
    savepoint: bool,
    /// When a group could last not begin, for the file was not to be had.
    refused: Option<Instant>,
    waiting: Vec<Waiting>,
}

/// A job that has run and waits for its group to be durable.
struct Waiting {
    done: oneshot::Sender<Result<()>>,
    after: After,
}

/// Jobs whose fate is known.
pub(super) struct Group {
    waiting: Vec<Waiting>,
    fate: Result<()>,
}

impl Group {
    /// Tells everybody; outside the lock, so that the next group already runs.
    pub(super) fn answer(self) {
        let mut bells: Vec<Arc<Notify>> = Vec::new();
        for job in self.waiting {
            if self.fate.is_ok() {
                let After { calls, outbox } = job.after;
                After { calls, outbox: None }.run();
                if let Some(bell) = outbox.filter(|b| !bells.iter().any(|known| Arc::ptr_eq(known, b))) {
                    bells.push(bell);
                }
            }
            // A caller that went away meanwhile is not told.
            let _ = job.done.send(self.fate.clone());
        }
        for bell in bells {
            bell.notify_one();
        }
    }
}

impl Writer {
    /// Opens the file. `seconds` and `sizes` are told of each commit.
    pub(super) fn open(
        path: &Path,
        name: &'static str,
        seconds: Histogram,
        sizes: Histogram,
    ) -> Result<Self> {
        Ok(Self {
            connection: Connection::open(path, true)?,
            name,
            seconds,
            sizes,
            open: false,
            savepoint: false,
            refused: None,
            waiting: Vec::new(),
        })
    }

    /// Makes room for a job: a group if none is open, else a savepoint in it, which costs a copy of every
    /// page that the job touches. True if the group is new and wants a committer.
    pub(super) fn begin_job(&mut self) -> Result<bool> {
        self.savepoint = self.open && !self.waiting.is_empty();
        if self.savepoint {
            if let Err(error) = self.statement("SAVEPOINT job") {
                self.check_group(&error);
                return Err(error);
            }
            return Ok(false);
        }
        if self.open {
            return Ok(false);
        }
        // IMMEDIATE: a transaction that reads first could not become a writer later.
        if let Err(error) = self.statement("BEGIN IMMEDIATE") {
            self.refused = Some(Instant::now());
            return Err(error);
        }
        self.open = true;
        Ok(true)
    }

    /// Whether the file was not to be had at a time when a job that waits since `since` waited already.
    pub(super) fn was_refused(&self, since: Instant) -> bool {
        self.refused.is_some_and(|refused| refused > since)
    }

    /// Keeps what the job did; the receiver hears when it is durable.
    pub(super) fn keep_job(&mut self, after: After) -> Result<oneshot::Receiver<Result<()>>> {
        // A job may have swallowed the error that ended the whole transaction.
        let kept = if self.savepoint { self.statement("RELEASE job") } else { Ok(()) };
        let lost = || Error::unavailable("the transaction ended under a job");
        if let Err(error) = kept {
            self.check_group(&error);
            return Err(lost().because(error));
        }
        if self.connection.raw.is_autocommit() {
            self.check_group(&lost());
            return Err(lost());
        }
        let (done, durable) = oneshot::channel();
        self.waiting.push(Waiting { done, after });
        Ok(durable)
    }

    /// Undoes what the job did and nothing else of its group.
    pub(super) fn undo_job(&mut self, error: &Error) {
        if !self.savepoint {
            self.open = false;
            // After an error that ended the transaction by itself there is none left to roll back.
            if !self.connection.raw.is_autocommit() {
                let _ = self.statement("ROLLBACK");
            }
            return;
        }
        let undone = self.statement("ROLLBACK TO job").and_then(|()| self.statement("RELEASE job"));
        if let Err(engine) = undone {
            tracing::error!(db = self.name, %error, "a job could not be undone, its group is given up");
            // Whatever state the savepoint is in, the group must not be committed with half a job in it.
            let _ = self.statement("ROLLBACK");
            self.open = false;
            self.fail(&engine);
        }
    }

    /// A full disk may end the outer transaction under us (sqlite.org/lang_transaction.html, section 3);
    /// the jobs already in it are gone, and nobody may be told otherwise.
    fn check_group(&mut self, error: &Error) {
        if self.open && self.connection.raw.is_autocommit() {
            self.open = false;
            self.fail(error);
        }
    }

    fn fail(&mut self, error: &Error) {
        let fate = Err(Error::unavailable("the group was rolled back").because(error.clone()));
        Group { waiting: std::mem::take(&mut self.waiting), fate }.answer();
    }

    /// Makes the group durable.
    pub(super) fn commit(&mut self) -> Group {
        let waiting = std::mem::take(&mut self.waiting);
        if !self.open {
            return Group { waiting, fate: Ok(()) };
        }
        self.open = false;
        self.sizes.record(waiting.len() as f64);
        let begun = Instant::now();
        let committed = self.statement("COMMIT");
        self.seconds.record(begun.elapsed());
        let fate = committed.map_err(|error| {
            tracing::error!(db = self.name, jobs = waiting.len(), error = ?error, "a commit failed");
            if !self.connection.raw.is_autocommit() {
                // If even this fails the next BEGIN does too, and says so to its caller.
                let _ = self.statement("ROLLBACK");
            }
            Error::unavailable("the commit failed").because(error)
        });
        Group { waiting, fate }
    }

    fn statement(&mut self, sql: &'static str) -> Result<()> {
        self.connection.execute::<i64>(sql, []).map(drop)
    }

    /// Commits what is open now rather than when the committer comes.
    pub(crate) fn settle(&mut self) {
        self.commit().answer();
    }

    /// Runs a script of several statements in a transaction of its own.
    pub(crate) fn script(&mut self, sql: &str) -> Result<()> {
        self.settle();
        self.connection.raw.execute_batch(&format!("BEGIN IMMEDIATE;\n{sql}\n;COMMIT;")).map_err(|error| {
            if !self.connection.raw.is_autocommit() {
                let _ = self.statement("ROLLBACK");
            }
            named(error)
        })
    }
}
