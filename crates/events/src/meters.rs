//! What the bus tells of itself. Handles are taken once and kept, so that a series is there from the start.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

/// Describes the metrics of the bus. The recorder has to be installed before, here as for the handles: those that
/// were taken earlier count into nothing.
pub fn describe_metrics() {
    describe_histogram!(
        "outbox_delivery_seconds",
        Unit::Seconds,
        "Age of a batch's oldest event when the bus has taken it over."
    );
    describe_counter!("events_published_total", "Events that a stream of NATS has stored.");
    describe_counter!("events_delivered_total", "Events that a consumer was brought.");
    describe_histogram!(
        "events_delivery_seconds",
        Unit::Seconds,
        "Age of a batch's oldest event when a consumer has taken it in: how far copies lag."
    );
    describe_gauge!(
        "events_oldest_waiting_seconds",
        Unit::Seconds,
        "Age of the oldest event that this process's consumer is taking in now; 0 if it takes none."
    );
    describe_counter!("events_parked_total", "Events that a consumer could not take.");
    describe_counter!(
        "events_missed_total",
        "Times that a stream had dropped events before a consumer heard them."
    );
    describe_gauge!(
        "events_backlog",
        "Events in streams of NATS that this process's consumer has yet to read."
    );
    describe_gauge!("partitions_held", "Partitions of streams that this process reads for a consumer.");
    describe_gauge!("nats_connected", "Whether the connection to NATS stands.");
    describe_counter!("broadcasts_dropped_total", "Messages to the other processes that were not sent.");
}

/// Of a subscription.
pub(crate) struct ConsumerMeters {
    pub(crate) delivered: Counter,
    pub(crate) age: Histogram,
    pub(crate) parked: Counter,
    pub(crate) waiting: Gauge,
}

impl ConsumerMeters {
    pub(crate) fn new(consumer: &'static str) -> Self {
        Self {
            delivered: counter!("events_delivered_total", "consumer" => consumer),
            age: histogram!("events_delivery_seconds", "consumer" => consumer),
            parked: counter!("events_parked_total", "consumer" => consumer),
            waiting: gauge!("events_oldest_waiting_seconds", "consumer" => consumer),
        }
    }
}

/// Of a consumer that reads streams.
pub(crate) struct StreamMeters {
    pub(crate) backlog: Gauge,
    pub(crate) held: Gauge,
    pub(crate) missed: Counter,
}

impl StreamMeters {
    pub(crate) fn new(consumer: &'static str) -> Self {
        Self {
            backlog: gauge!("events_backlog", "consumer" => consumer),
            held: gauge!("partitions_held", "consumer" => consumer),
            missed: counter!("events_missed_total", "consumer" => consumer),
        }
    }
}

/// One reader's part of a gauge. It is taken back with the reader.
pub(crate) struct Share {
    gauge: Gauge,
    part: f64,
}

impl Share {
    /// Nothing yet.
    pub(crate) fn new(gauge: Gauge) -> Self {
        Self { gauge, part: 0.0 }
    }

    /// Makes this part as large as `part`.
    pub(crate) fn set(&mut self, part: u64) {
        let part = part as f64;
        self.gauge.increment(part - self.part);
        self.part = part;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.gauge.decrement(self.part);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_part_is_taken_back_with_its_reader() {
        let value = Arc::new(AtomicU64::new(0));
        let gauge = Gauge::from_arc(Arc::clone(&value));
        let sum = || f64::from_bits(value.load(Ordering::Relaxed));
        let (mut one, mut other) = (Share::new(gauge.clone()), Share::new(gauge));
        one.set(5);
        other.set(3);
        one.set(2);
        assert_eq!(sum(), 5.0);
        drop(one);
        assert_eq!(sum(), 3.0);
        drop(other);
        assert_eq!(sum(), 0.0);
    }
}
