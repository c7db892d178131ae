//! What was measured, as a table for the README.

use std::fmt;

use crate::load::quantile;
use crate::machine::Spent;
use crate::report::{known, median};
use crate::stream::phase::{Phase, Which};
use crate::stream::watch::Seen;

const GIB: f64 = (1_u64 << 30) as f64;
/// A client as busy as this is what is measured, not the server.
const BUSY: f64 = 0.9;

/// One phase of one round.
#[derive(Debug)]
pub struct Measured {
    /// How long an answer is, in bytes.
    pub length: u64,
    /// What the viewers got.
    pub seen: Seen,
    /// Processor time meanwhile.
    pub spent: Spent,
    /// That of the server's which the process of storage had, in seconds.
    pub storage: f64,
}

impl Measured {
    fn gib(&self) -> f64 {
        self.seen.bytes as f64 / GIB
    }

    /// GiB a second.
    fn rate(&self) -> f64 {
        self.gib() / self.seen.took.as_secs_f64()
    }

    /// Answers a second, of those that were left in the middle the part that came.
    fn answers(&self) -> f64 {
        self.seen.bytes as f64 / self.length as f64 / self.seen.took.as_secs_f64()
    }

    /// Processor seconds of the server for a GiB.
    fn cost(&self) -> f64 {
        self.spent.server / self.gib()
    }

    /// The part of one core that the client took.
    fn client(&self) -> f64 {
        self.spent.client / self.seen.took.as_secs_f64()
    }

    /// The part of the machine that others had.
    fn others(&self) -> f64 {
        self.spent.others / self.spent.all
    }

    /// A quantile of the times of answers, in milliseconds.
    fn quantile(&self, part: f64) -> f64 {
        quantile(&self.seen.latencies, part)
    }
}

/// All rounds.
#[derive(Debug, Default)]
pub struct Table(Vec<(Phase, Vec<Measured>)>);

impl Table {
    /// Adds a phase of a round; answers a line about it.
    pub fn add(&mut self, phase: Phase, measured: Measured) -> String {
        let line = format!(
            "{:<6} {:>3} viewers, {:<16}{:>6.2} GiB/s, {:>7.1}/s, p50 {} p99 {} ms; {:.3} cpu s a GiB; client {:.0} % \
             others {:.0} %",
            phase.what.name(),
            phase.connections,
            phase.which.name(),
            measured.rate(),
            measured.answers(),
            known(measured.quantile(0.5)),
            known(measured.quantile(0.99)),
            measured.cost(),
            measured.client() * 100.0,
            measured.others() * 100.0,
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

    /// The median over the rounds of a value by a peer's of the same round; not a number without a peer.
    fn ratio(&self, phase: Phase, peer: Option<Which>, value: impl Fn(&Measured) -> f64) -> f64 {
        let Some(which) = peer.filter(|which| *which != phase.which) else { return f64::NAN };
        let pairs = self.rounds(phase).iter().zip(self.rounds(Phase { which, ..phase }));
        median(pairs.map(|(one, peer)| value(one) / value(peer)))
    }

    /// The nginx that gives most in this phase.
    fn nginx(&self, phase: Phase) -> Option<Which> {
        let of = |which| median(self.rounds(Phase { which, ..phase }).iter().map(Measured::rate));
        let all = self.0.iter().map(|(one, _)| one.which);
        let nginx = all.filter(|which| matches!(which, Which::Nginx(_)) && !of(*which).is_nan());
        nginx.max_by(|one, other| of(*one).total_cmp(&of(*other)))
    }

    /// What `apart` is compared with.
    fn one(phase: Phase) -> Option<Which> {
        (phase.which == Which::Apart).then_some(Which::One)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| answer | viewers | server | GiB/s (least–most) | answers/s | by nginx | by one process | p50 ms | p99 ms | \
             cpu s a GiB | of it storage | by nginx | by one process | client's core % | others % |\n|{}",
            "---|".repeat(15)
        )?;
        for (phase, rounds) in &self.0 {
            let of = |value: &dyn Fn(&Measured) -> f64| median(rounds.iter().map(value));
            let rates = || rounds.iter().map(Measured::rate);
            let (least, most) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
            write!(f, "| {} | {} | {} |", phase.what.name(), phase.connections, phase.which.name())?;
            write!(f, " {:.2} ({least:.2}–{most:.2}) | {:.1} |", median(rates()), of(&Measured::answers))?;
            for peer in [self.nginx(*phase), Self::one(*phase)] {
                write!(f, " {} |", known(self.ratio(*phase, peer, Measured::rate)))?;
            }
            for part in [0.5, 0.99] {
                write!(f, " {} |", known(of(&|one| one.quantile(part))))?;
            }
            let storage = of(&|one| if one.storage > 0.0 { one.storage / one.gib() } else { f64::NAN });
            let storage = if storage.is_nan() { "–".to_owned() } else { format!("{storage:.3}") };
            write!(f, " {:.3} | {storage} |", of(&Measured::cost))?;
            for peer in [self.nginx(*phase), Self::one(*phase)] {
                write!(f, " {} |", known(self.ratio(*phase, peer, Measured::cost)))?;
            }
            writeln!(
                f,
                " {:.0} | {:.0} |",
                of(&|one| one.client() * 100.0),
                of(&|one| one.others() * 100.0)
            )?;
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
    use crate::stream::ask::What;

    fn measured(gib: f64, server: f64) -> Measured {
        let spent =
            Spent { server, postgres: 0.0, nats: 0.0, redis: 0.0, client: 0.2, others: 0.0, all: 2.0 };
        let bytes = (gib * GIB) as u64;
        let seen = Seen { bytes, took: Duration::from_secs(1), latencies: vec![1000, 3000] };
        Measured { length: 1 << 30, seen, spent, storage: 0.0 }
    }

    #[test]
    fn marquee_is_compared_with_the_faster_nginx_of_its_round() {
        let phase = |which| Phase { what: What::Whole, connections: 8, which };
        let mut table = Table::default();
        // The machine is slow in the second round: the ratios say nothing of it.
        for slow in [1.0, 4.0, 1.0] {
            table.add(phase(Which::Nginx(1)), measured(2.0 / slow, 0.1 / slow));
            table.add(phase(Which::One), measured(3.0 / slow, 0.6 / slow));
            table.add(phase(Which::Nginx(2)), measured(4.0 / slow, 0.4 / slow));
            table.add(phase(Which::Apart), measured(1.5 / slow, 0.9 / slow));
        }
        let text = table.to_string();
        let one = "| whole | 8 | Marquee | 3.00 (0.75–3.00) | 3.0 | 0.75 | – | 3.00 | 3.00 | 0.200 | – | 2.00 | – | 20 | 0 |";
        let apart = "| Marquee, apart | 1.50 (0.38–1.50) | 1.5 | 0.38 | 0.50 | 3.00 | 3.00 | 0.600 | – | 6.00 | 3.00 |";
        assert!(text.contains(one) && text.contains(apart), "{text}");
        // The faster of them has nobody to be compared with.
        assert!(text.contains("| nginx, 2 workers | 4.00 (1.00–4.00) | 4.0 | – |"), "{text}");
    }
}
