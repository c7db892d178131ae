//! Redis stopped, restarted, standing still, and away at a start: nobody who looks up is told, or waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use testkit::{Process, eventually};

use super::copies::{Copies, Looks, Person, series};

const TASKS: usize = 8;
const USERS: usize = 16;
/// How long Redis stands still.
const HANG: Duration = Duration::from_secs(3);
/// How long an answer may take: no more than without Redis, and the time limits of a few calls.
const LONGEST: Duration = Duration::from_secs(1);

/// Looks up one after the other, and writes now and then, until `stop`; answers how many times, and the longest it took.
async fn load(
    mut person: Person,
    base: String,
    ids: Arc<Vec<String>>,
    stop: Arc<AtomicBool>,
) -> (usize, Duration) {
    let (mut asked, mut longest) = (0, Duration::ZERO);
    while !stop.load(Ordering::SeqCst) {
        let path = format!("/api/users?id={}", ids[asked % ids.len()]);
        let began = Instant::now();
        let answer = person.ask(&base, Method::GET, &path, None).await.expect("an answer");
        longest = longest.max(began.elapsed());
        answer.expect(200);
        asked += 1;
        if asked.is_multiple_of(200) {
            let path = format!("/api/users/{}", ids[asked % ids.len()]);
            let body = json!({"email": format!("user{}@example.com", asked % ids.len())});
            person.ask(&base, Method::PATCH, &path, Some(body)).await.expect("an answer").expect(200);
        }
        // Slow enough that the machine is not what they wait for.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (asked, longest)
}

/// What a process says of Redis, and how often it was answered from there.
async fn redis(process: &Process) -> (f64, f64) {
    let text = process.client().get("/metrics").await.expect(200).text;
    (series(&text, "cache_redis_up", &[]), Looks::of(process).await.redis)
}

async fn is_away(process: &Process) {
    eventually("it is said that Redis is away", async || (redis(process).await.0 == 0.0).then_some(())).await;
}

/// Redis is used again, by itself.
async fn is_back(process: &Process) {
    let began = Instant::now();
    eventually("Redis is back", async || (redis(process).await.0 == 1.0).then_some(())).await;
    let before = redis(process).await.1;
    eventually("it answers", async || (redis(process).await.1 > before).then_some(())).await;
    eprintln!("Redis was used again after {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_stops_restarts_and_stands_still_and_nobody_notices() {
    // Without entries of its own, so that it is Redis that matters.
    let Some(mut copies) = Copies::start(1, &[("CACHE_ENTRIES", "0")]).await else { return };
    let (mut boss, base) = (copies.person(), copies.bases().remove(0));
    let mut ids = Vec::new();
    for n in 0..USERS {
        let body = json!({"username": format!("user{n}")});
        let made = boss.ask(&base, Method::POST, "/user", Some(body)).await.unwrap();
        ids.push(made.expect(201).text_of("id"));
    }
    let (ids, stop) = (Arc::new(ids), Arc::new(AtomicBool::new(false)));
    let all = |base: &str, stop: &Arc<AtomicBool>| -> Vec<_> {
        let task =
            |_| tokio::spawn(load(copies.person(), base.to_owned(), Arc::clone(&ids), Arc::clone(stop)));
        (0..TASKS).map(task).collect()
    };
    let tasks = all(&base, &stop);
    is_back(&copies.processes[0]).await;

    copies.redis.kill().await;
    is_away(&copies.processes[0]).await;
    copies.redis.restart().await;
    is_back(&copies.processes[0]).await;

    copies.redis.pause();
    let paused = Instant::now();
    is_away(&copies.processes[0]).await;
    tokio::time::sleep(HANG.saturating_sub(paused.elapsed())).await;
    copies.redis.resume();
    is_back(&copies.processes[0]).await;
    stop.store(true, Ordering::SeqCst);
    finish(tasks).await;

    // It is away when a copy starts.
    copies.redis.kill().await;
    copies.processes[0].kill().await;
    copies.processes[0].resume().await;
    let (base, stop) = (copies.bases().remove(0), Arc::new(AtomicBool::new(false)));
    let path = format!("/api/users?id={}", ids[0]);
    boss.ask(&base, Method::GET, &path, None).await.expect("an answer").expect(200);
    is_away(&copies.processes[0]).await;
    let task = |_| tokio::spawn(load(copies.person(), base.clone(), Arc::clone(&ids), Arc::clone(&stop)));
    let tasks: Vec<_> = (0..TASKS).map(task).collect();
    copies.redis.restart().await;
    is_back(&copies.processes[0]).await;
    stop.store(true, Ordering::SeqCst);
    finish(tasks).await;
}

async fn finish(tasks: Vec<tokio::task::JoinHandle<(usize, Duration)>>) {
    let (mut all, mut longest) = (0, Duration::ZERO);
    for task in tasks {
        let (asked, took) = task.await.unwrap();
        (all, longest) = (all + asked, longest.max(took));
    }
    eprintln!("{all} look-ups, all answered, the longest took {longest:?}");
    assert!(all > 100, "only {all}: that is no load");
    assert!(longest < LONGEST, "one took {longest:?}");
}
