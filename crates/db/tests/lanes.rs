//! Lanes whose database hangs, by a clock that the tests drive. On SQLite, whose statements have no limits of their
//! own: what is seen here are the lane's.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use db::{Db, Lane};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use kernel::{Clock, Kind, Result};
use metrics_exporter_prometheus::PrometheusBuilder;
use tempfile::TempDir;
use tokio::task::yield_now;
use tokio::time::advance;

/// Commands that may wait in a queue.
const QUEUE: usize = 8_192;

struct Setup {
    db: Db,
    lane: Lane<usize, usize>,
    /// How many commands each group had.
    groups: Arc<Mutex<Vec<usize>>>,
    /// While it is there, time does not go on by itself where all tasks wait: they wait for threads.
    _time: mpsc::Sender<()>,
    _home: TempDir,
}

/// A lane of commands that say what they weigh, and are answered by how many came before.
fn setup() -> Setup {
    let home = TempDir::new().unwrap();
    let db = Db::open_sqlite(&home.path().join("test.db"), "test", Clock::system()).unwrap();
    let (groups, done) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let noted = Arc::clone(&groups);
    let lane = Lane::weighed(
        db.clone(),
        |weight| *weight,
        move |_, commands: Arc<[usize]>| {
            noted.lock().unwrap().push(commands.len());
            let done = Arc::clone(&done);
            async move { Ok(commands.iter().map(|_| Ok(done.fetch_add(1, Ordering::SeqCst))).collect()) }
        },
    );
    let (time, ended) = mpsc::channel();
    // Tokio's clock stands still while there is blocking work.
    tokio::task::spawn_blocking(move || ended.recv());
    Setup { db, lane, groups, _time: time, _home: home }
}

/// A job that keeps the one writer until it is told to end.
struct Hung(mpsc::Sender<()>, JoinHandle<()>);

impl Hung {
    fn new(db: &Db) -> Self {
        let (db, (end, ended), (begin, begun)) = (db.clone(), mpsc::channel(), mpsc::channel());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let hang = db.write(|_| {
                begin.send(()).unwrap();
                ended.recv().unwrap();
                async { Ok(()) }
            });
            runtime.block_on(hang).unwrap();
        });
        begun.recv().unwrap();
        Self(end, thread)
    }

    async fn end(self) {
        self.0.send(()).unwrap();
        // Its commit may come after those of the lane, whose turn is on this thread.
        tokio::task::spawn_blocking(|| self.1.join().unwrap()).await.unwrap();
    }
}

impl Setup {
    /// Submits commands; they wait, in their order, when this returns.
    async fn queue(&self, weights: &[usize]) -> Vec<tokio::task::JoinHandle<Result<usize>>> {
        let submit = |weight: &usize| {
            let (lane, weight) = (self.lane.clone(), *weight);
            tokio::spawn(async move { lane.submit(weight).await })
        };
        let wanted = self.db.waiting() + weights.len();
        let waiting = weights.iter().map(submit).collect();
        while self.db.waiting() < wanted {
            yield_now().await;
        }
        // The lane goes on as far as it can.
        for _ in 0..10 {
            yield_now().await;
        }
        waiting
    }

    /// The answer to a command that does not wait for it.
    fn at_once(&self) -> Option<Kind> {
        self.lane.submit(1).now_or_never()?.err().map(|error| error.kind)
    }
}

async fn all(waiting: Vec<tokio::task::JoinHandle<Result<usize>>>) -> Vec<Result<usize>> {
    join_all(waiting).await.into_iter().map(|answer| answer.unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_group_is_so_many_commands_or_what_they_weigh() {
    let setup = setup();
    let hung = Hung::new(&setup.db);
    let mut waiting = setup.queue(&[1]).await;
    waiting.extend(setup.queue(&[1; 300]).await);
    waiting.extend(setup.queue(&[200, 200, 1_000, 1]).await);
    assert_eq!(setup.db.waiting(), 305);
    hung.end().await;
    let places: Vec<usize> = all(waiting).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(places, (0..305).collect::<Vec<_>>(), "in the order of the queue");
    // 44 and twice 200 are more than enough, and so is one of 1,000.
    assert_eq!(*setup.groups.lock().unwrap(), [1, 256, 46, 1, 1]);
    assert_eq!(setup.db.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_takes_no_more_and_says_so() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _here = metrics::set_default_local_recorder(&recorder);
    let setup = setup();
    let hung = Hung::new(&setup.db);
    let mut waiting = setup.queue(&[1]).await;
    waiting.extend(setup.queue(&vec![1; QUEUE]).await);
    assert_eq!((setup.at_once(), setup.db.waiting()), (Some(Kind::Unavailable), QUEUE + 1));
    hung.end().await;
    assert!(all(waiting).await.iter().all(Result::is_ok));
    let told = recorder.handle().render();
    assert!(told.contains("db_lane_refused_total{db=\"test\",why=\"full\"} 1"), "{told}");
    assert!(told.contains("db_lane_refused_total{db=\"test\",why=\"late\"} 0"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn while_one_has_waited_for_too_long_whoever_comes_is_refused() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _here = metrics::set_default_local_recorder(&recorder);
    let setup = setup();
    let hung = Hung::new(&setup.db);
    let mut waiting = setup.queue(&[1]).await;
    advance(Duration::from_secs(3)).await;
    assert_eq!(setup.db.oldest_waiting(), Duration::from_secs(3));
    waiting.extend(setup.queue(&[1]).await);
    advance(Duration::from_millis(1)).await;
    assert_eq!((setup.at_once(), setup.db.waiting()), (Some(Kind::Unavailable), 2));
    hung.end().await;
    assert!(all(waiting).await.iter().all(Result::is_ok), "those who waited already are served");
    assert_eq!(setup.db.oldest_waiting(), Duration::ZERO);
    assert!(setup.lane.submit(1).await.is_ok(), "and so is who comes now");
    let told = recorder.handle().render();
    assert!(told.contains("db_lane_refused_total{db=\"test\",why=\"late\"} 1"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_longest_and_the_lane_goes_on() {
    let setup = setup();
    let hung = Hung::new(&setup.db);
    let mut waiting = setup.queue(&[1]).await;
    waiting.extend(setup.queue(&[1; 3]).await);
    advance(Duration::from_millis(7_999)).await;
    assert!(waiting.iter().all(|answer| !answer.is_finished()));
    advance(Duration::from_millis(2)).await;
    for answer in all(waiting).await {
        assert_eq!(answer.unwrap_err().kind, Kind::Unavailable);
    }
    assert_eq!(setup.db.waiting(), 0);

    // Now one finds out whether it is back; whoever else comes need not wait for that.
    let first = setup.queue(&[1]).await;
    assert_eq!((setup.at_once(), setup.db.waiting()), (Some(Kind::Unavailable), 1));
    hung.end().await;
    assert_eq!(all(first).await[0].clone().unwrap(), 0, "what was given up was not done");
    let crowd = join_all((0..100).map(|_| setup.lane.submit(1))).await;
    assert!(crowd.iter().all(Result::is_ok), "all is well again");
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_away_while_waiting_wants_nothing_any_more() {
    let setup = setup();
    let hung = Hung::new(&setup.db);
    let mut waiting = setup.queue(&[1]).await;
    waiting.extend(setup.queue(&[1; 4]).await);
    waiting.remove(2).abort();
    yield_now().await;
    assert_eq!(setup.db.waiting(), 4);
    hung.end().await;
    assert!(all(waiting).await.iter().all(Result::is_ok));
    assert_eq!(*setup.groups.lock().unwrap(), [1, 3]);
}
