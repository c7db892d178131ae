//! What the command line says of this scenario.

use std::time::Duration;

use crate::arguments::{number, numbers};
use crate::{Options, Result, USAGE};

/// What can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// nginx.
    Nginx,
    /// Storage and streaming in two processes.
    Apart,
    /// Viewers who take what they get.
    Fast,
    /// Viewers who take little.
    Slow,
}

impl Part {
    const ALL: [Self; 4] = [Self::Nginx, Self::Apart, Self::Fast, Self::Slow];

    /// As it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apart => "apart",
            Self::Fast => "fast",
            Self::Slow => "slow",
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
    /// Numbers of viewers, one after the other.
    pub connections: Vec<usize>,
    /// Size of the film.
    pub mib: usize,
    /// An nginx with so many workers, for each number.
    pub workers: Vec<u16>,
    /// Slow viewers.
    pub slow: usize,
    /// What is left out.
    pub without: Vec<Part>,
}

impl Plan {
    /// Reads the command line; what is not said is what issue and README speak of.
    pub fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut plan = Self {
            common: Options { seconds: Duration::from_secs(4), ..Options::usual() },
            connections: vec![8, 64],
            mib: 256,
            workers: vec![1, 2],
            slow: 1000,
            without: Vec::new(),
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} wants a value\n{USAGE}"))?;
            match name.as_str() {
                "--connections" => plan.connections = numbers(&name, &value, 1000)?,
                // A range of 1 MiB has to have somewhere to begin.
                "--mib" => plan.mib = number(&name, &value, 16 * 1024)?.max(2),
                "--workers" => {
                    let workers = numbers(&name, &value, 64)?;
                    plan.workers =
                        workers.into_iter().map(|one| Ok(u16::try_from(one)?)).collect::<Result<_>>()?;
                }
                "--slow" => plan.slow = number(&name, &value, 10_000)?,
                "--without" => plan.without = value.split(',').map(Part::named).collect::<Result<_>>()?,
                _ => plan.common.set(&name, &value)?,
            }
        }
        Ok(plan)
    }

    /// Whether something is not left out.
    pub fn has(&self, part: Part) -> bool {
        !self.without.contains(&part)
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
        let plan = read("--connections 4 --mib 1 --workers 2 --without apart,slow --seconds 1").unwrap();
        assert_eq!((plan.connections.as_slice(), plan.mib, plan.workers.as_slice()), (&[4][..], 2, &[2][..]));
        assert!(plan.common.seconds == Duration::from_secs(1));
        assert!(plan.has(Part::Nginx) && plan.has(Part::Fast));
        assert!(!plan.has(Part::Apart) && !plan.has(Part::Slow));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--mib 0", "--workers 1,1", "--workers 65", "--without sale", "--slow", "--tea 1"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
