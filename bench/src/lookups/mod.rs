//! The scenario `lookups`: how many look-ups of users a second, from the process's own cache, through Redis and from the
//! database, beside the same server's GET that does nothing; and what lists cost, which are not remembered.

mod field;
mod house;
mod people;
mod phase;
mod table;

use std::time::Duration;

use crate::{Options, Result, server};
use field::Field;
use table::Table;

/// Runs everything and prints what was measured. An error is a broken server or a broken measurement.
pub async fn run(arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut options =
        Options { seconds: Duration::from_secs(4), postgres: true, ..Options::usual() }.with(arguments)?;
    options.server = Some(server::program(&options).await?);
    let mut field = Field::start(&options).await?;
    println!("{} connections, {} s a phase", options.connections, options.seconds.as_secs());
    let mut table = Table::default();
    for number in 1..=options.rounds {
        for phase in phase::round(number) {
            let measured = field.measure(phase, &options).await?;
            println!("round {number}: {}", table.add(phase, measured));
        }
    }
    println!("\n{table}");
    field.stop().await
}
