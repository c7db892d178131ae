//! Ends holds when their time has come, and catches up after a restart by the same path.

use std::time::Duration;

use contracts::Event;
use db::Db;
use kernel::Result;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::store;

/// Ends announced in one transaction.
const BATCH: i64 = 500;
/// The longest sleep: a clock that jumps is noticed, and an end that another process heard of and did not
/// live to announce.
const LONGEST: Duration = Duration::from_millis(500);
/// How often to look at a clock that a test drives.
const DRIVEN: Duration = Duration::from_millis(5);

/// Runs until `stop`.
pub async fn run(db: &Db, sooner: &Notify, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let rung = sooner.notified();
        let sleep = match end_due(db).await {
            Ok(sleep) => sleep,
            Err(error) => {
                tracing::warn!(error = ?error, "holds could not be ended and will be tried again");
                Duration::from_millis(200)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            () = rung => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Announces what is due; answers how long to sleep.
async fn end_due(db: &Db) -> Result<Duration> {
    loop {
        let now = db.clock().now();
        match store::next_end(db).await? {
            None => return Ok(if db.clock().is_manual() { DRIVEN } else { LONGEST }),
            Some(at) if at > now => {
                return Ok(if db.clock().is_manual() { DRIVEN } else { now.until(at).min(LONGEST) });
            }
            Some(_) => announce(db).await?,
        }
    }
}

async fn announce(db: &Db) -> Result<()> {
    db.write(|tx| async move {
        let due = store::take_due(&tx, tx.clock().now(), BATCH).await?;
        let ends: Vec<Event> = due.into_iter().map(|hold| Event::ExpirationComplete(hold.into())).collect();
        tx.emit_all(&ends).await
    })
    .await
}
