//! Who may do something to an upload, as far as this process knows: one publishes it at a time, and of those who append
//! the last who came. Between processes rows decide; this spares copying for nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::ObjectId;
use tokio::sync::{OwnedMutexGuard, oneshot};

/// One at a time, by id.
#[derive(Default)]
pub(crate) struct Alone(Mutex<HashMap<ObjectId, Arc<tokio::sync::Mutex<()>>>>);

/// As long as it is there, nobody else has the same turn.
pub(crate) struct Turn<'a> {
    turns: &'a Alone,
    id: ObjectId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Alone {
    /// Waits for the turn of `id`.
    pub(crate) async fn turn(&self, id: ObjectId) -> Turn<'_> {
        let one = Arc::clone(lock(&self.0).entry(id).or_default());
        // From here on, whoever is dropped cleans up.
        let mut turn = Turn { turns: self, id, guard: None };
        turn.guard = Some(one.lock_owned().await);
        turn
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut turns = lock(&self.turns.0);
        // Nobody else waits for it, nor begins to while the map is locked.
        if turns.get(&self.id).is_some_and(|one| Arc::strong_count(one) == 1) {
            turns.remove(&self.id);
        }
    }
}

/// Who came last, by id.
#[derive(Default)]
pub(crate) struct Latest(Mutex<HashMap<ObjectId, oneshot::Sender<()>>>);

/// Somebody who is the last as long as nobody comes after them.
pub(crate) struct Last<'a> {
    latest: &'a Latest,
    id: ObjectId,
    followed: oneshot::Receiver<()>,
}

impl Latest {
    /// Comes after whoever is there.
    pub(crate) fn come(&self, id: ObjectId) -> Last<'_> {
        let (follow, followed) = oneshot::channel();
        // Whoever was there notices that their sender is dropped.
        lock(&self.0).insert(id, follow);
        Last { latest: self, id, followed }
    }

    /// Whether anybody is there.
    #[cfg(test)]
    pub(crate) fn has(&self, id: ObjectId) -> bool {
        lock(&self.0).contains_key(&id)
    }
}

impl Last<'_> {
    /// Waits until somebody else has come.
    pub(crate) async fn followed(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.followed).await;
    }
}

impl Drop for Last<'_> {
    fn drop(&mut self) {
        self.followed.close();
        let mut latest = lock(&self.latest.0);
        if latest.get(&self.id).is_some_and(oneshot::Sender::is_closed) {
            latest.remove(&self.id);
        }
    }
}

/// Nobody panics with it locked, and if they did, it would be as good as before.
fn lock<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use kernel::Clock;

    use super::*;

    #[tokio::test]
    async fn turns_are_taken_one_by_one_and_forgotten() {
        let (alone, clock) = (Alone::default(), Clock::system());
        let (one, other) = (ObjectId::new(&clock), ObjectId::new(&clock));
        let first = alone.turn(one).await;
        let _elsewhere = alone.turn(other).await;
        let mut second = Box::pin(alone.turn(one));
        assert!(second.as_mut().now_or_never().is_none(), "the first has it");
        assert!(alone.turn(one).now_or_never().is_none(), "and who gives up spoils nothing");
        drop(first);
        let second = second.await;
        assert!(alone.turn(one).now_or_never().is_none(), "the second has it");
        drop(second);
        assert_eq!(lock(&alone.0).len(), 1, "only the other is remembered");
    }

    #[tokio::test]
    async fn whoever_comes_later_is_the_last() {
        let (latest, clock) = (Latest::default(), Clock::system());
        let (one, other) = (ObjectId::new(&clock), ObjectId::new(&clock));
        let mut first = latest.come(one);
        let _elsewhere = latest.come(other);
        assert!(first.followed().now_or_never().is_none());
        let mut second = latest.come(one);
        first.followed().await;
        drop(first);
        assert!(second.followed().now_or_never().is_none(), "who goes takes nobody along");
        drop(second);
        assert_eq!(lock(&latest.0).len(), 1, "only the other is remembered");
    }
}
