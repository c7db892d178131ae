//! A thousand requests at once for what nobody remembers, while the database makes them wait.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use testkit::eventually;
use tokio::sync::oneshot;

use super::copies::{Copies, Looks};

const CROWD: usize = 1_000;
/// For how long the database makes them wait.
const HELD_UP: Duration = Duration::from_millis(800);

/// Has reads of users wait, on a thread of its own: a crowd keeps those of a test busy. Answers when that begins.
async fn hold_up(copies: &Copies) {
    let db = copies.accounts();
    let (begin, begun) = oneshot::channel();
    let begin = Mutex::new(Some(begin));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let held = db.write(|tx| {
            let begin = begin.lock().unwrap().take();
            async move {
                tx.execute("LOCK TABLE changes IN ACCESS EXCLUSIVE MODE", &[]).await?;
                let _ = begin.map(|begin| begin.send(()));
                tokio::time::sleep(HELD_UP).await;
                Ok(())
            }
        });
        runtime.block_on(held).unwrap();
    });
    begun.await.unwrap();
}

async fn looks(copies: &Copies) -> Vec<Looks> {
    let mut all = Vec::new();
    for process in &copies.processes {
        all.push(Looks::of(process).await);
    }
    all
}

/// What became of a crowd at one copy.
#[derive(Debug)]
struct Crowded {
    /// How often the database was read.
    loads: f64,
    /// How many waited for that.
    waited: f64,
    /// What was read and Redis did not take.
    refused: f64,
}

/// Both copies have forgotten everything, and Redis has.
async fn forget(copies: &mut Copies) {
    for process in &mut copies.processes {
        process.kill().await;
        process.resume().await;
    }
    copies.ready().await;
    copies.redis.flush().await;
}

/// Asks both copies for a key, all at once.
async fn crowd(copies: &Copies, email: &str, status: u16) -> Vec<Crowded> {
    let (person, path) = (copies.person(), format!("/api/users?email={email}"));
    let before = looks(copies).await;
    hold_up(copies).await;
    let began = Instant::now();
    let bases = copies.bases();
    let all = bases.iter().flat_map(|base| (0..CROWD).map(move |_| base)).map(|base| {
        let (mut person, base, path) = (person.clone(), base.clone(), path.clone());
        tokio::spawn(async move {
            person.ask(&base, Method::GET, &path, None).await.expect("an answer").expect(status)
        })
    });
    let answers = join_all(all.collect::<Vec<_>>()).await;
    eprintln!("{} answers about {email} in {:?}", answers.len(), began.elapsed());
    assert!(answers.iter().all(Result::is_ok));
    let after = looks(copies).await;
    eprintln!("{before:?} became {after:?}");
    let both = before.iter().zip(after);
    both.map(|(before, after)| Crowded {
        loads: after.loads - before.loads,
        waited: after.missed - before.missed,
        refused: after.refused - before.refused,
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_once_read_the_database_once() {
    // So long that nothing ends while they wait.
    let Some(mut copies) = Copies::start(2, &[("CACHE_SECONDS", "60")]).await else { return };
    // Everybody has heard of the operator who was made: whoever hears of a change reads once more, and rightly so.
    let accounts = copies.accounts();
    eventually("all is published", async || {
        accounts.outbox_waiting(1).await.unwrap().is_empty().then_some(())
    })
    .await;
    for (email, status) in [("boss@example.com", 200), ("nobody@example.com", 404)] {
        let mut told = Vec::new();
        // A machine that is too busy for Redis to answer within its limit reads more than once, and rightly so.
        for _ in 0..3 {
            forget(&mut copies).await;
            told = crowd(&copies, email, status).await;
            eprintln!("{told:?}");
            if told.iter().all(|copy| copy.refused == 0.0) {
                break;
            }
        }
        let loads: f64 = told.iter().map(|copy| copy.loads).sum();
        assert!(told.iter().all(|copy| copy.loads <= 1.0) && loads >= 1.0, "{told:?}");
        assert!(told.iter().any(|copy| copy.waited > 5.0), "hardly anybody waited: {told:?}");
    }
}
