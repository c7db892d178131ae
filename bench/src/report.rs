//! Medians of the rounds, as a table for the README.

use std::fmt;
use std::time::Duration;

use crate::machine::Spent;

/// What is measured in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase(pub &'static str);

/// One phase of one round.
#[derive(Debug, Clone)]
pub struct Round {
    /// Right answers.
    pub answers: usize,
    /// Until the last answer.
    pub driven: Duration,
    /// Until every event had its effects.
    pub whole: Duration,
    /// The median latency, in milliseconds.
    pub p50: f64,
    /// That of 99 in 100.
    pub p99: f64,
    /// The longest.
    pub max: f64,
    /// Processor time.
    pub spent: Spent,
}

impl Round {
    /// Answers a second with the drain counted: what the server can keep up for ever.
    fn rate(&self) -> f64 {
        self.answers as f64 / self.whole.as_secs_f64()
    }

    /// Answers a second while they were asked for.
    fn burst(&self) -> f64 {
        self.answers as f64 / self.driven.as_secs_f64()
    }

    fn drain(&self) -> f64 {
        (self.whole - self.driven).as_secs_f64()
    }

    fn cpu(&self, seconds: f64) -> f64 {
        seconds * 1000.0 / self.answers as f64
    }
}

/// All rounds.
#[derive(Debug, Default)]
pub struct Table(Vec<(Phase, Vec<Round>)>);

impl Table {
    /// Adds a round; answers a line about it.
    pub fn add(&mut self, phase: Phase, round: Round) -> String {
        let line = format!(
            "{:<7}{:>7.0}/s drained, {:>7.0}/s driven, {:.2} s drain, p50 {:.2} p99 {:.2} max {:.1} ms, server {:.3} s \
             and client {:.3} s of cpu per 1000, others {:.0} %",
            phase.0,
            round.rate(),
            round.burst(),
            round.drain(),
            round.p50,
            round.p99,
            round.max,
            round.cpu(round.spent.server),
            round.cpu(round.spent.client),
            round.spent.others * 100.0,
        );
        match self.0.iter_mut().find(|(known, _)| *known == phase) {
            Some((_, rounds)) => rounds.push(round),
            None => self.0.push((phase, vec![round])),
        }
        line
    }

    fn median(&self, phase: Phase, of: impl Fn(&Round) -> f64) -> f64 {
        let rounds = self.0.iter().find(|(known, _)| *known == phase).map_or(&[][..], |(_, rounds)| rounds);
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The median over the rounds of a phase's rate by `noop`'s of the same round.
    fn ratio(&self, phase: Phase) -> f64 {
        let rounds = |wanted: Phase| {
            self.0.iter().find(|(known, _)| *known == wanted).map_or(&[][..], |(_, rounds)| rounds)
        };
        let pairs = rounds(phase).iter().zip(rounds(Phase("noop")));
        let mut ratios: Vec<f64> = pairs.map(|(one, noop)| one.rate() / noop.rate()).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| phase | answers/s, drained | by noop | answers/s, driven | drain s | p50 ms | p99 ms | \
             server cpu s per 1000 | client cpu s per 1000 | others' cpu |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|---|")?;
        for (phase, _) in &self.0 {
            let median = |of: fn(&Round) -> f64| self.median(*phase, of);
            writeln!(
                f,
                "| {} | {:.0} | {:.3} | {:.0} | {:.2} | {:.2} | {:.2} | {:.3} | {:.3} | {:.0} % |",
                phase.0,
                median(Round::rate),
                self.ratio(*phase),
                median(Round::burst),
                median(Round::drain),
                median(|r| r.p50),
                median(|r| r.p99),
                median(|r| r.cpu(r.spent.server)),
                median(|r| r.cpu(r.spent.client)),
                median(|r| r.spent.others * 100.0),
            )?;
        }
        Ok(())
    }
}
