//! All that is measured, running side by side: whoever is not asked has nothing to do.

use crate::backing::Backing;
use crate::increments::house::House;
use crate::increments::keys::{Keys, nothing};
use crate::increments::phase::{Phase, What, Who};
use crate::increments::plan::{Part, Plan};
use crate::increments::table::Measured;
use crate::increments::upsert::Upsert;
use crate::increments::webdis::{Programs, Webdis};
use crate::load::{Load, drive};
use crate::machine::{Cpu, Processes, sync_time};
use crate::report::Round;
use crate::{Options, Result, pgbench};

/// Processes of Marquee that share a database and a hot key.
const COPIES: usize = 3;

/// Connections that PostgreSQL has left for pgbench: 400, less 28 for each of four processes of Marquee.
const ROOM: usize = 280;

/// Looks for what has to be installed, before anything is built or started.
///
/// # Errors
/// With a sentence, if a peer that was not left out is not there.
pub fn look(plan: &Plan) -> Result<Option<Programs>> {
    if plan.has(Part::Pgbench) {
        if plan.connections.iter().any(|connections| *connections > ROOM) {
            let advice = "`--without pgbench` leaves this peer out";
            return Err(
                format!("PostgreSQL has no room for over {ROOM} connections of pgbench; {advice}").into()
            );
        }
        pgbench::find().map_err(|error| format!("{error}; `--without pgbench` leaves this peer out"))?;
    }
    plan.has(Part::Webdis).then(Programs::find).transpose()
}

/// Everybody who is asked.
pub struct Field {
    sqlite: Option<House>,
    postgres: Option<House>,
    three: Option<House>,
    webdis: Option<Webdis>,
    pgbench: Option<Upsert>,
    /// The PostgreSQL under three of them.
    shared: Backing,
}

impl Field {
    /// Starts what the plan has; `programs` are those of webdis.
    pub async fn start(plan: &Plan, programs: Option<Programs>) -> Result<Self> {
        let options = &plan.common;
        let shared = Options { postgres: plan.needs_postgres(), ..options.clone() };
        let shared = Backing::start(&shared).await?;
        let mut field =
            Self { sqlite: None, postgres: None, three: None, webdis: None, pgbench: None, shared };
        if plan.has(Part::Sqlite) {
            field.sqlite = Some(House::start(options, Backing::none(), 1, &plan.keys).await?);
        }
        if plan.has(Part::Postgres) {
            let backing = field.shared.sharing(false).await?;
            field.postgres = Some(House::start(options, backing, 1, &plan.keys).await?);
        }
        if plan.has(Part::Three) && plan.keys.contains(&1) {
            // More than one process of the whole house takes a bus, though counters need none.
            let backing = field.shared.sharing(true).await?;
            field.three = Some(House::start(options, backing, COPIES, &[1]).await?);
        }
        if plan.has(Part::Pgbench) {
            field.pgbench = Some(Upsert::start(field.shared.beside().await?, &plan.keys).await?);
        }
        if let Some(programs) = &programs {
            field.webdis = Some(Webdis::start(programs, &plan.keys).await?);
        }
        Ok(field)
    }

    /// How long the disks take, below SQLite and below PostgreSQL.
    pub fn disks(&self) -> Result<String> {
        let mut said = Vec::new();
        if let Some(house) = &self.sqlite {
            said.push(format!("SQLite's disk syncs 4 KiB in {:?}", sync_time(house.data()?)?));
        }
        if self.shared.database().is_some() {
            said.push(format!("PostgreSQL's in {:?}", sync_time(&std::env::temp_dir())?));
        }
        Ok(said.join(", "))
    }

    /// Measures one phase, and sees that every increment that was answered is there.
    pub async fn measure(&mut self, phase: Phase, plan: &Plan) -> Result<Measured> {
        let (keys, seconds) = (Keys(phase.keys), plan.common.seconds);
        match phase.who {
            Who::Pgbench => {
                let pgbench = self.pgbench.as_mut().ok_or("there is no pgbench")?;
                let clock = Clock::start(self.shared.processes(Vec::new())?)?;
                let load = pgbench.drive(keys, phase.connections, seconds).await?;
                clock.stop(&load, 1)
            }
            Who::Webdis => {
                let webdis = self.webdis.as_mut().ok_or("there is no webdis")?;
                let mut crowd = webdis.crowd(phase.connections).await?;
                let clock = Clock::start(webdis.processes()?)?;
                let load = drive(&mut crowd, &keys.incrby(), seconds).await?;
                let measured = clock.stop(&load, 1)?;
                webdis.answered(load.answers).await?;
                Ok(measured)
            }
            Who::Sqlite => ask(self.sqlite.as_mut(), phase, plan).await,
            Who::Postgres => ask(self.postgres.as_mut(), phase, plan).await,
            Who::Three => ask(self.three.as_mut(), phase, plan).await,
        }
    }

    /// Stops the servers, and verifies what they leave.
    pub async fn stop(self) -> Result<()> {
        for house in [self.sqlite, self.postgres, self.three].into_iter().flatten() {
            house.stop().await?;
        }
        Ok(())
    }
}

/// One phase of Marquee's.
async fn ask(house: Option<&mut House>, phase: Phase, plan: &Plan) -> Result<Measured> {
    let house = house.ok_or("this Marquee was not started")?;
    let keys = Keys(phase.keys);
    // What an answer stands for in the rates, and what in the counters.
    let (ask, counts, increments) = match phase.what {
        What::Nothing => (nothing(), 1, 0),
        What::Increment => (keys.increment(), 1, 1),
        What::Batch(form) => (keys.batches(form, plan.batch), plan.batch, plan.batch),
    };
    // Who is signed in would be signed out by the POST that does nothing.
    let mut crowd = house.crowd(phase.connections, phase.what != What::Nothing).await?;
    let before = house.groups().await?;
    let clock = Clock::start(house.processes()?)?;
    let load = drive(&mut crowd, &ask, plan.common.seconds).await?;
    let mut measured = clock.stop(&load, counts)?;
    let after = house.groups().await?;
    if after.0 > before.0 {
        measured.group = (after.1 - before.1) / (after.0 - before.0);
    }
    house.answered(load.answers * increments).await?;
    Ok(measured)
}

/// Times a phase.
struct Clock {
    processes: Processes,
    before: Cpu,
}

impl Clock {
    fn start(processes: Processes) -> Result<Self> {
        Ok(Self { before: Cpu::now(&processes)?, processes })
    }

    /// The load has ended; each answer stands for so many in the rates.
    fn stop(self, load: &Load, counts: usize) -> Result<Measured> {
        let spent = Cpu::now(&self.processes)?.since(&self.before);
        let round = Round {
            answers: load.answers * counts,
            driven: load.took,
            // Nothing is left to be drained.
            whole: load.took,
            p50: load.quantile(0.5),
            p99: load.quantile(0.99),
            max: load.quantile(1.0),
            driving: spent,
            spent,
        };
        Ok(Measured { round, group: f64::NAN })
    }
}
