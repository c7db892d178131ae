//! Two copies with one Redis as a register that is written and read at random, while copies are killed, and Redis
//! forgets all or stands still.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;

use super::copies::{BOUND, Copies, Looks};
use super::history::{Act, Done, Fault, faults, furthest_behind};
use super::writers::{Actor, Scene, hot};
use crate::chaos::Chance;

const PAIRS: usize = 3;
/// Those who write one user together.
const TOGETHER: usize = 3;
const READERS: usize = 8;
/// What happens while they do, and how often all of it.
const ROUNDS: usize = 2;
/// How long each control lasts, and how many may be needed to see something.
const CONTROL: Duration = Duration::from_secs(4);
const CONTROLS: u64 = 3;

struct Run {
    scene: Arc<Scene>,
    clients: Vec<tokio::task::JoinHandle<Actor>>,
    history: Vec<Done>,
}

impl Run {
    async fn begin(copies: &Copies, seed: u64) -> Self {
        eprintln!("seed {seed}");
        let (scene, person) = (Scene::new(copies.bases(), PAIRS), copies.person());
        let (id, history) = hot(&scene, &person).await;
        let (mut clients, mut number) = (Vec::new(), 0);
        let mut actor = || {
            number += 1;
            Actor::new(&scene, &person, number, seed)
        };
        clients.extend((0..PAIRS).map(|pair| tokio::spawn(actor().write_pair(pair))));
        clients.extend((0..TOGETHER).map(|_| tokio::spawn(actor().write_one(id.clone()))));
        clients.extend((0..READERS).map(|_| tokio::spawn(actor().read(id.clone()))));
        Self { scene, clients, history }
    }

    async fn end(self) -> Vec<Done> {
        let Self { scene, clients, mut history } = self;
        scene.stop.store(true, Ordering::SeqCst);
        for client in clients {
            history.extend(client.await.unwrap().history);
        }
        let reads = history.iter().filter(|done| matches!(done.act, Act::Read { .. })).count();
        eprintln!(
            "{} writes, {reads} reads, {} requests without an answer; no read was further behind than {:?}",
            history.len() - reads,
            scene.unanswered.load(Ordering::Relaxed),
            furthest_behind(&history),
        );
        history
    }
}

/// How often each fault is in a history.
fn count(history: &[Done]) -> BTreeMap<Fault, usize> {
    let mut count = BTreeMap::new();
    for (fault, _) in faults(history, BOUND) {
        *count.entry(fault).or_default() += 1;
    }
    count
}

/// Milliseconds that each key in Redis has left; -1 would be one that stays for ever.
async fn lives(copies: &Copies) -> Vec<(String, i64)> {
    let mut talk = talk(copies).await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut talk).await.unwrap();
    let mut lives = Vec::new();
    for key in keys {
        let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut talk).await.unwrap();
        // -2 has ended meanwhile.
        lives.extend((left != -2).then_some((key, left)));
    }
    lives
}

pub async fn talk(copies: &Copies) -> MultiplexedConnection {
    let client = redis::Client::open(copies.redis.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_older_than_the_bound_and_nobody_goes_back() {
    let Some(mut copies) = Copies::start(2, &[]).await else { return };
    let (begun, seed) = (Instant::now(), 20_261_121);
    let run = Run::begin(&copies, seed).await;
    let (mut chance, mut looks) = (Chance(seed), Looks::default());
    for round in 0..ROUNDS {
        tokio::time::sleep(Duration::from_millis(800 + chance.below(700))).await;
        copies.redis.flush().await;
        tokio::time::sleep(Duration::from_millis(500 + chance.below(700))).await;
        looks.add(Looks::of(&copies.processes[round % 2]).await);
        copies.processes[round % 2].kill().await;
        tokio::time::sleep(Duration::from_millis(chance.below(300))).await;
        copies.processes[round % 2].resume().await;
        *run.scene.bases.lock().unwrap() = copies.bases();
        tokio::time::sleep(Duration::from_millis(500 + chance.below(700))).await;
        copies.redis.flush().await;
        tokio::time::sleep(Duration::from_millis(500 + chance.below(700))).await;
        copies.redis.pause();
        tokio::time::sleep(Duration::from_secs(1)).await;
        copies.redis.resume();
        tokio::time::sleep(Duration::from_millis(500 + chance.below(700))).await;
    }
    let lives = lives(&copies).await;
    let history = run.end().await;
    for process in &copies.processes {
        looks.add(Looks::of(process).await);
    }
    eprintln!("{ROUNDS} kills, {} flushes, {looks:?}, in {:?}", 2 * ROUNDS, begun.elapsed());

    assert_eq!(faults(&history, BOUND).first(), None, "{:?}", count(&history));
    let reads = history.iter().filter(|done| matches!(done.act, Act::Read { .. })).count();
    assert!(reads > 1_000 && history.len() - reads > 100, "{reads} reads: that is no load");
    let all = looks.process + looks.redis + looks.missed;
    assert!(
        looks.process > all / 10.0 && looks.redis > all / 50.0,
        "hardly anything was remembered: {looks:?}"
    );
    let bound = i64::try_from(BOUND.as_millis()).unwrap();
    assert!(!lives.is_empty() && lives.iter().all(|(_, left)| (0..=bound).contains(left)), "{lives:?}");
    copies.processes[0].verify().await;
}

/// The negative control: copies that compare nothing are found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_guard_the_same_register_goes_back() {
    let Some(copies) = Copies::start(2, &[("MARQUEE_TEST_WITHOUT_GUARD", "1")]).await else { return };
    for seed in 1..=CONTROLS {
        let run = Run::begin(&copies, seed).await;
        tokio::time::sleep(CONTROL).await;
        let found = count(&run.end().await);
        eprintln!("without the guard: {found:?}");
        if found.contains_key(&Fault::Backwards) {
            return;
        }
    }
    panic!("nothing was seen");
}
