//! A thousand requests at once for what nobody remembers, while the database makes them wait.

use std::time::{Duration, Instant};

use db::{Db, Limits};
use futures_util::future::join_all;
use kernel::Clock;
use reqwest::Method;
use tokio::sync::oneshot;

use super::copies::{Copies, Looks};

const CROWD: usize = 1_000;
/// For how long the database makes them wait.
const HELD_UP: Duration = Duration::from_millis(700);

/// Asks both copies for a key, all at once; answers how often each then read the database.
async fn crowd(copies: &Copies, email: &str, status: u16) -> Vec<f64> {
    let mut before = Vec::new();
    for process in &copies.processes {
        before.push(Looks::of(process).await.loads);
    }
    let db =
        Db::open_postgres(copies.database.url(), "accounts", Clock::system(), Limits::default()).unwrap();
    let (begin, begun) = oneshot::channel();
    let begin = std::sync::Mutex::new(Some(begin));
    let holding_up = async {
        let held = db.write(|tx| {
            let begin = begin.lock().unwrap().take();
            async move {
                tx.execute("LOCK TABLE changes IN ACCESS EXCLUSIVE MODE", &[]).await?;
                let _ = begin.map(|begin| begin.send(()));
                tokio::time::sleep(HELD_UP).await;
                Ok(())
            }
        });
        held.await.unwrap();
    };
    let (person, path) = (copies.person(), format!("/api/users?email={email}"));
    let asking = async {
        begun.await.unwrap();
        let began = Instant::now();
        let bases = copies.bases();
        let all = bases.iter().flat_map(|base| (0..CROWD).map(move |_| base)).map(|base| {
            let (mut person, base, path) = (person.clone(), base.clone(), path.clone());
            tokio::spawn(async move {
                person.ask(&base, Method::GET, &path, None).await.expect("an answer").expect(status)
            })
        });
        let answers = join_all(all.collect::<Vec<_>>()).await;
        assert!(answers.iter().all(Result::is_ok));
        eprintln!("{} answers about {email} in {:?}", answers.len(), began.elapsed());
    };
    tokio::join!(holding_up, asking);
    let mut loads = Vec::new();
    for (process, before) in copies.processes.iter().zip(before) {
        loads.push(Looks::of(process).await.loads - before);
    }
    loads
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_once_read_the_database_once() {
    // So long that nothing ends while they wait.
    let Some(mut copies) = Copies::start(2, &[("CACHE_SECONDS", "60")]).await else { return };
    // The operator who was made is known to the copy that made them, and to Redis.
    for process in &mut copies.processes {
        process.kill().await;
        process.resume().await;
    }
    copies.ready().await;
    copies.redis.flush().await;
    for (email, status) in [("boss@example.com", 200), ("nobody@example.com", 404)] {
        let loads = crowd(&copies, email, status).await;
        eprintln!("reads of the database: {loads:?}");
        assert!(loads.iter().all(|loads| *loads <= 1.0) && loads.iter().sum::<f64>() >= 1.0, "{loads:?}");
    }
}
