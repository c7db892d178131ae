//! A database that stands still under load: every increment has its answer in time, and none that is answered 200 was
//! ever ten seconds behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use engines::Postgres;
use kernel::Clock;
use reqwest::Method;
use testkit::{Client, Process, eventually};

use super::crashes::Told;
use super::{add, metric};
use crate::BINARY;

const TASKS: usize = 24;
/// How long the database stands still.
const HANG: Duration = Duration::from_secs(15);
/// How long an answer may take; that to a batch, whose parts follow one another, twice as long.
const BOUND: Duration = Duration::from_secs(9);
/// What nothing that is answered 200 may be behind (contract, Counters).
const PROMISE: f64 = 10.0;
/// Increments of a batch, which are some parts of it.
const BATCH: usize = 2_000;
/// Increments that are load, before the database stands still and afterwards.
const ENOUGH: usize = 200;
/// Much less than the seconds that somebody waits who is not refused at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// How somebody was answered.
struct Timed {
    begun: Instant,
    took: Duration,
    status: u16,
}

#[derive(Default)]
struct Seen {
    told: Told,
    times: Vec<Timed>,
}

impl Seen {
    /// Sends one increment, with an idempotency key or without, and looks at the clock.
    async fn one(&mut self, client: &Client, key: &str, once: Option<String>) {
        let begun = Instant::now();
        let answer = add(client, if once.is_some() { "keyed" } else { key }, 1, once.as_deref()).await;
        let (took, answer) = (begun.elapsed(), answer.expect("an answer"));
        let status = answer.status.as_u16();
        assert!(status == 200 || status == 503, "{}", answer.text);
        assert_eq!(status == 503, answer.headers.contains_key("retry-after"), "{}", answer.text);
        match (once, status) {
            (None, _) => {
                let sums = self.told.plain.entry(key.to_owned()).or_default();
                sums.sent += 1;
                sums.answered += i64::from(status == 200);
            }
            (Some(_), 200) => self.told.keyed.push(answer.json["newValue"].as_i64().unwrap()),
            (Some(once), _) => self.told.open.push(once),
        }
        self.times.push(Timed { begun, took, status });
    }

    /// Sends a batch: it is answered as a whole, and says of each increment what became of it.
    async fn batch(&mut self, client: &Client) {
        let begun = Instant::now();
        let request =
            client.request(Method::POST, "/api/increments").header("content-type", "application/x-ndjson");
        let body = "{\"key\":\"batch\",\"value\":1}\n".repeat(BATCH);
        let answer = client.try_send(request.body(body)).await.expect("an answer").expect(200);
        let took = begun.elapsed();
        assert!(took < 2 * BOUND, "a batch took {took:?}");
        assert_eq!(answer.text.lines().count(), BATCH);
        let counted = answer.text.lines().filter(|line| line.contains("newValue")).count();
        let sums = self.told.plain.entry("batch".into()).or_default();
        (sums.sent, sums.answered) = (sums.sent + BATCH as i64, sums.answered + counted as i64);
    }
}

async fn load(client: Client, task: usize, counted: Arc<AtomicUsize>, stop: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    for n in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        match (task, n % 3) {
            (0, _) => seen.batch(&client).await,
            (_, 0) => seen.one(&client, "hot", Some(format!("{task}-{n}"))).await,
            (_, _) => seen.one(&client, ["hot", "other"][n % 2], None).await,
        }
        let last = seen.times.last().map(|timed| timed.status);
        counted.fetch_add(usize::from(last == Some(200)), Ordering::SeqCst);
        if task == 0 || last == Some(503) {
            // As somebody who is told to come back would.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    seen
}

/// Reads the age until `stop`; answers the readings.
async fn watch(client: Client, stop: Arc<AtomicBool>) -> Vec<f64> {
    let mut ages = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let metrics = client.get("/metrics").await.expect(200).text;
        ages.push(metric(&metrics, "counter_oldest_unpersisted_age_seconds").expect("the age is there"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ages
}

/// Load before, while and after the database stands still.
async fn stands_still(process: &Process, hang: impl FnOnce(), go_on: impl FnOnce()) {
    let (stop, counted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let client = process.client();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(load(client.clone(), task, counted.clone(), stop.clone())))
        .collect();
    let watching = tokio::spawn(watch(client.clone(), stop.clone()));
    let more = async |than: usize| {
        eventually("there is load", async || (counted.load(Ordering::SeqCst) > than + ENOUGH).then_some(()))
            .await;
    };
    more(0).await;
    let hung = Instant::now();
    hang();
    tokio::time::sleep(HANG).await;
    let awake = Instant::now();
    go_on();
    eventually("it counts again", async || add(&client, "after", 1, None).await.filter(|a| a.status == 200))
        .await;
    let back = awake.elapsed();
    more(counted.load(Ordering::SeqCst)).await;
    stop.store(true, Ordering::SeqCst);
    let mut all = Seen::default();
    for task in tasks {
        let seen = task.await.unwrap();
        all.told.add(seen.told);
        all.times.extend(seen.times);
    }
    let ages = watching.await.unwrap();

    let longest =
        |status| all.times.iter().filter(|t| t.status == status).map(|t| t.took).max().unwrap_or_default();
    let oldest = ages.iter().copied().fold(0.0, f64::max);
    // Some seconds into it: whoever comes is refused at once, but for the one who finds out whether it is over.
    let late = |t: &&Timed| t.begun > hung + Duration::from_secs(5) && t.begun + t.took < awake;
    let (quick, slow): (Vec<&Timed>, Vec<&Timed>) =
        all.times.iter().filter(late).partition(|timed| timed.took < AT_ONCE);
    eprintln!(
        "{} answers; the longest 200 took {:?}, the longest 503 {:?}; {} were refused at once, {} not; the oldest of {} \
         readings was {oldest:.1} s; counted again after {back:?}",
        all.times.len(),
        longest(200),
        longest(503),
        quick.len(),
        slow.len(),
        ages.len(),
    );
    assert!(longest(200).max(longest(503)) < BOUND);
    assert!(oldest < PROMISE, "{oldest} s");
    assert!(!ages.is_empty(), "nobody looked");
    assert!(
        quick.len() > 20 * slow.len().max(1),
        "{} were refused at once, {} waited",
        quick.len(),
        slow.len()
    );
    assert!(quick.iter().all(|timed| timed.status == 503), "what was counted while nothing could be?");

    all.told.repeat(&client).await;
    all.told.check(&client).await;
}

/// What it says of each request that it refuses is not for here.
fn quiet(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let all = [("RUST_LOG", "off")].iter().chain(more);
    all.map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

async fn start(env: Vec<(String, String)>) -> Process {
    Process::start_with(BINARY.to_owned(), vec!["--open-counters".to_owned()], env).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_stands_still_is_answered_in_time() {
    let Some(server) = Postgres::start().await else { return };
    let database = server.database().await;
    let process = start(quiet(&[("DATABASE_URL", database.url()), ("JWT_KEY", "a key of this test")])).await;
    stands_still(&process, || server.pause(), || server.resume()).await;
    process.verify().await;
}

/// The file is locked by another process, as by somebody who looks into it with a tool and forgets a transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_is_a_file_that_somebody_else_has_locked() {
    let process = start(quiet(&[])).await;
    let db = db::Db::open_sqlite(&process.data().join("counters.db"), "counters", Clock::system()).unwrap();
    let (end, ended) = mpsc::channel::<()>();
    let hang = move || {
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let lock = db.write(|_| {
                let _ = ended.recv();
                async { Ok(()) }
            });
            runtime.block_on(lock).unwrap();
        });
    };
    stands_still(&process, hang, move || drop(end)).await;
    process.verify().await;
}
