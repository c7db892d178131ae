//! What `/proc` says of a process while nothing happens: memory, and what it does nevertheless.

use std::fs;

use crate::Result;

/// KiB of memory.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Resident, what it shares with other processes included.
    pub resident: f64,
    /// Resident, with what is shared divided among those who share it.
    pub proportional: f64,
    /// Its own: heaps and stacks. The rest is pages of files, which the kernel may drop.
    pub anonymous: f64,
}

impl Memory {
    /// Now.
    pub fn of(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let value = |name| field(&text, name);
        Ok(Self { resident: value("Rss:")?, proportional: value("Pss:")?, anonymous: value("Anonymous:")? })
    }
}

/// What all threads of a process have done so far.
#[derive(Debug, Clone, Copy)]
pub struct Activity {
    /// Threads.
    pub threads: usize,
    /// Milliseconds of processor time.
    pub cpu: f64,
    /// How often one of them went to sleep of its own will, as it does each time that it was woken.
    pub sleeps: f64,
}

impl Activity {
    /// Until now.
    pub fn of(pid: u32) -> Result<Self> {
        let mut all = Self { threads: 0, cpu: 0.0, sleeps: 0.0 };
        for thread in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
            // One that has ended since has nothing to say.
            let read = |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
            let nanoseconds = read("schedstat").split(' ').next().and_then(|n| n.parse::<f64>().ok());
            all.threads += 1;
            all.cpu += nanoseconds.unwrap_or_default() / 1e6;
            all.sleeps += field(&read("status"), "voluntary_ctxt_switches:").unwrap_or_default();
        }
        Ok(all)
    }

    /// What was done between `earlier` and this, by the threads that are there still.
    pub fn since(&self, earlier: &Self) -> Self {
        Self { threads: self.threads, cpu: self.cpu - earlier.cpu, sleeps: self.sleeps - earlier.sleeps }
    }
}

/// The number after a line's name.
fn field(text: &str, name: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    Ok(number.ok_or_else(|| format!("/proc has no {name}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_threads() {
        let pid = std::process::id();
        let Memory { resident, proportional, anonymous } = Memory::of(pid).unwrap();
        assert!(resident >= proportional && proportional > 0.0 && anonymous > 0.0);
        let first = Activity::of(pid).unwrap();
        assert!(first.threads > 0 && Activity::of(pid).unwrap().since(&first).cpu >= 0.0);
        assert!(field("a: 1 kB\n", "b:").is_err());
    }
}
