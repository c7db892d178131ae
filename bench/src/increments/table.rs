//! What was measured, as a table for the README.

use std::fmt;

use crate::increments::phase::{Phase, What, Who};
use crate::report::{Round, known, median};

/// One phase of one round.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Its answers are increments, or requests where those do nothing.
    pub round: Round,
    /// Increments in a transaction; not a number where nobody says.
    pub group: f64,
}

impl Measured {
    /// The part of one core that the client took.
    fn client(&self) -> f64 {
        self.round.driving.client / self.round.driven.as_secs_f64()
    }
}

/// All rounds.
#[derive(Debug, Default)]
pub struct Table(Vec<(Phase, Vec<Measured>)>);

/// A client as busy as this is what is measured, not the server.
const BUSY: f64 = 0.9;

impl Table {
    /// Adds a phase of a round; answers a line about it.
    pub fn add(&mut self, phase: Phase, measured: Measured) -> String {
        let round = &measured.round;
        let [server, postgres, _, client, others] = round.shares();
        let line = format!(
            "{:>4} connections, {:>5} keys, {:<22}{:>8.0}/s, p50 {} p99 {} max {} ms, {} a group; server {server:.0} % \
             postgres {postgres:.0} % client {client:.0} % others {others:.0} %",
            phase.connections,
            phase.keys,
            phase.name(),
            round.burst(),
            known(round.p50),
            known(round.p99),
            known(round.max),
            whole(measured.group),
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

    /// The median over the rounds of a phase's rate by another's of the same round.
    fn ratio(&self, phase: Phase, peer: Option<Phase>) -> Option<f64> {
        let peers = self.rounds(peer?);
        if peers.is_empty() {
            return None;
        }
        let pairs = self.rounds(phase).iter().zip(peers);
        Some(median(pairs.map(|(one, peer)| one.round.burst() / peer.round.burst())))
    }

    /// Phases in whose middle round the client was as busy as can be.
    fn clients_limit(&self) -> impl Iterator<Item = (Phase, f64)> {
        let http = self.0.iter().filter(|(phase, _)| phase.who != Who::Pgbench);
        http.map(|(phase, rounds)| (*phase, median(rounds.iter().map(Measured::client))))
            .filter(|(_, part)| *part > BUSY)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| connections | keys | what | a second (least–most) | by limit | by webdis | by pgbench | p50 ms | p99 ms | \
             a group | cpu µs each: server | postgres | client | cpu % while driven: server | postgres | client | \
             others |\n|{}",
            "---|".repeat(17)
        )?;
        for (phase, rounds) in &self.0 {
            let of = |value: &dyn Fn(&Measured) -> f64| median(rounds.iter().map(value));
            let rates = || rounds.iter().map(|one| one.round.burst());
            let (least, most) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
            write!(
                f,
                "| {} | {} | {} | {:.0} ({least:.0}–{most:.0}) |",
                phase.connections,
                phase.keys,
                phase.name(),
                median(rates())
            )?;
            for peer in [phase.limit(), phase.beside(Who::Webdis), phase.beside(Who::Pgbench)] {
                let ratio = self.ratio(*phase, peer);
                write!(f, " {} |", ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}")))?;
            }
            write!(f, " {} | {} |", known(of(&|one| one.round.p50)), known(of(&|one| one.round.p99)))?;
            write!(f, " {} |", whole(of(&|one| one.group)))?;
            let spent =
                |one: &Measured| [one.round.spent.server, one.round.spent.postgres, one.round.spent.client];
            for place in 0..3 {
                write!(f, " {:.1} |", of(&|one| one.round.cost(spent(one)[place]) * 1000.0))?;
            }
            // NATS has nothing to do.
            for place in [0, 1, 3, 4] {
                write!(f, " {:.0} |", of(&|one| one.round.shares()[place]))?;
            }
            writeln!(f)?;
        }
        for (phase, part) in self.clients_limit() {
            writeln!(
                f,
                "\n{} connections, {} keys, {}: the client was busy for {:.0} % of its one core; this is its own limit.",
                phase.connections,
                phase.keys,
                phase.name(),
                part * 100.0
            )?;
        }
        let batches = self.0.iter().any(|(phase, _)| matches!(phase.what, What::Batch(_)));
        if batches {
            writeln!(f, "\nOf batches the increments are counted; p50 and p99 are of the requests.")?;
        }
        Ok(())
    }
}

/// As text, if it is known.
fn whole(number: f64) -> String {
    if number.is_nan() { "–".to_owned() } else { format!("{number:.0}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::machine::Spent;

    fn measured(answers: usize, client: f64) -> Measured {
        let driven = Duration::from_secs(1);
        let spent =
            Spent { server: 0.5, postgres: 0.0, nats: 0.0, redis: 0.0, client, others: 0.0, all: 2.0 };
        let round =
            Round { answers, driven, whole: driven, p50: 1.0, p99: 2.0, max: 3.0, driving: spent, spent };
        Measured { round, group: f64::NAN }
    }

    #[test]
    fn ratios_are_between_phases_of_one_round() {
        let one = Phase { who: Who::Sqlite, what: What::Increment, connections: 64, keys: 1 };
        let limit = one.limit().unwrap();
        let mut table = Table::default();
        // The machine is slow in the second round: the ratios say nothing of it.
        for (slow, client) in [(1, 0.3), (4, 0.3), (1, 0.3)] {
            table.add(one, measured(8000 / slow, client));
            table.add(limit, measured(10_000 / slow, 0.95));
        }
        assert_eq!(table.ratio(one, Some(limit)), Some(0.8));
        assert_eq!(table.ratio(one, one.beside(Who::Webdis)), None);
        let text = table.to_string();
        assert!(text.contains("| 64 | 1 | sqlite | 8000 (2000–8000) | 0.80 | – | – |"), "{text}");
        // Only the limit's client was busy.
        assert_eq!(table.clients_limit().map(|(phase, _)| phase).collect::<Vec<_>>(), [limit]);
    }
}
