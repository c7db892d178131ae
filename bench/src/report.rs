//! Medians of the rounds, as a table for the README.

use std::fmt;
use std::time::Duration;

use crate::machine::Spent;

/// What is measured in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// The phase that it is measured by.
    pub peer: Option<&'static str>,
}

/// One phase of one round.
#[derive(Debug, Clone)]
pub struct Round {
    /// Right answers.
    pub answers: usize,
    /// Until the last answer.
    pub driven: Duration,
    /// Until every event had its effects.
    pub whole: Duration,
    /// The median latency, in milliseconds; not a number where it is not known.
    pub p50: f64,
    /// That of 99 in 100.
    pub p99: f64,
    /// The longest.
    pub max: f64,
    /// Processor time until the last answer.
    pub driving: Spent,
    /// Processor time until every event had its effects.
    pub spent: Spent,
}

impl Round {
    /// Answers a second with the drain counted: what the server can keep up for ever.
    fn rate(&self) -> f64 {
        self.answers as f64 / self.whole.as_secs_f64()
    }

    /// Answers a second while they were asked for.
    pub fn burst(&self) -> f64 {
        self.answers as f64 / self.driven.as_secs_f64()
    }

    fn drain(&self) -> f64 {
        (self.whole - self.driven).as_secs_f64()
    }

    /// Milliseconds of processor time for an answer.
    pub fn cost(&self, seconds: f64) -> f64 {
        seconds * 1000.0 / self.answers as f64
    }

    /// Percent of the machine while they were asked for.
    fn share(&self, seconds: f64) -> f64 {
        seconds / self.driving.all * 100.0
    }

    /// Those of server, PostgreSQL, NATS, client and others.
    pub fn shares(&self) -> [f64; 5] {
        let Spent { server, postgres, nats, client, others, .. } = self.driving;
        [server, postgres, nats, client, others].map(|seconds| self.share(seconds))
    }
}

/// All rounds.
#[derive(Debug, Default)]
pub struct Table(Vec<(Phase, Vec<Round>)>);

impl Table {
    /// Adds a round; answers a line about it.
    pub fn add(&mut self, phase: Phase, round: Round) -> String {
        let [server, postgres, nats, client, others] = round.shares();
        let line = format!(
            "{:<14}{:>7.0}/s driven, {:>7.0}/s drained, {:.2} s drain, p50 {:.2} p99 {:.2} max {:.1} ms; server {server:.0} % \
             postgres {postgres:.0} % nats {nats:.0} % client {client:.0} % others {others:.0} %",
            phase.name,
            round.burst(),
            round.rate(),
            round.drain(),
            round.p50,
            round.p99,
            round.max,
        );
        match self.0.iter_mut().find(|(known, _)| *known == phase) {
            Some((_, rounds)) => rounds.push(round),
            None => self.0.push((phase, vec![round])),
        }
        line
    }

    fn rounds(&self, name: &str) -> &[Round] {
        self.0.iter().find(|(phase, _)| phase.name == name).map_or(&[], |(_, rounds)| rounds)
    }

    /// The median over the rounds of a phase's rate by its peer's of the same round.
    fn ratio(&self, phase: Phase, rate: impl Fn(&Round) -> f64) -> Option<f64> {
        let pairs = self.rounds(phase.name).iter().zip(self.rounds(phase.peer?));
        Some(median(pairs.map(|(one, peer)| rate(one) / rate(peer))))
    }
}

/// The one in the middle.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| phase | answers/s, driven | by its peer | answers/s, drained | by its peer | drain s | p50 ms | p99 ms | \
             cpu ms an answer: server | postgres | nats | client | cpu % while driven: server | postgres | nats | \
             client | others |"
        )?;
        writeln!(f, "|{}", "---|".repeat(17))?;
        for (phase, rounds) in &self.0 {
            let of = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(value));
            let ratio = |ratio: Option<f64>| ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
            write!(
                f,
                "| {} | {:.0} | {} | {:.0} | {} | {:.2} | {} | {} |",
                phase.name,
                of(&Round::burst),
                ratio(self.ratio(*phase, Round::burst)),
                of(&Round::rate),
                ratio(self.ratio(*phase, Round::rate)),
                of(&Round::drain),
                known(of(&|round| round.p50)),
                known(of(&|round| round.p99)),
            )?;
            let costs: [fn(&Spent) -> f64; 4] = [|s| s.server, |s| s.postgres, |s| s.nats, |s| s.client];
            for cost in costs {
                write!(f, " {:.3} |", of(&|round| round.cost(cost(&round.spent))))?;
            }
            for place in 0..5 {
                write!(f, " {:.0} |", of(&|round| round.shares()[place]))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// As text, if it is known.
pub fn known(milliseconds: f64) -> String {
    if milliseconds.is_nan() { "–".to_owned() } else { format!("{milliseconds:.2}") }
}
