//! One at a time per key, in order of arrival: the second request with an idempotency key waits here for
//! the first. It holds no more entries than there are requests in flight.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// The keys at work in this process.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>);

/// A key's turn; it ends when this is dropped.
pub(crate) struct Turn {
    turns: Turns,
    key: String,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until nobody else is at work on `key`.
    pub(crate) async fn take(&self, key: String) -> Turn {
        let lock = {
            let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(keys.entry(key.clone()).or_default())
        };
        // Made first: whoever gives up waiting cleans up as well.
        let mut turn = Turn { turns: self.clone(), key, guard: None };
        turn.guard = Some(lock.lock_owned().await);
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut keys = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.guard.take());
        // Nobody can take the lock out of the map meanwhile; whoever took it before still holds it.
        if keys.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            keys.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_at_a_time_and_nothing_is_left() {
        let (turns, at_work, done) =
            (Turns::default(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let (turns, at_work, done) = (turns.clone(), Arc::clone(&at_work), Arc::clone(&done));
                tokio::spawn(async move {
                    let waited =
                        tokio::time::timeout(Duration::from_millis(n % 7), turns.take("k".to_owned())).await;
                    let Ok(_turn) = waited else { return };
                    assert_eq!(at_work.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    at_work.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(done.load(Ordering::SeqCst) > 0);
        assert!(turns.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn other_keys_do_not_wait() {
        let turns = Turns::default();
        let _one = turns.take("a".to_owned()).await;
        let _other = turns.take("b".to_owned()).await;
        assert_eq!(turns.0.lock().unwrap().len(), 2);
    }
}
