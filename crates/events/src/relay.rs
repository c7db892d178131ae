//! The relay of one service: from its outbox to the bus, in order, at least once.

use std::time::Duration;

use db::Db;
use kernel::Result;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Bus;

/// Events in one delivery: enough to share a commit, few enough not to hold a consumer's writer for long.
const BATCH: i64 = 256;
/// A batch of this many says that a crowd is at work: the next one is given time to gather, so that
/// consumers commit less often.
const CROWD: usize = 16;
const GATHER: Duration = Duration::from_millis(8);
/// How often the position is written down while there is more to deliver; what was delivered since is
/// delivered again after a crash, and the inbox knows it.
const NOTE: Duration = Duration::from_millis(50);
/// How long to wait after a failure, and for a bell that was missed.
const AGAIN: Duration = Duration::from_millis(500);

/// Runs until `stop`. What is on its way then is delivered again by the next run.
pub async fn run_relay(db: Db, bus: Bus, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let failed = tokio::select! {
            done = follow(&db, &bus) => done.err(),
            () = stop.cancelled() => return,
        };
        if let Some(error) = failed {
            tracing::warn!(service = db.name(), error = ?error, "the relay tries again");
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Delivers what there is and what comes, until something fails.
async fn follow(db: &Db, bus: &Bus) -> Result<()> {
    let bell = db.outbox_bell();
    let mut position = db.outbox_position().await?;
    let (mut noted, mut noted_at) = (position, Instant::now());
    loop {
        // Registered before looking, so that no ring is missed.
        let rung = bell.notified();
        let batch = db.outbox_after(position, BATCH).await?;
        let count = batch.len();
        if let Some(last) = batch.last() {
            let (seq, first_at) = (last.seq, batch[0].occurred_at);
            bus.publish(batch).await?;
            position = seq;
            let lag = first_at.until(db.clock().now());
            metrics::histogram!("outbox_delivery_seconds", "service" => db.name()).record(lag.as_secs_f64());
        }
        if position > noted && (count == 0 || noted_at.elapsed() >= NOTE) {
            db.outbox_published(position).await?;
            (noted, noted_at) = (position, Instant::now());
        }
        if count >= CROWD {
            tokio::time::sleep(GATHER).await;
        } else if count == 0 && position == noted {
            tokio::select! {
                () = rung => {}
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }
}
