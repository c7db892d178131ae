//! A lane for hot rows: commands of one kind queue up, one committer applies all that wait in one
//! transaction, and each caller gets its own answer. A crowd on one row rides in groups and does not
//! convoy on a lock.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use kernel::{Error, Kind, Result};
use tokio::sync::{mpsc, oneshot};

use crate::{Db, Tx};

/// Commands that may wait; more are refused with 503.
const QUEUE: usize = 8_192;
/// A group that fails after this time has waited for a database that is away.
const SLOW: Duration = Duration::from_secs(1);
/// Commands in one transaction.
const GROUP: usize = 256;

/// The way in. Clones share the queue; the committer ends with the last of them.
pub struct Lane<C, R>(mpsc::Sender<Waiting<C, R>>);

type Waiting<C, R> = (C, oneshot::Sender<Result<R>>);

impl<C, R> Clone for Lane<C, R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C, R> Lane<C, R>
where
    C: Send + Sync + 'static,
    R: Send + 'static,
{
    /// Starts the committer on the current runtime. `apply` runs inside one transaction and answers the
    /// commands in order; an `Err` among the answers is that caller's alone and must have changed nothing,
    /// an `Err` as a whole undoes everything.
    pub fn start<F, Fut>(db: Db, apply: F) -> Self
    where
        F: Fn(Tx, Arc<[C]>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<Result<R>>>> + Send,
    {
        let (sender, mut queue) = mpsc::channel::<Waiting<C, R>>(QUEUE);
        tokio::spawn(async move {
            let mut waiting = Vec::with_capacity(GROUP);
            while queue.recv_many(&mut waiting, GROUP).await > 0 {
                // Whoever went away while waiting wants nothing any more.
                waiting.retain(|(_, caller)| !caller.is_closed());
                let (commands, callers): (Vec<C>, Vec<_>) = waiting.drain(..).unzip();
                let commands: Arc<[C]> = commands.into();
                let (count, begun) = (callers.len(), Instant::now());
                let run = AssertUnwindSafe(run(&db, &apply, commands, count)).catch_unwind().await;
                // A bug in one group must not end the lane.
                let answers = run.unwrap_or_else(|_| {
                    (0..count).map(|_| Err(Error::internal("a lane's group panicked"))).collect()
                });
                // Whoever queued behind a group that waited for the database in vain would wait as long, one
                // group after the other, and hears now instead.
                let away = answers
                    .iter()
                    .find_map(|answer| answer.as_ref().err())
                    .filter(|_| begun.elapsed() > SLOW);
                if let Some(error) = away.filter(|error| error.kind == Kind::Unavailable).cloned() {
                    while let Ok((_, caller)) = queue.try_recv() {
                        let _ = caller.send(Err(error.clone()));
                    }
                }
                for (caller, answer) in callers.into_iter().zip(answers) {
                    // A caller that went away has no use for its answer.
                    let _ = caller.send(answer);
                }
            }
        });
        Self(sender)
    }

    /// Queues `command` and waits until its group is durable.
    ///
    /// # Errors
    /// Its own answer; `Unavailable` if the queue is full or the commit failed.
    pub async fn submit(&self, command: C) -> Result<R> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send((command, answer)).map_err(|_| Error::unavailable("a lane is full"))?;
        answered.await.map_err(|_| Error::unavailable("a lane stopped"))?
    }
}

async fn run<C, R, F, Fut>(db: &Db, apply: &F, commands: Arc<[C]>, count: usize) -> Vec<Result<R>>
where
    F: Fn(Tx, Arc<[C]>) -> Fut,
    Fut: Future<Output = Result<Vec<Result<R>>>>,
{
    metrics::histogram!("db_lane_size", "db" => db.name()).record(count as f64);
    let whole = db
        .write(|tx| {
            let running = apply(tx, Arc::clone(&commands));
            async move {
                let answers = running.await?;
                if answers.len() == count {
                    Ok(answers)
                } else {
                    Err(Error::internal("a lane lost an answer"))
                }
            }
        })
        .await;
    match whole {
        Ok(answers) => answers,
        Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
    }
}
