//! The relay of one service: from its outbox to the bus, in order, at least once.

use std::time::Duration;

use db::Db;
use kernel::Result;
use tokio_util::sync::CancellationToken;

use crate::Bus;

/// Events in one delivery: enough to share a commit, few enough not to hold a consumer's writer for long.
const BATCH: i64 = 128;
/// How long to wait after a failure, and for a bell that was missed.
const AGAIN: Duration = Duration::from_millis(500);

/// Runs until `stop`. What is on its way then is delivered again by the next run.
pub async fn run_relay(db: Db, bus: Bus, stop: CancellationToken) {
    let bell = db.outbox_bell();
    while !stop.is_cancelled() {
        // Registered before looking, so that no ring is missed.
        let rung = bell.notified();
        let step = tokio::select! {
            step = deliver_next(&db, &bus) => step,
            () = stop.cancelled() => return,
        };
        match step {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(service = db.name(), error = ?error, "the relay tries again"),
        }
        tokio::select! {
            () = rung => {}
            () = tokio::time::sleep(AGAIN) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Delivers one batch; false if there was none.
async fn deliver_next(db: &Db, bus: &Bus) -> Result<bool> {
    let batch = db.outbox_next(BATCH).await?;
    let Some(last) = batch.last() else { return Ok(false) };
    let (seq, first_at) = (last.seq, batch[0].occurred_at);
    bus.publish(batch).await?;
    db.outbox_published(seq).await?;
    let lag = first_at.until(db.clock().now());
    metrics::histogram!("outbox_delivery_seconds", "service" => db.name()).record(lag.as_secs_f64());
    Ok(true)
}
