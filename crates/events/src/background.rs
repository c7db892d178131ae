//! Background work is idempotent and runs on a period; a bell only makes it sooner, by the same code path.

use std::future::Future;
use std::time::Duration;

use futures_util::future::BoxFuture;
use kernel::Result;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A piece of background work that a service asks to have run until the token is cancelled.
pub struct Job {
    /// For the log.
    pub name: &'static str,
    /// Starts it.
    pub run: Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send>,
}

impl Job {
    /// `start` gets the token that stops it.
    pub fn new<F, Fut>(name: &'static str, start: F) -> Self
    where
        F: FnOnce(CancellationToken) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self { name, run: Box::new(move |stop| Box::pin(start(stop))) }
    }

    /// `step` is run as [`every`] does, with no bell to make it sooner.
    pub fn periodic<F, Fut>(name: &'static str, period: Duration, step: F) -> Self
    where
        F: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        Self::new(name, move |stop| async move {
            let never = Notify::new();
            every(name, period, &never, stop, step).await;
        })
    }
}

/// Runs `step` now, then whenever `bell` rings, and at least once in `period`, until `stop`. An error is
/// logged and the step comes round again.
pub async fn every<F, Fut>(
    name: &'static str,
    period: Duration,
    bell: &Notify,
    stop: CancellationToken,
    step: F,
) where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    loop {
        let rung = bell.notified();
        tokio::select! {
            done = step() => if let Err(error) = done {
                tracing::warn!(job = name, error = ?error, "background work failed and will be tried again");
            },
            () = stop.cancelled() => return,
        }
        tokio::select! {
            () = rung => {}
            () = tokio::time::sleep(period) => {}
            () = stop.cancelled() => return,
        }
    }
}
