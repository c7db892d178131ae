//! The scenario `increments`: how many increments a second, durable when answered, beside a POST that does nothing,
//! beside Redis, which forgets them when the power goes, and beside PostgreSQL alone.

mod field;
mod house;
mod keys;
mod phase;
mod plan;
mod table;
mod upsert;
mod webdis;

pub use plan::Plan;

use crate::Result;
use crate::server;
use field::Field;
use table::Table;

/// Runs everything and prints what was measured. An error is a broken server or a broken measurement.
pub async fn run(mut plan: Plan) -> Result<()> {
    for part in &plan.without {
        eprintln!("WITHOUT {}: the table will not compare with it", part.name());
    }
    let programs = field::look(&plan)?;
    plan.common.server = Some(server::program(&plan.common).await?);
    let mut field = Field::start(&plan, programs).await?;
    println!("{} s a phase, {}", plan.common.seconds.as_secs(), field.disks()?);
    let mut table = Table::default();
    for number in 1..=plan.common.rounds {
        for phase in phase::round(&plan, number) {
            let measured = field.measure(phase, &plan).await?;
            println!("round {number}: {}", table.add(phase, measured));
        }
    }
    println!("\n{table}");
    field.stop().await
}
