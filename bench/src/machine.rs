//! What the machine did meanwhile: processor time of the server, of this client, and of everybody else, since
//! a number measured beside somebody's compiler is worth less; and how long the disk takes to be sure.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;

/// Ticks in a second in `/proc`: the kernel's USER_HZ, 100 on every Linux of today.
const HZ: f64 = 100.0;

/// Processor seconds at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    server: f64,
    client: f64,
    busy: f64,
    all: f64,
}

/// Processor seconds of a stretch of time.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// Seconds of the server.
    pub server: f64,
    /// Seconds of this process.
    pub client: f64,
    /// The part of the whole machine that others had, 0 to 1.
    pub others: f64,
}

impl Cpu {
    /// Now; `pid` is the server.
    pub fn now(pid: u32) -> Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<f64> =
            line.split_whitespace().skip(1).take(8).filter_map(|t| t.parse().ok()).collect();
        let [user, nice, system, idle, waiting, irq, softirq, steal] = ticks[..] else {
            return Err("/proc/stat is not Linux's".into());
        };
        let busy = user + nice + system + irq + softirq + steal;
        Ok(Self {
            server: of(pid)?,
            client: of(std::process::id())?,
            busy: busy / HZ,
            all: (busy + idle + waiting) / HZ,
        })
    }

    /// What was spent between `earlier` and this.
    pub fn since(&self, earlier: &Self) -> Spent {
        let (server, client) = (self.server - earlier.server, self.client - earlier.client);
        let others = (self.busy - earlier.busy) - server - client;
        Spent { server, client, others: (others / (self.all - earlier.all).max(0.01)).max(0.0) }
    }
}

/// User and system time of a process, all of its threads.
fn of(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is a name in parentheses that may hold anything.
    let (_, rest) = text.rsplit_once(')').ok_or("a process without a name")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    match (fields.get(11), fields.get(12)) {
        (Some(user), Some(system)) => Ok((user.parse::<f64>()? + system.parse::<f64>()?) / HZ),
        _ => Err("/proc/<pid>/stat is too short".into()),
    }
}

/// The median time of 4 KiB appended and made durable, as a commit of the server does.
pub fn sync_time(directory: &Path) -> Result<Duration> {
    let path = directory.join("bench.sync");
    let mut file = OpenOptions::new().create_new(true).append(true).open(&path)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let started = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
