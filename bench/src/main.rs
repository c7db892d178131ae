//! Measures Marquee from outside: a real server in a process of its own, a real data directory, real HTTP.
//! See README.md beside this file for what the numbers mean.

mod arguments;
mod backing;
mod copies;
mod http;
mod increments;
mod load;
mod lookups;
mod machine;
mod peer;
mod pgbench;
mod process;
mod report;
mod sale;
mod server;
mod start;
mod stream;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use increments::Plan;

/// Whatever goes wrong ends the run with a sentence.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const USAGE: &str = "usage: bench sale [--postgres] [--nats] [--seconds N] [--rounds N] [--connections N] [--tickets N]
                  [--copies N] [--load N] [--server PATH] [--data DIR]
       bench start [--orders N] [--runs N] [--connections N] [--tickets N] [--server PATH] [--data DIR]
       bench increments [--connections N,N] [--keys N,N,N] [--without NAME,NAME] [--open-counters] [--batch N]
                  [--batch-connections N] [--seconds N] [--rounds N] [--server PATH] [--data DIR]
       bench lookups [--connections N] [--seconds N] [--rounds N] [--server PATH] [--data DIR]
       bench stream [--connections N,N] [--mib N] [--workers N,N] [--slow N] [--without NAME,NAME] [--seconds N]
                  [--rounds N] [--server PATH] [--data DIR]

  --postgres       on a PostgreSQL of the run's own, beside pgbench on the same; else on SQLite, beside requests
                   that do nothing
  --nats           with a NATS of the run's own; else in one process
  --seconds N      how long each phase is driven (8; of lookups and stream 4)
  --rounds N       rounds of all phases, interleaved (3)
  --connections N  keep-alive connections, each with a buyer of its own (64)
  --tickets N      tickets of the phase `spread` (1000)
  --copies N       tickets listed one by one to measure the copies' lag (500)
  --load N         orders a second in the background, for the lag under load (300)
  --orders N       orders that the server to be started has (100000)
  --runs N         starts of each kind (10)
  --server PATH    a marquee binary; without it the workspace's is built and used
  --data DIR       where to make the data directory (the workspace's target directory)

  of increments, where these are lists, and a phase is driven for 4 seconds:
  --connections N  keep-alive connections (64,256)
  --keys N         counters that are added to (1,10,10000)
  --without NAME   what to leave out: sqlite, postgres, three, webdis, pgbench, batches
  --open-counters  nobody signs in: the servers let anybody count
  --batch N        increments of a batch (1000)
  --batch-connections N  connections that send batches (4)

  of stream:
  --connections N  viewers who take what they get (8,64)
  --mib N          size of the film (256)
  --workers N      worker processes of nginx, one nginx for each number (1,2)
  --slow N         viewers who take 64 KiB a second (1000)
  --without NAME   what to leave out: nginx, apart, fast, slow";

/// What the command line says.
#[derive(Debug, Clone)]
struct Options {
    postgres: bool,
    nats: bool,
    open_counters: bool,
    seconds: Duration,
    rounds: usize,
    connections: usize,
    tickets: usize,
    copies: usize,
    load: usize,
    orders: usize,
    runs: usize,
    server: Option<PathBuf>,
    data: Option<PathBuf>,
}

impl Options {
    /// What is not said is so.
    fn usual() -> Self {
        Self {
            postgres: false,
            nats: false,
            open_counters: false,
            seconds: Duration::from_secs(8),
            rounds: 3,
            connections: 64,
            tickets: 1000,
            copies: 500,
            load: 300,
            orders: 100_000,
            runs: 10,
            server: None,
            data: None,
        }
    }

    fn read(arguments: impl Iterator<Item = String>) -> Result<Self> {
        Self::usual().with(arguments)
    }

    /// The same, but for what is said.
    fn with(self, mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = self;
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--postgres" => options.postgres = true,
                "--nats" => options.nats = true,
                _ => {
                    let value = arguments.next().ok_or_else(|| format!("{name} wants a value\n{USAGE}"))?;
                    options.set(&name, &value)?;
                }
            }
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let number = || value.parse().ok().filter(|n| *n > 0).ok_or(format!("{name} wants a number"));
        match name {
            "--seconds" => self.seconds = Duration::from_secs(number()? as u64),
            "--rounds" => self.rounds = number()?,
            "--connections" => self.connections = number()?,
            "--tickets" => self.tickets = number()?,
            "--copies" => self.copies = number()?,
            "--load" => self.load = number()?,
            "--orders" => self.orders = number()?,
            "--runs" => self.runs = number()?,
            "--server" => self.server = Some(value.into()),
            "--data" => self.data = Some(value.into()),
            _ => return Err(format!("there is no {name}\n{USAGE}").into()),
        }
        Ok(())
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let scenario = arguments.next();
    // One thread: the client has at most one of the machine's cores.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match scenario.as_deref() {
        Some("sale") => runtime.block_on(sale::run(&Options::read(arguments)?)),
        Some("start") => runtime.block_on(start::run(&Options::read(arguments)?)),
        Some("lookups") => runtime.block_on(lookups::run(arguments)),
        Some("increments") => runtime.block_on(increments::run(Plan::read(arguments)?)),
        Some("stream") => runtime.block_on(stream::run(stream::Plan::read(arguments)?)),
        _ => Err(USAGE.into()),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
