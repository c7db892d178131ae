//! All servers, running side by side: whoever is not asked has nothing to do.

use std::sync::Arc;
use std::time::Duration;

use engines::Redis;

use crate::backing::Backing;
use crate::load::{Load, drive};
use crate::lookups::house::{House, Origins};
use crate::lookups::phase::{Phase, What, Which};
use crate::lookups::table::Measured;
use crate::machine::{Cpu, Spent};
use crate::report::Round;
use crate::{Options, Result};

/// This part of the look-ups has to be answered from where it is thought to be; the rest is what had come to its end.
const ENOUGH: f64 = 0.95;

/// How long look-ups are warmed up: enough for each user to be asked for, many times over where all is remembered.
const WARM: Duration = Duration::from_millis(300);

/// The servers, and what is behind them.
pub struct Field {
    houses: Vec<House>,
    _shared: Backing,
}

impl Field {
    /// Starts all of them.
    pub async fn start(options: &Options) -> Result<Self> {
        let shared = Backing::start(options).await?;
        let redis = Arc::new(Redis::start().await.ok_or("Redis is not installed (Debian: redis-server)")?);
        let mut houses = Vec::new();
        for which in Which::ALL {
            let backing = match which {
                Which::Sqlite => Backing::none(),
                Which::SqliteAlone => Backing::none().with("CACHE_ENTRIES", "0"),
                Which::Postgres => shared.sharing(false).await?.with_redis(&redis, "front"),
                Which::Redis => {
                    shared.sharing(false).await?.with_redis(&redis, "alone").with("CACHE_ENTRIES", "0")
                }
                Which::PostgresAlone => shared.sharing(false).await?.with("CACHE_ENTRIES", "0"),
            };
            houses.push(House::start(options, which, backing).await?);
        }
        Ok(Self { houses, _shared: shared })
    }

    /// Measures one phase, and sees that look-ups were answered from where they should be.
    pub async fn measure(&mut self, phase: Phase, options: &Options) -> Result<Measured> {
        let house = self.houses.iter_mut().find(|house| house.which == phase.which);
        let house = house.ok_or("this server was not started")?;
        let ask = house.ask(phase.what).await?;
        // Nobody is signed in where a session would only be more to read.
        let signed_in = phase.looks_up() || phase.what == What::Nobody;
        let mut crowd = house.crowd(options.connections, signed_in).await?;
        if phase.looks_up() {
            // What the pause since the last phase has let come to its end is read again before the clock runs.
            drive(&mut crowd, &ask, WARM).await?;
        }
        let (processes, before) = (house.processes()?, house.origins().await?);
        let clock = Cpu::now(&processes)?;
        let load = drive(&mut crowd, &ask, options.seconds).await?;
        let spent = Cpu::now(&processes)?.since(&clock);
        let origins = house.origins().await?.since(&before);
        if phase.looks_up() {
            check(phase.which, &load, &origins)?;
        }
        Ok(Measured { round: round(&load, spent), origins })
    }

    /// Stops the servers, and verifies what they leave.
    pub async fn stop(self) -> Result<()> {
        for house in self.houses {
            house.stop().await?;
        }
        Ok(())
    }
}

/// A phase after which nothing is left to be drained.
fn round(load: &Load, spent: Spent) -> Round {
    Round {
        answers: load.answers,
        driven: load.took,
        whole: load.took,
        p50: load.quantile(0.5),
        p99: load.quantile(0.99),
        max: load.quantile(1.0),
        driving: spent,
        spent,
    }
}

/// What the answers say of where they come from has to be what the server counts, and what this server is for.
fn check(which: Which, load: &Load, origins: &Origins) -> Result<()> {
    let (answers, cached) = (load.answers as f64, load.begun as f64);
    if origins.all() != answers || origins.database != answers - cached {
        return Err(format!("{answers} answers, {cached} from a cache; the server counts {origins:?}").into());
    }
    let right = match which {
        Which::Sqlite | Which::Postgres => origins.process >= ENOUGH * answers,
        Which::Redis => origins.process == 0.0 && origins.redis >= ENOUGH * answers,
        Which::SqliteAlone | Which::PostgresAlone => origins.database == answers,
    };
    if right {
        Ok(())
    } else {
        Err(format!("{} does not answer from there: {origins:?}", which.name()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_from_where_they_say() {
        let load = |answers, begun| Load { answers, begun, ..Load::default() };
        let from = |process, redis, database| Origins { process, redis, database, reads: 0.0 };
        assert!(check(Which::Sqlite, &load(100, 98), &from(98.0, 0.0, 2.0)).is_ok());
        assert!(check(Which::Redis, &load(100, 98), &from(0.0, 98.0, 2.0)).is_ok());
        assert!(check(Which::SqliteAlone, &load(100, 0), &from(0.0, 0.0, 100.0)).is_ok());
        // From elsewhere; one that is not counted; one that says something else.
        assert!(check(Which::Redis, &load(100, 98), &from(98.0, 0.0, 2.0)).is_err());
        assert!(check(Which::Sqlite, &load(101, 98), &from(98.0, 0.0, 2.0)).is_err());
        assert!(check(Which::Sqlite, &load(100, 99), &from(98.0, 0.0, 2.0)).is_err());
        assert!(check(Which::Sqlite, &load(100, 90), &from(90.0, 0.0, 10.0)).is_err());
        assert!(check(Which::PostgresAlone, &load(100, 1), &from(0.0, 1.0, 99.0)).is_err());
    }
}
