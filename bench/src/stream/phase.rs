//! What is measured in turn.

use crate::stream::ask::What;
use crate::stream::plan::{Part, Plan};

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Marquee in one process.
    One,
    /// Marquee with storage in a process of its own.
    Apart,
    /// nginx with so many workers.
    Nginx(u16),
}

impl Which {
    /// All that the plan does not leave out. What is compared with both kinds of others is between them.
    pub fn all(plan: &Plan) -> Vec<Self> {
        let nginx = plan.workers.iter().map(|&workers| Self::Nginx(workers));
        let mut all: Vec<Self> = nginx.filter(|_| plan.has(Part::Nginx)).collect();
        all.push(Self::One);
        all.extend(plan.has(Part::Apart).then_some(Self::Apart));
        all
    }

    /// As it stands in the table.
    pub fn name(self) -> String {
        match self {
            Self::One => "Marquee".to_owned(),
            Self::Apart => "Marquee, apart".to_owned(),
            Self::Nginx(1) => "nginx, 1 worker".to_owned(),
            Self::Nginx(workers) => format!("nginx, {workers} workers"),
        }
    }
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// What for.
    pub what: What,
    /// How many viewers.
    pub connections: usize,
    /// Who is asked.
    pub which: Which,
}

/// One round: those that are compared follow each other closely, and every other round goes backwards.
pub fn round(plan: &Plan, number: usize) -> Vec<Phase> {
    let mut phases = Vec::new();
    for what in What::ALL {
        for &connections in &plan.connections {
            phases.extend(Which::all(plan).into_iter().map(|which| Phase { what, connections, which }));
        }
    }
    if number.is_multiple_of(2) {
        phases.reverse();
    }
    phases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marquee_is_next_to_its_peers() {
        let plan = Plan::read(std::iter::empty()).unwrap();
        for number in [1, 2] {
            let phases = round(&plan, number);
            assert_eq!(phases.len(), 3 * 2 * 4);
            for (place, phase) in phases.iter().enumerate().filter(|(_, phase)| phase.which == Which::One) {
                let beside = [phases[place - 1], phases[place + 1]];
                assert!(
                    beside.iter().all(|one| (one.what, one.connections) == (phase.what, phase.connections))
                );
            }
        }
    }
}
