//! What is measured in turn.

use crate::increments::keys::Form;
use crate::increments::plan::{Part, Plan};

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Marquee on SQLite.
    Sqlite,
    /// Marquee on PostgreSQL.
    Postgres,
    /// Three processes of it.
    Three,
    /// webdis and Redis.
    Webdis,
    /// pgbench, which asks itself.
    Pgbench,
}

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Nothing: the limit.
    Nothing,
    /// One increment a request.
    Increment,
    /// Many.
    Batch(Form),
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// Who is asked.
    pub who: Who,
    /// What for.
    pub what: What,
    /// Over so many connections.
    pub connections: usize,
    /// So many counters.
    pub keys: usize,
}

impl Phase {
    /// What of the plan it belongs to.
    fn part(&self) -> Part {
        match self.who {
            Who::Sqlite => Part::Sqlite,
            Who::Postgres => Part::Postgres,
            Who::Three => Part::Three,
            Who::Webdis => Part::Webdis,
            Who::Pgbench => Part::Pgbench,
        }
    }

    /// As it stands in the table.
    pub fn name(&self) -> String {
        let what = match self.what {
            What::Nothing => ", empty POST",
            What::Increment => "",
            What::Batch(Form::Array) => ", arrays",
            What::Batch(Form::Lines) => ", NDJSON",
        };
        format!("{}{what}", self.part().name())
    }

    /// The limit of an increment: the same server's answer to a POST that does nothing.
    pub fn limit(&self) -> Option<Self> {
        let marquee = !matches!(self.who, Who::Webdis | Who::Pgbench);
        (marquee && self.what == What::Increment).then_some(Self { what: What::Nothing, ..*self })
    }

    /// A peer's increments, beside Marquee's.
    pub fn beside(&self, peer: Who) -> Option<Self> {
        self.limit().map(|_| Self { who: peer, ..*self })
    }
}

/// One round: what is compared follows each other closely, and every other round goes backwards.
pub fn round(plan: &Plan, number: usize) -> Vec<Phase> {
    let mut phases = Vec::new();
    for &keys in &plan.keys {
        for &connections in &plan.connections {
            let phase = |who, what| Phase { who, what, connections, keys };
            let mut some = vec![
                phase(Who::Sqlite, What::Nothing),
                phase(Who::Sqlite, What::Increment),
                phase(Who::Webdis, What::Increment),
                phase(Who::Postgres, What::Increment),
                phase(Who::Postgres, What::Nothing),
                phase(Who::Pgbench, What::Increment),
            ];
            if keys == 1 {
                some.extend([phase(Who::Three, What::Increment), phase(Who::Three, What::Nothing)]);
            }
            if number.is_multiple_of(2) {
                some.reverse();
            }
            phases.extend(some);
        }
        if plan.has(Part::Batches) {
            let connections = plan.batch_connections;
            for (who, form) in [
                (Who::Sqlite, Form::Array),
                (Who::Sqlite, Form::Lines),
                (Who::Postgres, Form::Array),
                (Who::Postgres, Form::Lines),
            ] {
                phases.push(Phase { who, what: What::Batch(form), connections, keys });
            }
        }
    }
    phases.retain(|phase| plan.has(phase.part()));
    phases
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Plan {
        Plan::read(line.split_whitespace().map(str::to_owned)).unwrap()
    }

    #[test]
    fn every_increment_of_marquee_has_its_peers_near_it() {
        for number in [1, 2] {
            let phases = round(&plan(""), number);
            let place = |phase: Phase| phases.iter().position(|one| *one == phase).unwrap();
            let marquee: Vec<&Phase> = phases.iter().filter(|phase| phase.limit().is_some()).collect();
            // SQLite and PostgreSQL at six points, three processes at two.
            assert_eq!(marquee.len(), 14);
            for phase in marquee {
                let here = place(*phase);
                assert_eq!(here.abs_diff(place(phase.limit().unwrap())), 1, "{phase:?}");
                for peer in [Who::Webdis, Who::Pgbench] {
                    assert!(here.abs_diff(place(phase.beside(peer).unwrap())) <= 5, "{phase:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_left_out_is_not_asked() {
        let phases =
            round(&plan("--without webdis,pgbench,three,batches,postgres --keys 1 --connections 8"), 1);
        let names: Vec<String> = phases.iter().map(Phase::name).collect();
        assert_eq!(names, ["sqlite, empty POST", "sqlite"]);
    }

    #[test]
    fn three_processes_are_for_one_hot_key() {
        let phases = round(&plan("--keys 10"), 1);
        assert!(!phases.iter().any(|phase| phase.who == Who::Three));
    }
}
