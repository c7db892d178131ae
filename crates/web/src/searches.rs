//! A bound on searches. What is looked for may be anywhere in a text, so that looking for it reads every row there is,
//! and anybody may ask for that.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kernel::{Error, Result};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(1);

/// The turns. Clones share them.
#[derive(Clone)]
pub struct Searches(Arc<Semaphore>);

impl Default for Searches {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(Self::AT_ONCE)))
    }
}

impl Searches {
    /// How many run at a time in a process.
    pub const AT_ONCE: usize = 2;

    /// Runs the queries of a search when it is their turn, to their end.
    ///
    /// # Errors
    /// Theirs; `Unavailable` if it is not their turn for too long.
    pub async fn run<T, Fut>(&self, queries: Fut) -> Result<T>
    where
        T: Send + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        let turn = timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await;
        let turn = turn
            .map_err(|_| Error::unavailable("too many searches"))?
            .map_err(|e| Error::unavailable("no searches any more").because(e))?;
        // The database goes on when whoever asked has left; so a turn ends with its queries, not with the caller.
        let running = tokio::spawn(async move {
            let found = queries.await;
            drop(turn);
            found
        });
        running.await.map_err(|e| Error::internal("a search ended early").because(e))?
    }
}

#[cfg(test)]
mod tests {
    use kernel::Kind;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn few_run_at_once_and_each_to_its_end() {
        let (searches, end) = (Searches::default(), Arc::new(Notify::new()));
        for _ in 0..Searches::AT_ONCE {
            let end = Arc::clone(&end);
            let queries = async move {
                end.notified().await;
                Ok(())
            };
            let left = timeout(Duration::from_millis(1), searches.run(queries)).await;
            assert!(left.is_err(), "whoever asked has left");
        }
        let refused = searches.run(async { Ok(()) }).await.unwrap_err();
        assert_eq!((refused.kind, refused.retry_after), (Kind::Unavailable, Some(PATIENCE)));
        end.notify_one();
        searches.run(async { Ok(()) }).await.unwrap();
        let failed = searches.run::<(), _>(async { Err(Error::not_found()) }).await.unwrap_err();
        assert_eq!(failed.kind, Kind::NotFound);
    }
}
