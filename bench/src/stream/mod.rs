//! The scenario `stream`: what a film costs to send, whole and in ranges, beside nginx on the very same file, and beside the
//! same with storage in a process of its own; and what a server holds for viewers who take little.

mod ask;
mod chance;
mod film;
mod phase;
mod plan;
mod slow;
mod stage;
mod table;
mod viewer;
mod watch;

pub use plan::Plan;

use crate::machine::sync_time;
use crate::server::{self, place};
use crate::{Options, Result};
use film::Film;
use phase::Which;
use plan::Part;
use slow::Slow;
use stage::Stage;
use table::Table;

/// Runs everything and prints what was measured. An error is a broken server or a broken measurement.
pub async fn run(mut plan: Plan) -> Result<()> {
    for part in &plan.without {
        eprintln!("WITHOUT {}", part.name());
    }
    let viewers = slow::allowed(plan.slow)?;
    if viewers < plan.slow {
        eprintln!("ONLY {viewers} slow viewers: the system allows no more open files");
    }
    plan.common.server = Some(server::program(&plan.common).await?);
    let directory = place(&plan.common)?;
    let film = Film::make(&directory, plan.mib)?;
    let mut stages = start(&plan, &plan.common, &film).await?;
    let seconds = plan.common.seconds;
    println!(
        "{} MiB, {} s a phase, 4 KiB synced in {:?}",
        plan.mib,
        seconds.as_secs(),
        sync_time(&directory)?
    );
    if plan.has(Part::Slow) {
        // Before there is anything that others left behind in memory.
        let mut slow = Slow::default();
        for stage in stages.iter().filter(|stage| !matches!(stage.which, Which::Nginx(_))) {
            slow.measure(stage, &film, viewers).await?;
        }
        println!("\n{slow}");
    }
    if plan.has(Part::Fast) {
        let mut table = Table::default();
        for number in 1..=plan.common.rounds {
            for phase in phase::round(&plan, number) {
                let stage = stages.iter_mut().find(|stage| stage.which == phase.which);
                let stage = stage.ok_or("this server was not started")?;
                let measured = stage.measure(phase, &film, seconds).await?;
                println!("round {number}: {}", table.add(phase, measured));
            }
        }
        println!("\n{table}");
    }
    for stage in stages {
        stage.stop().await?;
    }
    Ok(())
}

/// Starts all that the plan does not leave out.
async fn start(plan: &Plan, options: &Options, film: &Film) -> Result<Vec<Stage>> {
    let one = Stage::one(options, film).await?;
    let kept = one.kept(film)?;
    let mut stages = vec![one];
    for which in Which::all(plan) {
        match which {
            Which::One => {}
            Which::Apart => stages.push(Stage::apart(options, film).await?),
            Which::Nginx(workers) => stages.push(Stage::nginx(workers, &kept).await?),
        }
    }
    Ok(stages)
}
