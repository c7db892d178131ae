//! A lane for hot rows: commands of one kind queue up, one committer applies all that wait in one
//! transaction, and each caller gets its own answer. A crowd on one row rides in groups and does not
//! convoy on a lock.
//!
//! Whoever is answered well was made durable within [`LONGEST`] of asking. While a database does not keep up with that,
//! new commands are refused rather than queued.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use kernel::{Error, Kind, Result};
use metrics::{Counter, Histogram, counter, histogram};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::waiting::Waiters;
use crate::{Db, Tx};

/// Commands that may wait; more are refused with 503.
const QUEUE: usize = 8_192;
/// A group that fails after this time has waited for a database that is away.
const SLOW: Duration = Duration::from_secs(1);
/// What one transaction takes: commands, or what they weigh.
const GROUP: usize = 256;
/// While somebody has waited for so long, whoever comes is refused.
const LATE: Duration = Duration::from_secs(3);
/// Nobody waits longer than this: what is not durable by then is answered with 503, and may become so later.
const LONGEST: Duration = Duration::from_secs(8);

/// The way in. Clones share the queue; the committer ends with the last of them.
pub struct Lane<C, R> {
    queue: mpsc::Sender<Waiting<C, R>>,
    waiters: Arc<Waiters>,
    full: Counter,
    late: Counter,
}

struct Waiting<C, R> {
    command: C,
    caller: oneshot::Sender<Result<R>>,
    since: Instant,
}

impl<C, R> Clone for Lane<C, R> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            waiters: Arc::clone(&self.waiters),
            full: self.full.clone(),
            late: self.late.clone(),
        }
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
        Fut: Future<Output = Result<Vec<Result<R>>>> + Send + 'static,
    {
        Self::weighed(db, |_| 1, apply)
    }

    /// As [`Lane::start`], for commands of which some are as much work as many: `weigh` says as how many.
    pub fn weighed<F, Fut>(db: Db, weigh: fn(&C) -> usize, apply: F) -> Self
    where
        F: Fn(Tx, Arc<[C]>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<Result<R>>>> + Send + 'static,
    {
        let (sender, queue) = mpsc::channel(QUEUE);
        let waiters = db.waiters();
        let refused = |why| counter!("db_lane_refused_total", "db" => db.name(), "why" => why);
        let lane = Self {
            queue: sender,
            waiters: Arc::clone(&waiters),
            full: refused("full"),
            late: refused("late"),
        };
        let (size, time) =
            (histogram!("db_lane_size", "db" => db.name()), histogram!("db_lane_seconds", "db" => db.name()));
        tokio::spawn(Committer { db, weigh, apply, queue, waiters, size, time }.run());
        lane
    }

    /// Queues `command` and waits until its group is durable.
    ///
    /// # Errors
    /// Its own answer; `Unavailable` if the queue is full, if those before it have waited for too long already or in
    /// vain, or if it was not durable in time. In the last case it may become so later.
    pub async fn submit(&self, command: C) -> Result<R> {
        let since = Instant::now();
        if self.waiters.oldest(since) > LATE || self.waiters.is_tried() {
            self.late.increment(1);
            return Err(Error::unavailable("a lane does not keep up"));
        }
        let (caller, answered) = oneshot::channel();
        let _counted = self.waiters.count();
        self.queue.try_send(Waiting { command, caller, since }).map_err(|_| {
            self.full.increment(1);
            Error::unavailable("a lane is full")
        })?;
        answered.await.map_err(|_| Error::unavailable("a lane stopped"))?
    }
}

struct Committer<C, R, F> {
    db: Db,
    weigh: fn(&C) -> usize,
    apply: F,
    queue: mpsc::Receiver<Waiting<C, R>>,
    waiters: Arc<Waiters>,
    size: Histogram,
    time: Histogram,
}

impl<C, R, F, Fut> Committer<C, R, F>
where
    F: Fn(Tx, Arc<[C]>) -> Fut,
    Fut: Future<Output = Result<Vec<Result<R>>>>,
{
    async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let since = first.since;
            self.waiters.begin(since);
            let (commands, callers) = self.gather(first);
            if !commands.is_empty() {
                self.commit(commands, callers, since + LONGEST).await;
            }
            self.waiters.end();
            if self.waiters.is_away() {
                // Where the next group blocks its thread, those who were told now would hear of it only afterwards.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Those that wait behind `first`, as many as fit into a group.
    fn gather(&mut self, first: Waiting<C, R>) -> (Vec<C>, Vec<oneshot::Sender<Result<R>>>) {
        let (mut commands, mut callers, mut weight) = (Vec::new(), Vec::new(), 0);
        let mut next = Some(first);
        while let Some(Waiting { command, caller, .. }) = next {
            // Whoever went away while waiting wants nothing any more.
            if !caller.is_closed() {
                weight += (self.weigh)(&command);
                commands.push(command);
                callers.push(caller);
            }
            next = if weight < GROUP { self.queue.try_recv().ok() } else { None };
        }
        (commands, callers)
    }

    async fn commit(
        &mut self,
        commands: Vec<C>,
        callers: Vec<oneshot::Sender<Result<R>>>,
        deadline: Instant,
    ) {
        let (count, begun) = (callers.len(), Instant::now());
        if deadline <= begun {
            // Its time went by in the queue: what is not begun will not become durable after its answer.
            answer(callers, all(count, &Error::unavailable("a lane's group came too late to be tried")));
            return;
        }
        self.size.record(count as f64);
        let run = AssertUnwindSafe(self.transact(commands.into(), count)).catch_unwind();
        let whole = match timeout_at(deadline, run).await {
            Ok(Ok(whole)) => whole,
            // A bug in one group must not end the lane.
            Ok(Err(_)) => Err(Error::internal("a lane's group panicked")),
            Err(_) => Err(Error::unavailable("a lane's group was not durable in time")),
        };
        self.time.record(begun.elapsed());
        // Whoever queued behind a group that waited for the database in vain would wait as long, one
        // group after the other, and hears now instead. A refusal of one command says nothing of the database.
        let away = whole
            .as_ref()
            .err()
            .filter(|error| begun.elapsed() > SLOW && error.kind == Kind::Unavailable)
            .cloned();
        self.waiters.set_away(away.is_some());
        if let Some(error) = away {
            while let Ok(Waiting { caller, .. }) = self.queue.try_recv() {
                let _ = caller.send(Err(error.clone()));
            }
        }
        answer(callers, whole.unwrap_or_else(|error| all(count, &error)));
    }

    async fn transact(&self, commands: Arc<[C]>, count: usize) -> Result<Vec<Result<R>>> {
        self.db
            .write(|tx| {
                let running = (self.apply)(tx, Arc::clone(&commands));
                async move {
                    let answers = running.await?;
                    if answers.len() == count {
                        Ok(answers)
                    } else {
                        Err(Error::internal("a lane lost an answer"))
                    }
                }
            })
            .await
    }
}

/// Tells each caller its answer.
fn answer<R>(callers: Vec<oneshot::Sender<Result<R>>>, answers: Vec<Result<R>>) {
    for (caller, answer) in callers.into_iter().zip(answers) {
        // A caller that went away has no use for its answer.
        let _ = caller.send(answer);
    }
}

/// One error for everybody.
fn all<R>(count: usize, error: &Error) -> Vec<Result<R>> {
    (0..count).map(|_| Err(error.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Clock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_group_whose_time_went_by_in_the_queue_is_not_begun() {
        let home = tempfile::tempdir().unwrap();
        let db = Db::open_sqlite(&home.path().join("test.db"), "test", Clock::system()).unwrap();
        let begun = AtomicUsize::new(0);
        let mut committer = Committer {
            db,
            weigh: |_| 1,
            apply: |_, _| {
                begun.fetch_add(1, Ordering::SeqCst);
                async { Ok(vec![Ok(())]) }
            },
            queue: mpsc::channel(1).1,
            waiters: Arc::new(Waiters::new()),
            size: Histogram::noop(),
            time: Histogram::noop(),
        };
        let mut told = async |deadline| {
            let (caller, answered) = oneshot::channel();
            committer.commit(vec!["command"], vec![caller], deadline).await;
            answered.await.unwrap()
        };
        assert_eq!(told(Instant::now()).await.unwrap_err().kind, Kind::Unavailable);
        assert_eq!(begun.load(Ordering::SeqCst), 0);
        told(Instant::now() + LONGEST).await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }
}
