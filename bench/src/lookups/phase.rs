//! What is measured in turn.

use crate::lookups::people::By;

/// Which server is asked: each remembers in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// On SQLite, as it is without settings: each process remembers by itself.
    Sqlite,
    /// On PostgreSQL, remembering by itself in front of Redis.
    Postgres,
    /// On PostgreSQL, with nothing but Redis to remember in.
    Redis,
    /// On SQLite, remembering nothing.
    SqliteAlone,
    /// On PostgreSQL, remembering nothing.
    PostgresAlone,
}

impl Which {
    /// All of them, in the order of their start: on PostgreSQL answers carry one cookie more until 15 seconds after a change.
    pub const ALL: [Self; 5] =
        [Self::Postgres, Self::Redis, Self::PostgresAlone, Self::Sqlite, Self::SqliteAlone];

    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite, in process",
            Self::Postgres => "PostgreSQL, in process",
            Self::Redis => "PostgreSQL, in Redis",
            Self::SqliteAlone => "SQLite, uncached",
            Self::PostgresAlone => "PostgreSQL, uncached",
        }
    }

    /// Whether it has tickets on sale as well.
    pub fn sells(self) -> bool {
        matches!(self, Self::Sqlite | Self::Postgres)
    }
}

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Nothing: the limit. It passes the stack and reads no session.
    Empty,
    /// A user by what is no id: a look-up that looks nowhere. The limit of what wants a session.
    Nobody,
    /// Always the same user.
    One(By),
    /// All users in turn.
    Many(By),
    /// The tickets on sale, as JSON.
    List,
    /// The same as a page.
    Page,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// Who is asked.
    pub which: Which,
    /// What for.
    pub what: What,
}

impl Phase {
    /// As it stands in the table.
    pub fn name(&self) -> &'static str {
        match self.what {
            What::Empty => "empty GET",
            What::Nobody => "with a session, no look-up",
            What::One(By::Id) => "by id, one user",
            What::One(By::Email) => "by e-mail, one user",
            What::Many(By::Id) => "by id, 1,000 users",
            What::Many(By::Email) => "by e-mail, 1,000 users",
            What::List => "list of 50 tickets",
            What::Page => "page of tickets",
        }
    }

    /// The same server's limit, for all that is no limit.
    pub fn limit(&self, limit: What) -> Option<Self> {
        let is_limit = matches!(self.what, What::Empty | What::Nobody);
        (!is_limit).then_some(Self { what: limit, ..*self })
    }

    /// Whether users are looked up.
    pub fn looks_up(&self) -> bool {
        matches!(self.what, What::One(_) | What::Many(_))
    }
}

/// One round: limits are in the midst of what is measured by them, and every other round goes backwards.
pub fn round(number: usize) -> Vec<Phase> {
    let mut phases = Vec::new();
    for which in Which::ALL {
        let whats = [
            What::One(By::Id),
            What::One(By::Email),
            What::Empty,
            What::Nobody,
            What::Many(By::Id),
            What::Many(By::Email),
        ];
        phases.extend(whats.map(|what| Phase { which, what }));
        if which.sells() {
            phases.extend([What::List, What::Page].map(|what| Phase { which, what }));
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
    fn every_look_up_has_its_limits_near_it() {
        for number in [1, 2] {
            let phases = round(number);
            let place = |phase: Phase| phases.iter().position(|one| *one == phase).unwrap();
            for phase in phases.iter().filter(|phase| phase.looks_up()) {
                for limit in [What::Empty, What::Nobody] {
                    let limit = phase.limit(limit).unwrap();
                    assert!(place(*phase).abs_diff(place(limit)) <= 3 && limit.limit(What::Empty).is_none());
                }
            }
            assert_eq!(phases.len(), 5 * 6 + 2 * 2);
        }
    }
}
