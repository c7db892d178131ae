//! What the machine did meanwhile: processor time of the server, of its engines, of this client, and of
//! everybody else, since a number measured beside somebody's compiler is worth less; and how long the disk
//! takes to be sure.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;

/// Ticks in a second in `/proc`: the kernel's USER_HZ, 100 on every Linux of today.
const HZ: f64 = 100.0;

/// Whose processor time is told apart from others', beside this process and the programs that it ran.
#[derive(Debug, Clone)]
pub struct Processes {
    /// The server under test: one process, or several that do its work together.
    pub servers: Vec<u32>,
    /// The first process of PostgreSQL; its children are counted too.
    pub postgres: Option<u32>,
    /// NATS.
    pub nats: Option<u32>,
    /// Redis.
    pub redis: Option<u32>,
}

/// Processor seconds at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    server: f64,
    postgres: f64,
    nats: f64,
    redis: f64,
    client: f64,
    busy: f64,
    all: f64,
}

/// Processor seconds of a stretch of time.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// Seconds of the server.
    pub server: f64,
    /// Seconds of PostgreSQL, all of its processes.
    pub postgres: f64,
    /// Seconds of NATS.
    pub nats: f64,
    /// Seconds of Redis.
    pub redis: f64,
    /// Seconds of who asks: this process, and programs that it has run.
    pub client: f64,
    /// Seconds of everybody else.
    pub others: f64,
    /// Seconds that there were, on all processors.
    pub all: f64,
}

impl Cpu {
    /// Now.
    pub fn now(processes: &Processes) -> Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<f64> =
            line.split_whitespace().skip(1).take(8).filter_map(|t| t.parse().ok()).collect();
        let [user, nice, system, idle, waiting, irq, softirq, steal] = ticks[..] else {
            return Err("/proc/stat is not Linux's".into());
        };
        let busy = user + nice + system + irq + softirq + steal;
        let postgres = processes.postgres.map_or(Ok(0.0), family)?;
        let of = |pid: Option<u32>| pid.map_or(Ok(0.0), |pid| stat(pid).map(|stat| stat.own));
        let (nats, redis) = (of(processes.nats)?, of(processes.redis)?);
        let client = stat(std::process::id())?;
        let mut server = 0.0;
        for process in &processes.servers {
            server += stat(*process)?.own;
        }
        Ok(Self {
            server,
            postgres,
            nats,
            redis,
            client: client.own + client.ended,
            busy: busy / HZ,
            all: (busy + idle + waiting) / HZ,
        })
    }

    /// What was spent between `earlier` and this.
    pub fn since(&self, earlier: &Self) -> Spent {
        let server = self.server - earlier.server;
        let postgres = self.postgres - earlier.postgres;
        let nats = self.nats - earlier.nats;
        let redis = self.redis - earlier.redis;
        let client = self.client - earlier.client;
        let others = (self.busy - earlier.busy) - server - postgres - nats - redis - client;
        let all = (self.all - earlier.all).max(0.01);
        Spent { server, postgres, nats, redis, client, others: others.max(0.0), all }
    }
}

/// What `/proc` says about a process.
struct Stat {
    name: String,
    parent: u32,
    /// User and system seconds, all of its threads.
    own: f64,
    /// Those of its children that have ended.
    ended: f64,
}

fn stat(pid: u32) -> Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is a name in parentheses that may hold anything.
    let (head, rest) = text.rsplit_once(')').ok_or("a process without a name")?;
    let name = head.split_once('(').map(|(_, name)| name.to_owned()).unwrap_or_default();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| -> Result<f64> {
        Ok(fields.get(at).ok_or("/proc/<pid>/stat is too short")?.parse::<f64>()?)
    };
    Ok(Stat {
        name,
        parent: number(1)? as u32,
        own: (number(11)? + number(12)?) / HZ,
        ended: (number(13)? + number(14)?) / HZ,
    })
}

/// User and system seconds of a process so far.
pub fn seconds(pid: u32) -> Result<f64> {
    Ok(stat(pid)?.own)
}

/// All processes that are there.
fn everybody() -> Result<impl Iterator<Item = (u32, Stat)>> {
    let pids = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // One that has ended since has nothing to say.
    Ok(pids.filter_map(|pid: u32| Some((pid, stat(pid).ok()?))))
}

/// Seconds of a process and its children, those that have ended among them.
fn family(parent: u32) -> Result<f64> {
    let children: f64 =
        everybody()?.filter(|(_, stat)| stat.parent == parent).map(|(_, stat)| stat.own).sum();
    let parent = stat(parent)?;
    Ok(parent.own + parent.ended + children)
}

/// The child of this process whose program has that name.
pub fn child(name: &str) -> Result<u32> {
    let here = std::process::id();
    let found = everybody()?.find(|(_, stat)| stat.parent == here && stat.name == name);
    Ok(found.ok_or_else(|| format!("no process {name}"))?.0)
}

/// The median time of 4 KiB appended and made durable, as a commit does.
pub fn sync_time(directory: &Path) -> Result<Duration> {
    let path = directory.join(format!("bench.sync.{}", std::process::id()));
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
