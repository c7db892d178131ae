//! How much is remembered, and for how long.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::time::Duration;

/// How long somebody may hold the right to fill: a read of the database that takes longer is not remembered.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// How much one cache remembers, and for how long.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Labels its metrics and begins its keys: what is remembered, e.g. `users`.
    pub name: &'static str,
    /// Entries in this process; beyond that those go that are seldom asked for. 0 remembers none here.
    pub entries: u64,
    /// No answer is older than this, counted from the begin of its read. With Redis more than a second, for that may pass
    /// between the right to fill and the fill.
    pub bound: Duration,
    /// That a row is absent is remembered for this long at most.
    pub absent: Duration,
    /// Reads of the database at a time; others wait for their turn.
    pub loads: usize,
    /// What keeps the old from replacing the new.
    pub guard: Guard,
}

impl Policy {
    /// 10,000 entries, none older than `bound`, absent rows for a quarter of that, 64 reads at a time.
    pub fn new(name: &'static str, bound: Duration) -> Self {
        let (entries, absent, loads) = (10_000, bound / 4, 64);
        Self { name, entries, bound, absent, loads, guard: Guard::Compare }
    }
}

/// What keeps the old from replacing the new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Stamps and leases.
    Compare,
    /// Nothing: whoever comes last wins. It is there for tests, which have to see that something is missing.
    Nothing,
}

/// For how long each entry is remembered.
pub(crate) struct Lives {
    present: Duration,
    absent: Duration,
    random: RandomState,
}

impl Lives {
    /// Where the right to fill is given out elsewhere, as much may pass between asking for it and the fill.
    pub(crate) fn new(policy: &Policy, shared: bool) -> Self {
        let present = if shared { policy.bound.saturating_sub(LEASE) } else { policy.bound };
        Self { present, absent: policy.absent.min(present), random: RandomState::new() }
    }

    /// From four fifths of the whole life to all of it, another part for each key and in each process: what was read
    /// together is not read again together.
    pub(crate) fn of(&self, key: &impl Hash, is_absent: bool) -> Duration {
        let whole = if is_absent { self.absent } else { self.present };
        let part = self.random.hash_one(key) % 1_000;
        whole.mul_f64(0.8 + 0.2 * part as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_differ_and_none_is_longer_than_promised() {
        let policy = Policy::new("things", Duration::from_secs(10));
        let lives = Lives::new(&policy, true);
        let all: Vec<Duration> = (0..1_000).map(|key| lives.of(&key, false)).collect();
        let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        assert!(
            *least >= Duration::from_millis(7_200) && *most <= Duration::from_secs(9),
            "{least:?} {most:?}"
        );
        assert!(*most - *least > Duration::from_secs(1), "{least:?} {most:?}");
        assert!((0..1_000).all(|key| lives.of(&key, true) <= Duration::from_millis(2_500)));
    }
}
