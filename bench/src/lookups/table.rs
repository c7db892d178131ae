//! What was measured, as a table for the README.

use std::fmt;

use crate::lookups::house::Origins;
use crate::lookups::phase::{Phase, What};
use crate::report::{Round, known, median};

/// A client as busy as this is what is measured, not the server.
const BUSY: f64 = 0.9;

/// One phase of one round.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Its answers.
    pub round: Round,
    /// Where those of them that are look-ups came from.
    pub origins: Origins,
}

impl Measured {
    /// The part of one core that the client took.
    fn client(&self) -> f64 {
        self.round.driving.client / self.round.driven.as_secs_f64()
    }

    /// Processor time for an answer in microseconds: of the server, PostgreSQL, Redis and the client.
    fn costs(&self) -> [f64; 4] {
        let spent = &self.round.spent;
        [spent.server, spent.postgres, spent.redis, spent.client]
            .map(|seconds| self.round.cost(seconds) * 1000.0)
    }

    /// The part of the machine that others had, in percent.
    fn others(&self) -> f64 {
        self.round.driving.others / self.round.driving.all * 100.0
    }

    /// Percent of the look-ups that were answered from the process, from Redis and from the database; then the reads of
    /// the database for a hundred answers.
    fn origins(&self) -> [f64; 4] {
        let Origins { process, redis, database, reads } = self.origins;
        [process, redis, database, reads].map(|part| part / self.origins.all() * 100.0)
    }
}

/// All rounds.
#[derive(Debug, Default)]
pub struct Table(Vec<(Phase, Vec<Measured>)>);

impl Table {
    /// Adds a phase of a round; answers a line about it.
    pub fn add(&mut self, phase: Phase, measured: Measured) -> String {
        let [server, postgres, redis, client] = measured.costs();
        let line = format!(
            "{:<23}{:<27}{:>7.0}/s, p50 {} p99 {} ms; cpu µs each: server {server:.1} postgres {postgres:.1} \
             redis {redis:.1} client {client:.1}; others {:.0} %",
            phase.which.name(),
            phase.name(),
            measured.round.burst(),
            known(measured.round.p50),
            known(measured.round.p99),
            measured.others(),
        );
        match self.0.iter_mut().find(|(known, _)| *known == phase) {
            Some((_, rounds)) => rounds.push(measured),
            None => self.0.push((phase, vec![measured])),
        }
        line
    }

    fn rounds(&self, phase: Phase) -> &[Measured] {
        self.0.iter().find(|(known, _)| *known == phase).map_or(&[], |(_, rounds)| rounds)
    }

    /// The median over the rounds of a phase's rate by a limit's of the same round.
    fn ratio(&self, phase: Phase, limit: What) -> Option<f64> {
        let limits = self.rounds(phase.limit(limit)?);
        let pairs = self.rounds(phase).iter().zip(limits);
        Some(median(pairs.map(|(one, limit)| one.round.burst() / limit.round.burst())))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| server | what | a second (least–most) | by empty GET | by no look-up | p50 ms | p99 ms | \
             % from process | redis | database | reads for 100 | cpu µs each: server | postgres | redis | client | \
             client's core % | others % |\n|{}",
            "---|".repeat(17)
        )?;
        for (phase, rounds) in &self.0 {
            let of = |value: &dyn Fn(&Measured) -> f64| median(rounds.iter().map(value));
            let rates = || rounds.iter().map(|one| one.round.burst());
            let (least, most) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
            write!(f, "| {} | {} |", phase.which.name(), phase.name())?;
            write!(f, " {:.0} ({least:.0}–{most:.0}) |", median(rates()))?;
            for limit in [What::Empty, What::Nobody] {
                write!(f, " {} |", known(self.ratio(*phase, limit).unwrap_or(f64::NAN)))?;
            }
            write!(f, " {} | {} |", known(of(&|one| one.round.p50)), known(of(&|one| one.round.p99)))?;
            for place in 0..4 {
                let part = if phase.looks_up() { of(&|one| one.origins()[place]) } else { f64::NAN };
                write!(f, " {} |", known(part))?;
            }
            for place in 0..4 {
                write!(f, " {:.1} |", of(&|one| one.costs()[place]))?;
            }
            writeln!(f, " {:.0} | {:.0} |", of(&|one| one.client() * 100.0), of(&|one| one.others()))?;
        }
        let busy = |rounds: &[Measured]| median(rounds.iter().map(Measured::client)) > BUSY;
        if self.0.iter().any(|(_, rounds)| busy(rounds)) {
            let percent = BUSY * 100.0;
            writeln!(
                f,
                "\nWhere the client is busy for over {percent:.0} % of its core it is its own limit."
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lookups::people::By;
    use crate::lookups::phase::Which;
    use crate::machine::Spent;

    fn measured(answers: usize) -> Measured {
        let driven = Duration::from_secs(1);
        let spent =
            Spent { server: 0.5, postgres: 0.0, nats: 0.0, redis: 0.2, client: 0.3, others: 0.0, all: 2.0 };
        let round =
            Round { answers, driven, whole: driven, p50: 1.0, p99: 2.0, max: 3.0, driving: spent, spent };
        let process = answers as f64;
        Measured { round, origins: Origins { process, ..Origins::default() } }
    }

    #[test]
    fn ratios_are_between_phases_of_one_round() {
        let one = Phase { which: Which::Sqlite, what: What::One(By::Id) };
        let mut table = Table::default();
        // The machine is slow in the second round: the ratios say nothing of it.
        for slow in [1, 4, 1] {
            table.add(one, measured(8000 / slow));
            table.add(one.limit(What::Empty).unwrap(), measured(10_000 / slow));
        }
        assert_eq!(table.ratio(one, What::Empty), Some(0.8));
        let text = table.to_string();
        let row = "| SQLite, in process | by id, one user | 8000 (2000–8000) | 0.80 | – | 1.00 | 2.00 | 100.00 | 0.00 |";
        assert!(text.contains(row), "{text}");
    }
}
