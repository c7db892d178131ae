//! Processes of this machine: who is whose child, and signals to them.

use std::fs;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::{DEADLINE, PERIOD};

/// Sends a signal; a process that is gone has no need of it.
pub(crate) fn signal(process: u32, signal: Signal) {
    if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        let _ = kill_process(process, signal);
    }
}

/// The children of a process. PostgreSQL's are each a session of their own, so no group has them all.
/// None are found where there is no `/proc`.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|process| stat(*process).is_some_and(|(_, theirs)| theirs == parent)).collect()
}

/// Stops a process where it is, and waits until it is: from then on it starts no other.
///
/// # Panics
/// If it does not stop in time.
pub(crate) fn freeze(process: u32) {
    signal(process, Signal::STOP);
    let started = Instant::now();
    while !matches!(stat(process), None | Some(('T' | 't' | 'Z' | 'X', _))) {
        assert!(started.elapsed() < DEADLINE, "process {process} does not stop");
        std::thread::yield_now();
    }
}

/// Waits until a process that was killed is dead.
///
/// # Panics
/// If it lives on.
pub(crate) async fn gone(process: u32) {
    let started = Instant::now();
    while !matches!(stat(process), None | Some(('Z' | 'X', _))) {
        assert!(started.elapsed() < DEADLINE, "process {process} does not die");
        tokio::time::sleep(PERIOD).await;
    }
}

/// The state of a process, as a letter, and its parent. The name before them may have spaces and brackets in it.
fn stat(process: u32) -> Option<(char, u32)> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
