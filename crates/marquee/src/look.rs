//! One look for all who want to know at the same time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// What was seen is told for this long. Pages look every few seconds.
const FRESH: Duration = Duration::from_secs(1);

/// What was seen last, and when. Clones are the same one.
pub(crate) struct Look<T>(Arc<Mutex<Option<(Instant, T)>>>);

impl<T> Clone for Look<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Look<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Look<T> {
    /// What `look` sees, or saw a moment ago. Whoever comes while one looks waits for what that one sees; if it
    /// gives up, the next one looks.
    pub(crate) async fn share(&self, look: impl Future<Output = T>) -> T {
        let mut seen = self.0.lock().await;
        if let Some((at, what)) = &*seen
            && at.elapsed() < FRESH
        {
            return what.clone();
        }
        let what = look.await;
        *seen = Some((Instant::now(), what.clone()));
        what
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_share_one_look_and_later_there_is_another() {
        let (look, looks) = (Look::default(), Cell::new(0));
        let see = async || {
            tokio::time::sleep(Duration::from_millis(300)).await;
            looks.set(looks.get() + 1);
            looks.get()
        };
        let other = look.clone();
        assert_eq!(tokio::join!(look.share(see()), other.share(see()), look.share(see())), (1, 1, 1));
        assert_eq!(look.share(see()).await, 1);
        tokio::time::advance(FRESH).await;
        assert!(tokio::time::timeout(Duration::from_millis(10), look.share(see())).await.is_err());
        assert_eq!(look.share(see()).await, 2, "one that gave up is in nobody's way");
    }
}
