//! How this process is, by the names that all of Prometheus's clients use
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>). It is read from `/proc`; where
//! there is none, there are no such metrics.

use std::fs;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Says what the series mean. The recorder has to be installed before.
pub(crate) fn describe() {
    describe_counter!("process_cpu_seconds_total", Unit::Seconds, "Processor time spent, in whole seconds.");
    describe_gauge!("process_resident_memory_bytes", Unit::Bytes, "Memory that is in use.");
    describe_gauge!("process_virtual_memory_bytes", Unit::Bytes, "Addresses that are in use.");
    describe_gauge!("process_threads", "Threads of the process.");
    describe_gauge!("process_open_fds", "Files and connections that are open.");
    describe_gauge!("process_max_fds", "Files and connections that may be open; 0 is any number.");
    describe_gauge!("process_start_time_seconds", Unit::Seconds, "When the process started, since 1970.");
}

/// Allows itself as many files and connections as it may have at all. Fewer is the usual limit, for the sake of programs that
/// use `select`.
pub(crate) fn allow_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(e) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(error = %e, "the limit of open files stays as it is");
    }
}

/// Brings the metrics up to date.
pub(crate) fn observe() {
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return };
    let known = |name, value: Option<f64>| {
        if let Some(value) = value {
            gauge!(name).set(value);
        }
    };
    let bytes = |name| number_of(&status, name).map(|kilobytes| kilobytes * 1024.0);
    known("process_resident_memory_bytes", bytes("VmRSS:"));
    known("process_virtual_memory_bytes", bytes("VmSize:"));
    known("process_threads", number_of(&status, "Threads:"));
    known("process_start_time_seconds", started());
    let open = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as f64);
    known("process_open_fds", open);
    known("process_max_fds", Some(getrlimit(Resource::Nofile).current.unwrap_or(0) as f64));
    let spent = clock_gettime(ClockId::ProcessCPUTime).tv_sec;
    counter!("process_cpu_seconds_total").absolute(u64::try_from(spent).unwrap_or(0));
}

/// The number behind `name` at the beginning of a line.
fn number_of(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// When the process started, in seconds since 1970: the machine's start, and ticks from there (proc_pid_stat(5)).
fn started() -> Option<f64> {
    let booted = number_of(&fs::read_to_string("/proc/stat").ok()?, "btime ")?;
    Some(booted + ticks(&fs::read_to_string("/proc/self/stat").ok()?)? / clock_ticks_per_second() as f64)
}

/// The 22nd field. The 2nd is the program's name in parentheses, and may have anything in it.
fn ticks(stat: &str) -> Option<f64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let status = "Name:\tVmRSS: 7\nVmSize:\t    8192 kB\nVmRSS:\t    4096 kB\nThreads:\t9\n";
        assert_eq!(number_of(status, "VmRSS:"), Some(4096.0));
        assert_eq!(number_of(status, "Threads:"), Some(9.0));
        assert_eq!(number_of(status, "VmSwap:"), None);
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 97 0 0 0 0 0 0 0 20 0 1 0 123456 2703360 230";
        assert_eq!((ticks(stat), ticks("7 (short) S 1"), ticks("")), (Some(123_456.0), None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_started_after_the_machine_and_before_now() {
        let now = kernel::Clock::system().now().as_seconds() as f64;
        let started = started().unwrap();
        assert!(started <= now + 1.0 && started > now - 86_400.0, "{started} and it is {now}");
    }
}
