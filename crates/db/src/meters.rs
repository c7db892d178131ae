//! What databases tell of themselves, by the name of the database. Handles are taken once and kept: asking the
//! recorder for one costs several allocations.

use std::time::Duration;

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// Describes the metrics of all databases. The recorder has to be installed before, here as for the handles: those
/// that were taken earlier count into nothing.
pub fn describe_metrics() {
    describe_histogram!("db_commit_seconds", Unit::Seconds, "Time that a commit took to be durable.");
    describe_histogram!("db_group_size", "Jobs that one commit of SQLite made durable.");
    describe_histogram!(
        "db_writer_wait_seconds",
        Unit::Seconds,
        "Time that a job waited for the one writer of a SQLite file."
    );
    describe_histogram!(
        "db_pool_wait_seconds",
        Unit::Seconds,
        "Time until a connection to PostgreSQL was to be had, connecting included."
    );
    describe_gauge!("db_pool_connections", "Connections to PostgreSQL that are open.");
    describe_gauge!("db_pool_connections_max", "Connections to PostgreSQL that may be open.");
    describe_gauge!("db_pool_in_use", "Connections to PostgreSQL that are at work.");
    describe_gauge!("db_pool_waiting", "Jobs that wait for a connection to PostgreSQL.");
    describe_counter!("db_repeats_total", "Transactions that PostgreSQL asked to run again.");
    describe_histogram!("db_lane_size", "Commands that one transaction of a lane took.");
    describe_histogram!(
        "db_lane_seconds",
        Unit::Seconds,
        "Time that a transaction of a lane took to be durable."
    );
    describe_gauge!("db_lane_waiting", "Callers that wait in lanes.");
    describe_gauge!(
        "db_lane_oldest_seconds",
        Unit::Seconds,
        "How long the one of them has waited who came first."
    );
    describe_counter!(
        "db_lane_refused_total",
        "Commands that were refused, as a lane was full or did not keep up."
    );
}

/// Of a SQLite file's writer.
pub(crate) struct SqliteMeters {
    pub(crate) wait: Histogram,
    pub(crate) commit: Histogram,
    pub(crate) group: Histogram,
}

impl SqliteMeters {
    pub(crate) fn new(db: &'static str) -> Self {
        Self {
            wait: histogram!("db_writer_wait_seconds", "db" => db),
            commit: histogram!("db_commit_seconds", "db" => db),
            group: histogram!("db_group_size", "db" => db),
        }
    }
}

/// Of a pool of connections to PostgreSQL.
pub(crate) struct PostgresMeters {
    pub(crate) wait: Histogram,
    pub(crate) commit: Histogram,
    pub(crate) repeats: Counter,
}

impl PostgresMeters {
    pub(crate) fn new(db: &'static str) -> Self {
        Self {
            wait: histogram!("db_pool_wait_seconds", "db" => db),
            commit: histogram!("db_commit_seconds", "db" => db),
            repeats: counter!("db_repeats_total", "db" => db),
        }
    }
}

/// Notes how many wait in the lanes of `db`, and for how long the first of them.
pub(crate) fn observe_lanes(db: &'static str, waiting: usize, oldest: Duration) {
    gauge!("db_lane_waiting", "db" => db).set(waiting as f64);
    gauge!("db_lane_oldest_seconds", "db" => db).set(oldest.as_secs_f64());
}

/// Notes how the pool of `db` is at this moment.
pub(crate) fn observe_pool(db: &'static str, status: &deadpool::Status) {
    gauge!("db_pool_connections", "db" => db).set(status.size as f64);
    gauge!("db_pool_connections_max", "db" => db).set(status.max_size as f64);
    gauge!("db_pool_in_use", "db" => db).set(status.size.saturating_sub(status.available) as f64);
    gauge!("db_pool_waiting", "db" => db).set(status.waiting as f64);
}
