//! What the command line says of this scenario.

use std::time::Duration;

use crate::arguments::{number, numbers};
use crate::increments::keys::MOST_KEYS;
use crate::{Options, Result, USAGE};

/// What can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Marquee on SQLite.
    Sqlite,
    /// Marquee on PostgreSQL.
    Postgres,
    /// Three processes of Marquee on one PostgreSQL, on one hot key.
    Three,
    /// webdis and Redis.
    Webdis,
    /// pgbench.
    Pgbench,
    /// Batches to Marquee.
    Batches,
}

impl Part {
    const ALL: [Self; 6] =
        [Self::Sqlite, Self::Postgres, Self::Three, Self::Webdis, Self::Pgbench, Self::Batches];

    /// As it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Three => "three",
            Self::Webdis => "webdis",
            Self::Pgbench => "pgbench",
            Self::Batches => "batches",
        }
    }

    fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|part| part.name() == name);
        Ok(found.ok_or_else(|| format!("--without knows no {name}\n{USAGE}"))?)
    }
}

/// The whole run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What other scenarios have too.
    pub common: Options,
    /// Numbers of connections, one after the other.
    pub connections: Vec<usize>,
    /// Numbers of counters, one after the other.
    pub keys: Vec<usize>,
    /// What is left out.
    pub without: Vec<Part>,
    /// Increments of a batch.
    pub batch: usize,
    /// Connections that send batches.
    pub batch_connections: usize,
}

impl Plan {
    /// Reads the command line; what is not said is what issue and README speak of.
    pub fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut plan = Self {
            common: Options { seconds: Duration::from_secs(4), ..Options::usual() },
            connections: vec![64, 256],
            keys: vec![1, 10, 10_000],
            without: Vec::new(),
            batch: 1000,
            batch_connections: 4,
        };
        while let Some(name) = arguments.next() {
            if name == "--open-counters" {
                plan.common.open_counters = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} wants a value\n{USAGE}"))?;
            match name.as_str() {
                "--connections" => plan.connections = numbers(&name, &value, 10_000)?,
                "--keys" => plan.keys = numbers(&name, &value, MOST_KEYS)?,
                "--without" => plan.without = value.split(',').map(Part::named).collect::<Result<_>>()?,
                "--batch" => plan.batch = number(&name, &value, 100_000)?,
                "--batch-connections" => plan.batch_connections = number(&name, &value, 10_000)?,
                _ => plan.common.set(&name, &value)?,
            }
        }
        Ok(plan)
    }

    /// Whether something is not left out.
    pub fn has(&self, part: Part) -> bool {
        !self.without.contains(&part)
    }

    /// Whether anything needs a PostgreSQL.
    pub fn needs_postgres(&self) -> bool {
        [Part::Postgres, Part::Three, Part::Pgbench].into_iter().any(|part| self.has(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Plan> {
        Plan::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn lists_and_names_are_read() {
        let plan =
            read("--connections 8,16 --keys 1 --without webdis,three --seconds 1 --open-counters").unwrap();
        assert_eq!((plan.connections.as_slice(), plan.keys.as_slice()), (&[8, 16][..], &[1][..]));
        assert!(plan.common.open_counters && plan.common.seconds == Duration::from_secs(1));
        assert!(plan.has(Part::Pgbench) && plan.needs_postgres());
        assert!(!plan.has(Part::Webdis) && !plan.has(Part::Three));
        assert!(!read("--without postgres,three,pgbench").unwrap().needs_postgres());
    }

    #[test]
    fn nonsense_is_refused() {
        for line in
            ["--keys 0", "--keys 1,1", "--keys 1,,2", "--without redis", "--batch x", "--keys", "--tea 1"]
        {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
