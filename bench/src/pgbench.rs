//! `pgbench`, the program: where it is, how it is run, and what it reports.

use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Command;
use tokio_postgres::{Client, NoTls};

use crate::Result;
use crate::load::Load;

/// Its threads, at most.
const THREADS: usize = 2;

/// A run of so many connections, each one transaction after the other, statements prepared. Scripts, variables and the
/// database are to be added.
pub fn command(connections: usize, seconds: Duration) -> Result<Command> {
    let mut command = Command::new(find()?);
    command.args(["-n", "-M", "prepared", "-j"]).arg(THREADS.min(connections).to_string());
    command.arg("-c").arg(connections.to_string()).arg("-T").arg(seconds.as_secs().to_string());
    command.kill_on_drop(true);
    Ok(command)
}

/// Runs it to its end. A transaction that failed is an error.
pub async fn run(mut command: Command) -> Result<Load> {
    let output = command.output().await.map_err(|e| format!("pgbench: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("pgbench: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(read(&said).ok_or_else(|| format!("pgbench said: {said}"))?)
}

/// A connection to look at what it did.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // It ends with the client; whatever it fails by, the client hears of.
    tokio::spawn(connection);
    Ok(client)
}

/// What pgbench reports: transactions, and how many a second without the time of connecting.
fn read(said: &str) -> Option<Load> {
    let after = |name: &str| said.lines().find_map(|line| line.trim().strip_prefix(name));
    let answers: usize =
        after("number of transactions actually processed: ")?.split('/').next()?.parse().ok()?;
    let rate: f64 = after("tps = ")?.split_whitespace().next()?.parse().ok()?;
    if after("number of failed transactions: ").is_some_and(|failed| !failed.starts_with("0 ")) {
        return None;
    }
    let took = Duration::from_secs_f64(answers as f64 / rate);
    Some(Load { answers, took, ..Load::default() })
}

/// pgbench: of `PG_BIN`, else of the newest PostgreSQL where Debian puts them, else on the `PATH`.
pub fn find() -> Result<PathBuf> {
    let mut places: Vec<PathBuf> = std::env::var_os("PG_BIN").map(PathBuf::from).into_iter().collect();
    let mut versions: Vec<(u32, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
        let version = entry.file_name().to_str().and_then(|name| name.parse().ok());
        versions.extend(version.map(|version| (version, entry.path().join("bin"))));
    }
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    places.extend(versions.into_iter().map(|(_, place)| place));
    if let Some(path) = std::env::var_os("PATH") {
        places.extend(std::env::split_paths(&path));
    }
    let found = places.into_iter().map(|place| place.join("pgbench")).find(|program| program.is_file());
    found.ok_or_else(|| "pgbench is not installed (Debian: postgresql-contrib)".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let said = "number of transactions actually processed: 31415\nnumber of failed transactions: 0 (0.000%)\n\
                    latency average = 6.1 ms\ntps = 10471.666 (without initial connection time)\n";
        let load = read(said).unwrap();
        assert_eq!((load.answers, load.took.as_millis()), (31415, 3000));
        assert!(read(&said.replace("transactions: 0 ", "transactions: 3 ")).is_none());
    }
}
