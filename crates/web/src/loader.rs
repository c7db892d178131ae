//! One reader for all open pages of a kind: when a ticket or a counter changes, everybody who looks at it wants to know
//! the same at once, and one look at the database answers them all.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use kernel::{Error, Result};
use metrics::{Counter, counter, describe_counter};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// So many may wait; more are refused with 503, and a page tries again by itself.
const QUEUE: usize = 8_192;
/// Nobody else is taken along by a look at so many things.
const ENOUGH: usize = 200;
/// From the beginning of a look to that of the next, so that pages whose pace differs come together.
const GAP: Duration = Duration::from_millis(20);

/// Reads things by their ids. Clones share the queue; the reader ends with the last of them.
pub struct Loader<K, V>(mpsc::Sender<Waiting<K, V>>);

type Found<K, V> = Result<Arc<BTreeMap<K, V>>>;
type Waiting<K, V> = (Vec<K>, oneshot::Sender<Found<K, V>>);

/// How much is saved.
struct Meters {
    asked: Counter,
    looks: Counter,
}

impl Meters {
    fn new() -> Self {
        describe_counter!(
            "live_reads_total",
            "Reads that open pages, of tickets and of counters, asked for."
        );
        describe_counter!("live_looks_total", "Looks at the database that answered all of them.");
        Self { asked: counter!("live_reads_total"), looks: counter!("live_looks_total") }
    }
}

impl<K, V> Loader<K, V>
where
    K: Clone + Ord + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Starts the reader on the current runtime. `read` answers those of some ids that are there; it is not called
    /// again before it has.
    pub fn start<F, Fut>(read: F) -> Self
    where
        F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<(K, V)>>> + Send,
    {
        let (sender, mut queue) = mpsc::channel::<Waiting<K, V>>(QUEUE);
        let meters = Meters::new();
        tokio::spawn(async move {
            let mut next = Instant::now();
            while let Some(first) = queue.recv().await {
                sleep_until(next).await;
                next = Instant::now() + GAP;
                let (mut ids, mut callers) = (BTreeSet::new(), Vec::new());
                let mut waiting = Some(first);
                while let Some((wanted, caller)) = waiting {
                    // Whoever went away while waiting wants nothing any more.
                    if !caller.is_closed() {
                        ids.extend(wanted);
                        callers.push(caller);
                    }
                    waiting = if ids.len() < ENOUGH { queue.try_recv().ok() } else { None };
                }
                if callers.is_empty() {
                    continue;
                }
                if ids.len() >= ENOUGH {
                    // Others may be left behind.
                    next = Instant::now();
                }
                meters.asked.increment(callers.len() as u64);
                meters.looks.increment(1);
                // What is announced from here on is seen by the next look.
                let found = AssertUnwindSafe(read(ids.into_iter().collect())).catch_unwind().await;
                // A bug in one look must not end the reader.
                let found = found.unwrap_or_else(|_| Err(Error::internal("a look at many things panicked")));
                let found = found.map(|found| Arc::new(found.into_iter().collect()));
                if found.as_ref().is_err_and(Error::is_transient) {
                    // Whoever queued behind it would wait in vain as long, and hears now instead.
                    while let Ok((_, caller)) = queue.try_recv() {
                        callers.push(caller);
                    }
                }
                for caller in callers {
                    // A caller that went away has no use for its answer.
                    let _ = caller.send(found.clone());
                }
            }
        });
        Self(sender)
    }

    /// Those of some things that are there, in the order of `ids`, as they are after this was called. The caller
    /// bounds the number of `ids`.
    ///
    /// # Errors
    /// Those of the look; `Unavailable` if too many wait.
    pub async fn load(&self, ids: &[K]) -> Result<Vec<V>> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send((ids.to_vec(), answer)).map_err(|_| Error::unavailable("too many pages wait"))?;
        let found = answered.await.map_err(|_| Error::unavailable("the reader stopped"))??;
        Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

    use futures_util::StreamExt as _;
    use futures_util::future::join_all;

    use super::*;
    use crate::{Config, Web, live_many};

    /// Things that all have one value, and what was read of them, look by look.
    #[derive(Clone, Default)]
    struct Things {
        value: Arc<AtomicI64>,
        away: Arc<AtomicBool>,
        looks: Arc<Mutex<Vec<Vec<u32>>>>,
    }

    impl Things {
        /// A look takes ten milliseconds, and sees what was there when it began. There is nothing above 1000.
        fn loader(&self) -> Arc<Loader<u32, i64>> {
            let things = self.clone();
            Arc::new(Loader::start(move |ids: Vec<u32>| {
                things.looks.lock().unwrap().push(ids.clone());
                let (value, away) = (things.value.load(Ordering::SeqCst), things.away.load(Ordering::SeqCst));
                async move {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    assert!(!ids.contains(&0), "nothing has this id");
                    if away {
                        return Err(Error::unavailable("away"));
                    }
                    Ok(ids.into_iter().filter(|id| *id <= 1000).map(|id| (id, value)).collect())
                }
            }))
        }

        fn looks(&self) -> Vec<Vec<u32>> {
            std::mem::take(&mut self.looks.lock().unwrap())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pages_that_wake_together_look_together() {
        const PAGES: usize = 500;
        let web = Web::new(Config::default());
        let things = Things::default();
        let loader = things.loader();
        let mut pages: Vec<_> = (0..PAGES)
            .map(|_| {
                let loader = Arc::clone(&loader);
                let read = move |ids: Vec<u32>| {
                    let loader = Arc::clone(&loader);
                    async move {
                        let values = loader.load(&ids).await?;
                        Ok(ids.into_iter().zip(values).collect())
                    }
                };
                live_many(&web, vec![1, 2], |id| format!("n:{id}"), read).into_body().into_data_stream()
            })
            .collect();
        join_all(pages.iter_mut().map(|page| page.next())).await;
        assert!(things.looks().len() <= 3);
        for value in 1..=5 {
            things.value.store(value, Ordering::SeqCst);
            web.changes().announce("n:2");
            for event in join_all(pages.iter_mut().map(|page| page.next())).await {
                let text = String::from_utf8(event.unwrap().unwrap().to_vec()).unwrap();
                assert_eq!(text, format!("data: {{\"2\":{value}}}\n\n"));
            }
        }
        let looks = things.looks();
        assert!(looks.len() <= 30 && looks.iter().all(|ids| *ids == [2]), "{looks:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_never_older_than_its_question() {
        let things = Things::default();
        let loader = things.loader();
        let asked = (0..200).map(|n| {
            let (things, loader) = (things.clone(), Arc::clone(&loader));
            async move {
                tokio::time::sleep(Duration::from_millis(n)).await;
                let announced = things.value.fetch_add(1, Ordering::SeqCst) + 1;
                let seen = loader.load(&[1, 2000]).await.unwrap();
                assert!(seen.len() == 1 && seen[0] >= announced, "{seen:?} after {announced}");
            }
        });
        join_all(asked).await;
        assert!(things.looks().len() <= 12);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_is_bounded_and_so_is_the_queue() {
        let things = Things::default();
        let loader = things.loader();
        let asked: Vec<Vec<u32>> = (0..QUEUE as u32 + 100).map(|n| vec![1 + n % 1000]).collect();
        let answers = join_all(asked.iter().map(|ids| loader.load(ids))).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 100);
        assert!(things.looks().iter().all(|ids| ids.len() <= ENOUGH));
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_everybodys_and_what_panics_is_not_the_end() {
        let things = Things::default();
        let loader = things.loader();
        things.away.store(true, Ordering::SeqCst);
        let asked: Vec<Vec<u32>> = (0..1000).map(|n| vec![n + 1]).collect();
        let answers = join_all(asked.iter().map(|ids| loader.load(ids))).await;
        assert!(answers.iter().all(Result::is_err));
        assert_eq!(things.looks().len(), 1, "nobody waits in vain twice");
        things.away.store(false, Ordering::SeqCst);
        assert_eq!(loader.load(&[0]).await.unwrap_err().kind, kernel::Kind::Internal);
        assert_eq!(loader.load(&[1]).await.unwrap(), [0]);
    }
}
