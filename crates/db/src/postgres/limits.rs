//! How long PostgreSQL may take, and how many connections are kept.

use std::time::Duration;

/// Bounds of a database on a server. SQLite needs none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections that a database keeps at most.
    pub connections: usize,
    /// How long connecting may take.
    pub connect: Duration,
    /// How long to wait for a connection that others use.
    pub wait: Duration,
    /// How long one statement may take, on the server and from here.
    pub statement: Duration,
    /// How long a whole write may take, its repetitions included.
    pub write: Duration,
}

impl Default for Limits {
    /// For requests: somebody waits for the answer.
    fn default() -> Self {
        Self {
            connections: 4,
            connect: Duration::from_secs(2),
            wait: Duration::from_secs(2),
            statement: Duration::from_secs(3),
            write: Duration::from_secs(4),
        }
    }
}

impl Limits {
    /// For commands that look through everything.
    pub fn patient() -> Self {
        Self {
            connections: 2,
            connect: Duration::from_secs(10),
            wait: Duration::from_secs(60),
            statement: Duration::from_secs(300),
            write: Duration::from_secs(300),
        }
    }
}
