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

/// Asks both copies for a key, all at once; answers how often each then read the database, and how many waited for that.
async fn crowd(copies: &Copies, email: &str, status: u16) -> Vec<(f64, f64)> {
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
    both.map(|(before, after)| (after.loads - before.loads, after.missed - before.missed)).collect()
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
    // They are known to the copy that made them, and to Redis.
    for process in &mut copies.processes {
        process.kill().await;
        process.resume().await;
    }
    copies.ready().await;
    copies.redis.flush().await;
    for (email, status) in [("boss@example.com", 200), ("nobody@example.com", 404)] {
        let told = crowd(&copies, email, status).await;
        eprintln!("reads of the database, and who waited for them: {told:?}");
        let loads: f64 = told.iter().map(|(loads, _)| loads).sum();
        assert!(told.iter().all(|(loads, _)| *loads <= 1.0) && loads >= 1.0, "{told:?}");
        assert!(told.iter().any(|(_, waited)| *waited > 5.0), "hardly anybody waited: {told:?}");
    }
}
