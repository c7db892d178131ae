//! A crowd is given each number once, by one process or by three, and rides in groups.

use serde_json::Value;
use testkit::{Client, Installation, Process, Topology, eventually};

use super::{add, metric, value};
use crate::BINARY;

const TASKS: usize = 32;
const EACH: usize = 100;

/// Counts 1 so often at each of `doors` in turn; answers what the key came to each time.
async fn crowd(doors: &[Client], keys: &'static [&'static str]) -> Vec<(&'static str, i64)> {
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let door = doors[task % doors.len()].clone();
            tokio::spawn(async move {
                let mut told = Vec::new();
                for n in 0..EACH {
                    let key = keys[(task + n) % keys.len()];
                    let answer = add(&door, key, 1, None).await.expect("an answer").expect(200);
                    told.push((key, answer.json["newValue"].as_i64().unwrap()));
                }
                told
            })
        })
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        told.extend(task.await.unwrap());
    }
    told
}

/// Each of 1, 2, 3 … was told once, and the counter is the last of them.
async fn each_once(door: &Client, key: &str, told: &[(&str, i64)]) {
    let mut values: Vec<i64> = told.iter().filter(|(of, _)| *of == key).map(|(_, value)| *value).collect();
    values.sort_unstable();
    assert_eq!(values, (1..=values.len() as i64).collect::<Vec<_>>(), "{key}");
    assert_eq!(value(door, key).await, values.len() as i64);
}

async fn in_one_process(house: &Installation) {
    let mut person = house.processes[0].client();
    person.sign_up("ada@example.com").await;
    let told = crowd(std::slice::from_ref(&person), &["hot"]).await;
    assert_eq!(told.len(), TASKS * EACH);
    each_once(&person, "hot", &told).await;
    house.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_at_one_key_are_given_each_number_once() {
    in_one_process(&Installation::start(BINARY, Topology::One, &[]).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_are_they_on_postgresql() {
    let Some(house) = Installation::start(BINARY, Topology::Copies(1), &[]).await else { return };
    in_one_process(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_give_each_number_once_and_still_go_in_groups() {
    const KEYS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let Some(house) = Installation::start(BINARY, Topology::Copies(3), &[]).await else { return };
    let mut person = house.client();
    person.sign_up("ada@example.com").await;
    let doors: Vec<Client> = house.processes.iter().map(|process| person.at(process.base().into())).collect();
    let told = crowd(&doors, &["hot"]).await;
    each_once(&person, "hot", &told).await;
    for door in &doors {
        let metrics = door.get("/metrics").await.expect(200).text;
        let [sum, count] =
            ["sum", "count"].map(|part| metric(&metrics, &format!("counter_batch_size_{part}")).unwrap());
        let share = (TASKS * EACH / doors.len()) as f64;
        assert!(sum > share / 2.0, "{sum} of about {share}: the load was not spread");
        eprintln!("{sum} increments of one key in {count} transactions beside two other processes");
        assert!(sum / count > 2.0, "{sum} increments in {count} transactions: hardly any groups");
    }
    let told = crowd(&doors, &KEYS).await;
    for key in KEYS {
        each_once(&person, key, &told).await;
    }
    house.verify().await;
}

/// What one request may make a process hold, by the kernel's account of it: the worst that a body of the longest kind
/// can do is a sentence for every three bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worst_batch_takes_bounded_memory() {
    const ROOM: u64 = 160 << 10;
    let process = Process::start(BINARY, &["--open-counters"]).await;
    let client = process.client();
    let batch = async |body: String| {
        let request = client.request(reqwest::Method::POST, "/api/increments");
        let request = request.header("content-type", "application/x-ndjson").body(body);
        client.try_send(request).await.ok()
    };
    let good = "{\"key\":\"hot\",\"value\":1}\n";
    let answer = batch(good.repeat(100_000)).await.unwrap().expect(200);
    let last: Value = serde_json::from_str(answer.text.lines().last().unwrap()).unwrap();
    assert_eq!((answer.text.lines().count(), last["newValue"].as_i64()), (100_000, Some(100_000)));
    assert_eq!(value(&client, "hot").await, 100_000);
    let before = most_memory(&process);
    // The connection may end before all was sent: so much is not even read.
    if let Some(answer) = batch("{}\n".repeat((8 << 20) / 3)).await {
        let last: Value = serde_json::from_str(answer.expect(200).text.lines().last().unwrap()).unwrap();
        assert_eq!(last["error"]["status"], 413);
    }
    let after = most_memory(&process);
    eprintln!("{} MiB, and {} MiB more for the worst batch", before >> 10, (after - before) >> 10);
    assert!(after - before < ROOM, "{before} KiB became {after} KiB");
    eventually("it goes on", async || add(&client, "hot", 1, None).await.filter(|a| a.status == 200)).await;
}

/// The most memory that a process ever had, in KiB (proc_pid_status(5), VmHWM).
fn most_memory(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
