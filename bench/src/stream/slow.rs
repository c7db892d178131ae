//! Viewers who take little: what a server holds for each of them.

use std::fmt;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep, timeout_at};

use crate::Result;
use crate::process::Memory;
use crate::stream::ask::{Ask, What};
use crate::stream::film::Film;
use crate::stream::stage::Stage;
use crate::stream::viewer::Viewer;

/// What one viewer takes in a second, in so many steps.
const RATE: u64 = 64 * 1024;
const STEPS: u64 = 4;
/// For how long they watch.
const WATCHED: Duration = Duration::from_secs(10);
/// How long nothing happens before memory is looked at, before and after.
const IDLE: Duration = Duration::from_secs(3);
/// How often it is looked at while they watch.
const LOOK: Duration = Duration::from_millis(500);
/// All get at least this part of what they take, or they were not served.
const ENOUGH: f64 = 0.8;
/// Open files that are no viewer's.
const OTHERS: u64 = 256;

/// Lets this process, and all that it starts, have as many open files as the system allows; answers how many viewers that
/// is enough for, `wanted` at most. A server that passes on what another has needs two files for each.
pub fn allowed(wanted: usize) -> Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let viewers = limit.maximum.map_or(wanted as u64, |most| most.saturating_sub(OTHERS) / 2);
    Ok(wanted.min(usize::try_from(viewers).unwrap_or(usize::MAX)))
}

/// Memory of one process.
#[derive(Debug)]
struct Row {
    server: String,
    process: &'static str,
    pid: u32,
    before: Memory,
    most: Memory,
    after: Memory,
}

/// All processes.
#[derive(Debug, Default)]
pub struct Slow {
    rows: Vec<Row>,
}

impl Slow {
    /// Measures one server. Ends with an error if it does not serve them.
    pub async fn measure(&mut self, stage: &Stage, film: &Film, viewers: usize) -> Result<()> {
        sleep(IDLE).await;
        let mut rows = Vec::new();
        for (process, pid) in stage.named() {
            let before = Memory::of(pid)?;
            rows.push(Row { server: stage.which.name(), process, pid, before, most: before, after: before });
        }
        let asks = What::Whole.asks(&stage.path, film.size);
        let ask = asks.first().ok_or("there is nothing to ask for")?;
        let mut crowd = JoinSet::new();
        let mut connected = Vec::new();
        for _ in 0..viewers {
            connected.push(Viewer::open_narrow(stage.address, u32::try_from(RATE)?).await?);
        }
        let until = Instant::now() + WATCHED;
        for (place, viewer) in connected.into_iter().enumerate() {
            crowd.spawn(watch(viewer, place, ask.clone(), until));
        }
        while Instant::now() + LOOK < until {
            sleep(LOOK).await;
            for row in &mut rows {
                row.most = most(row.most, Memory::of(row.pid)?);
            }
        }
        let mut taken = 0;
        while let Some(ended) = crowd.join_next().await {
            taken += ended??;
        }
        sleep(IDLE).await;
        for row in &mut rows {
            row.after = Memory::of(row.pid)?;
        }
        // The first step is taken after a while.
        let expected = viewers as f64 * RATE as f64 * WATCHED.as_secs_f64();
        println!(
            "{}: {viewers} slow viewers took {:.0} MiB of {:.0}",
            stage.which.name(),
            taken as f64 / MIB,
            expected / MIB
        );
        self.rows.extend(rows);
        if (taken as f64) < ENOUGH * expected {
            return Err(format!("{} does not serve {viewers} slow viewers", stage.which.name()).into());
        }
        Ok(())
    }
}

const MIB: f64 = 1024.0 * 1024.0;

/// Takes what it is slow enough to take; answers how much that was.
async fn watch(mut viewer: Viewer, place: usize, ask: Ask, until: Instant) -> Result<u64> {
    let period = Duration::from_secs(1).div_f64(STEPS as f64);
    // They do not all come at once.
    let late = period.mul_f64(place as f64 * 0.618 % 1.0);
    let mut pace = interval_at(Instant::now() + late, period);
    pace.tick().await;
    let mut taken = viewer.ask(&ask).await?;
    let mut due = 0;
    loop {
        due += RATE / STEPS;
        while taken < due.min(ask.length) {
            match timeout_at(until, viewer.discard(due.min(ask.length) - taken)).await {
                Ok(more) => taken += more?,
                Err(_) => return Ok(taken),
            }
        }
        if timeout_at(until, pace.tick()).await.is_err() {
            return Ok(taken);
        }
    }
}

fn most(one: Memory, other: Memory) -> Memory {
    Memory {
        resident: one.resident.max(other.resident),
        proportional: one.proportional.max(other.proportional),
        anonymous: one.anonymous.max(other.anonymous),
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| server | process | anonymous MiB before | most | after | more | resident MiB before | most | after | more |\n|{}",
            "---|".repeat(10)
        )?;
        for row in &self.rows {
            write!(f, "| {} | {} |", row.server, row.process)?;
            let values: [fn(&Memory) -> f64; 2] = [|memory| memory.anonymous, |memory| memory.resident];
            for value in values {
                let [before, most, after] =
                    [&row.before, &row.most, &row.after].map(|one| value(one) / 1024.0);
                write!(f, " {before:.1} | {most:.1} | {after:.1} | {:.1} |", most - before)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
