//! What storage tells of itself.

use std::sync::LazyLock;

use metrics::{Counter, Unit, counter, describe_counter, describe_gauge, gauge};

static METERS: LazyLock<Meters> = LazyLock::new(|| {
    describe_counter!("storage_received_bytes_total", Unit::Bytes, "Bytes of uploads that were written.");
    describe_counter!("storage_published_total", "Objects that were published.");
    describe_counter!("storage_published_bytes_total", Unit::Bytes, "Their bytes.");
    describe_counter!("storage_collected_total", "What was found without a row, or abandoned, and let go.");
    describe_gauge!("storage_objects", "Objects that are kept, when it was last looked.");
    describe_gauge!("storage_bytes", Unit::Bytes, "Their bytes.");
    describe_gauge!(
        "storage_orphans",
        "What was found without a row, or abandoned, when it was last looked."
    );
    Meters {
        received: counter!("storage_received_bytes_total"),
        published: counter!("storage_published_total"),
        published_bytes: counter!("storage_published_bytes_total"),
        collected: counter!("storage_collected_total"),
    }
});

struct Meters {
    received: Counter,
    published: Counter,
    published_bytes: Counter,
    collected: Counter,
}

/// Has the series begin at zero. The recorder has to be installed before.
pub(crate) fn begin() {
    LazyLock::force(&METERS);
    gauge!("storage_orphans").set(0.0);
}

/// Bytes were written.
pub(crate) fn received(bytes: u64) {
    METERS.received.increment(bytes);
}

/// An object was published.
pub(crate) fn published(bytes: u64) {
    METERS.published.increment(1);
    METERS.published_bytes.increment(bytes);
}

/// How much was found that nobody needs and is left, and how much was let go.
pub(crate) fn collected(left: usize, gone: usize) {
    gauge!("storage_orphans").set(left as f64);
    METERS.collected.increment(gone as u64);
}

/// How much is kept.
pub(crate) fn kept((objects, bytes): (i64, i64)) {
    gauge!("storage_objects").set(objects as f64);
    gauge!("storage_bytes").set(bytes as f64);
}
