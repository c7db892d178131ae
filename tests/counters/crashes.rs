//! kill -9 under load: what was answered is counted, what was not sent is not, and what is sent again under its key
//! counts once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use testkit::{Client, Installation, Topology, eventually};

use super::{add, value};
use crate::BINARY;

const KILLS: usize = 20;
const TASKS: usize = 12;
/// How long the load runs before each kill.
const LOAD: [u64; 5] = [60, 150, 20, 240, 100];
/// What every keyed increment adds 1 to.
const KEYED: &str = "keyed";

/// What was sent to a counter and what of it was answered 200.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    pub answered: i64,
    pub sent: i64,
}

impl Sums {
    /// What is wrong with a counter that is `value`.
    pub fn fault(self, value: i64) -> Option<String> {
        let is_right = (self.answered..=self.sent).contains(&value);
        (!is_right).then(|| format!("it is {value}, {} was answered, {} was sent", self.answered, self.sent))
    }
}

/// What somebody who counts was told.
#[derive(Debug, Default)]
pub struct Told {
    pub plain: BTreeMap<String, Sums>,
    /// What the counter was each time, of those with a key that were answered.
    pub keyed: Vec<i64>,
    /// The keys of those that were not.
    pub open: Vec<String>,
}

impl Told {
    pub fn add(&mut self, more: Self) {
        for (key, Sums { answered, sent }) in more.plain {
            let sums = self.plain.entry(key).or_default();
            (sums.answered, sums.sent) = (sums.answered + answered, sums.sent + sent);
        }
        self.keyed.extend(more.keyed);
        self.open.extend(more.open);
    }

    /// Adds to a counter; answers whether that was answered 200.
    pub async fn plain(&mut self, client: &Client, key: &str, amount: i64) -> bool {
        let sums = self.plain.entry(key.to_owned()).or_default();
        sums.sent += amount;
        let done = add(client, key, amount, None).await.is_some_and(|answer| answer.status == 200);
        sums.answered += if done { amount } else { 0 };
        done
    }

    /// Counts one more under a key of its own.
    pub async fn once(&mut self, client: &Client, once: String) -> bool {
        match add(client, KEYED, 1, Some(&once)).await {
            Some(answer) if answer.status == 200 => {
                self.keyed.push(answer.json["newValue"].as_i64().unwrap())
            }
            _ => {
                self.open.push(once);
                return false;
            }
        }
        true
    }

    /// Sends again what was not answered, until it is.
    pub async fn repeat(&mut self, client: &Client) {
        for once in std::mem::take(&mut self.open) {
            let answer = eventually("it is answered", async || {
                add(client, KEYED, 1, Some(&once)).await.filter(|answer| answer.status == 200)
            });
            self.keyed.push(answer.await.json["newValue"].as_i64().unwrap());
        }
    }

    /// Each counter is within what was answered and sent; those with keys were counted once each, exactly.
    pub async fn check(&self, client: &Client) {
        for (key, sums) in &self.plain {
            assert_eq!(sums.fault(value(client, key).await), None, "{key}");
        }
        if self.open.is_empty() {
            assert_eq!(value(client, KEYED).await, self.keyed.len() as i64);
            let mut values = self.keyed.clone();
            values.sort_unstable();
            assert_eq!(values, (1..=values.len() as i64).collect::<Vec<_>>(), "each number once");
        }
    }
}

/// Counts in one way and the other until no answer comes.
async fn count(client: Client, name: String, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    for n in 0.. {
        let goes_on = match n % 3 {
            // None below zero: what is not answered may be counted or not, and only adds then.
            0 => told.plain(&client, "hot", n % 7).await,
            1 => told.plain(&client, &format!("of-{}", n % 5), 1).await,
            _ => told.once(&client, format!("{name}-{n}")).await,
        };
        if !goes_on || stop.load(Ordering::SeqCst) {
            break;
        }
    }
    told
}

async fn twenty_kills(mut house: Installation) {
    let begun = Instant::now();
    let mut told = Told::default();
    for kill in 0..KILLS {
        let stop = Arc::new(AtomicBool::new(false));
        let client = house.processes[0].client();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| tokio::spawn(count(client.clone(), format!("{kill}-{task}"), stop.clone())))
            .collect();
        tokio::time::sleep(Duration::from_millis(LOAD[kill % LOAD.len()])).await;
        house.processes[0].kill().await;
        stop.store(true, Ordering::SeqCst);
        for task in tasks {
            told.add(task.await.unwrap());
        }
        house.processes[0].resume().await;
        let client = house.processes[0].client();
        told.check(&client).await;
        told.repeat(&client).await;
        told.check(&client).await;
    }
    let answered = told.keyed.len();
    eprintln!(
        "{KILLS} kills, {answered} increments with a key, hot: {:?}, in {:?}",
        told.plain["hot"],
        begun.elapsed()
    );
    assert!(answered > 200, "only {answered}: that is no load");
    assert!(told.plain.values().any(|sums| sums.answered < sums.sent), "no kill met anybody");
    house.lead();
    house.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_nothing_and_count_nothing_twice() {
    twenty_kills(Installation::start(BINARY, Topology::One, &["--open-counters"]).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_do_they_on_postgresql() {
    let flags = ["--open-counters"];
    let Some(house) = Installation::start(BINARY, Topology::Copies(1), &flags).await else { return };
    twenty_kills(house).await;
}

/// The negative control: whoever answers before the disk has it is found out, and so is whoever counts a repetition.
#[test]
fn an_answer_before_its_commit_would_be_seen() {
    let (mut memory, mut disk, mut sums) = (0, 0, Sums::default());
    for n in 1..=25 {
        sums.sent += 1;
        memory += 1;
        sums.answered += 1;
        // Written back every now and then.
        if n % 10 == 0 {
            disk = memory;
        }
    }
    let after_a_crash = disk;
    assert_eq!(sums.fault(memory), None);
    assert!(sums.fault(after_a_crash).is_some());
    assert!(sums.fault(memory + 1).is_some());
}
