//! What counters tell of themselves.

use std::sync::LazyLock;

use db::Tx;
use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, histogram,
};

static METERS: LazyLock<Meters> = LazyLock::new(|| {
    describe_counter!("counter_increments_total", "Increments that were made durable.");
    describe_histogram!("counter_batch_size", "Increments that one transaction made durable.");
    describe_counter!(
        "counter_refused_total",
        "Requests to count that got a 503, as they could not be made durable in time."
    );
    describe_gauge!(
        "counter_oldest_unpersisted_age_seconds",
        Unit::Seconds,
        "How long the oldest increment has waited that is not durable yet, and not answered either."
    );
    describe_counter!(
        "counter_unsampled_total",
        "Changes of counters that are in no picture, as more counters changed than are noted."
    );
    Meters {
        increments: counter!("counter_increments_total"),
        sizes: histogram!("counter_batch_size"),
        refused: counter!("counter_refused_total"),
        unsampled: counter!("counter_unsampled_total"),
    }
});

struct Meters {
    increments: Counter,
    sizes: Histogram,
    refused: Counter,
    unsampled: Counter,
}

/// Has the series begin at zero. The recorder has to be installed before.
pub(crate) fn begin() {
    LazyLock::force(&METERS);
}

/// Counts what one transaction added, once it is durable.
pub(crate) fn added(tx: &Tx, increments: usize) {
    if increments > 0 {
        tx.after_commit(move || {
            METERS.sizes.record(increments as f64);
            METERS.increments.increment(increments as u64);
        });
    }
}

/// Counts a request that was refused.
pub(crate) fn refused() {
    METERS.refused.increment(1);
}

/// Counts changes that samples lack.
pub(crate) fn unsampled(changes: u64) {
    METERS.unsampled.increment(changes);
}
