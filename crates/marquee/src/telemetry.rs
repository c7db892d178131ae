//! Logs and metrics of the process.

use std::future::ready;
use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::Duration;

use events::Job;
use kernel::{Error, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

use crate::log_lines::JsonLine;

use crate::gauges;

/// Seconds, from a fast read to the longest a request may take.
const SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
const SIZES: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0, 4096.0];
/// Histograms keep every value until they are looked after, whether anybody scrapes them or not.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts logging to standard error; `RUST_LOG` narrows it.
pub(crate) fn init_logs(format: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // They say of every attempt to connect, and of every notice, what we say once.
    let quiet =
        ["async_nats=off", "tokio_postgres=warn"].into_iter().filter_map(|directive| directive.parse().ok());
    let filter = quiet.fold(filter, EnvFilter::add_directive);
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A second start in one process (tests) keeps the first one's subscriber.
    let _ = if format == "json" {
        logs.fmt_fields(JsonFields::new()).event_format(JsonLine).try_init()
    } else {
        logs.try_init()
    };
}

/// What renders the metrics of this process; the recorder is installed once.
pub(crate) fn metrics() -> Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let installed = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .and_then(|b| b.set_buckets_for_metric(Matcher::Suffix("_size".into()), &SIZES))
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|e| Error::internal("cannot install the metrics").because(e));
    match installed {
        Ok(handle) => {
            db::describe_metrics();
            events::describe_metrics();
            gauges::describe();
            Ok(HANDLE.get_or_init(|| handle).clone())
        }
        // Another start of this process was quicker.
        Err(error) => HANDLE.get().cloned().ok_or(error),
    }
}

/// What looks after the metrics for as long as the process runs.
///
/// # Errors
/// As [`metrics`].
pub(crate) fn upkeep() -> Result<Job> {
    let handle = metrics()?;
    Ok(Job::periodic("look after the metrics", UPKEEP, move || {
        handle.run_upkeep();
        ready(Ok(()))
    }))
}
