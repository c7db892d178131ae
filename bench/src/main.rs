//! Measures Marquee from outside: a real server in a process of its own, a real data directory, real HTTP.
//! See README.md beside this file for what the numbers mean.

mod copies;
mod http;
mod load;
mod machine;
mod report;
mod sale;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Whatever goes wrong ends the run with a sentence.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const USAGE: &str =
    "usage: bench sale [--seconds N] [--rounds N] [--connections N] [--tickets N] [--copies N]
                  [--server PATH] [--data DIR]

  --seconds N      how long each phase is driven (8)
  --rounds N       rounds of all phases, interleaved (3)
  --connections N  keep-alive connections, each with a buyer of its own (64)
  --tickets N      tickets of the phase `spread` (1000)
  --copies N       tickets listed one by one to measure the copies' lag (500)
  --server PATH    a marquee binary; without it the workspace's is built and used
  --data DIR       where to make the data directory (the workspace's target directory)";

/// What the command line says.
#[derive(Debug, Clone)]
struct Options {
    seconds: Duration,
    rounds: usize,
    connections: usize,
    tickets: usize,
    copies: usize,
    server: Option<PathBuf>,
    data: Option<PathBuf>,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            seconds: Duration::from_secs(8),
            rounds: 3,
            connections: 64,
            tickets: 1000,
            copies: 500,
            server: None,
            data: None,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} wants a value\n{USAGE}"))?;
            let number = || value.parse().ok().filter(|n| *n > 0).ok_or(format!("{name} wants a number"));
            match name.as_str() {
                "--seconds" => options.seconds = Duration::from_secs(number()? as u64),
                "--rounds" => options.rounds = number()?,
                "--connections" => options.connections = number()?,
                "--tickets" => options.tickets = number()?,
                "--copies" => options.copies = number()?,
                "--server" => options.server = Some(value.into()),
                "--data" => options.data = Some(value.into()),
                _ => return Err(format!("there is no {name}\n{USAGE}").into()),
            }
        }
        Ok(options)
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("sale") => {
            let options = Options::read(arguments)?;
            // One thread: the client has at most one of the machine's cores.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(sale::run(&options))
        }
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
