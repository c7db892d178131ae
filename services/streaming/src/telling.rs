//! Long work that says now and then that it goes on.

use std::time::Duration;

use kernel::Result;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// Does `work`, and meanwhile `tell`s after each `period` that it goes on.
///
/// # Errors
/// What `tell` says; the work is dropped then.
pub(crate) async fn telling<Told: Future<Output = Result<()>>, T>(
    period: Duration,
    mut tell: impl FnMut() -> Told,
    work: impl Future<Output = T>,
) -> Result<T> {
    let mut work = std::pin::pin!(work);
    let mut tick = interval_at(Instant::now() + period, period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            _ = tick.tick() => tell().await?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Error;
    use std::future::ready;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn it_is_told_as_long_as_it_takes() {
        let second = Duration::from_secs(1);
        let mut told = 0;
        let tell = || {
            told += 1;
            ready(Ok(()))
        };
        telling(second, tell, sleep(second * 7 / 2)).await.unwrap();
        assert_eq!(told, 3);
        let failed = telling(second, || ready(Err(Error::not_found())), sleep(second * 9)).await;
        assert_eq!(failed.unwrap_err().kind, kernel::Kind::NotFound);
    }
}
