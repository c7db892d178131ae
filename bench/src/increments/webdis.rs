//! The peer in memory: Redis behind webdis, which is HTTP and nothing else. Nothing of it is durable.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::Result;
use crate::http::{Connection, request};
use crate::increments::keys::Keys;
use crate::load::Buyer;
use crate::machine::Processes;

/// Threads of webdis, and connections to Redis that each of them has: the best for two
/// cores of 1 to 8 by 1 to 32.
const THREADS: usize = 4;
const POOL: usize = 1;
/// How long both may take to answer, and how often to look.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);
/// How often webdis is tried on another port.
const ATTEMPTS: usize = 5;
/// Keys that are asked for at once.
const MANY: usize = 200;

/// A Redis and a webdis of this run's own. They are killed when this is dropped.
pub struct Webdis {
    address: SocketAddr,
    webdis: Child,
    redis: Child,
    counted: i64,
    keys: Vec<usize>,
    _directory: TempDir,
}

/// The two programs, `redis-server` and `webdis`.
pub struct Programs([PathBuf; 2]);

impl Programs {
    /// Looks for them on the `PATH`.
    ///
    /// # Errors
    /// If one is not installed.
    pub fn find() -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let find = |name: &str| -> Result<PathBuf> {
            let found =
                std::env::split_paths(&path).map(|place| place.join(name)).find(|file| file.is_file());
            Ok(found.ok_or_else(|| {
                format!("{name} is not installed (Debian: {name}); `--without webdis` leaves this peer out")
            })?)
        };
        Ok(Self([find("redis-server")?, find("webdis")?]))
    }
}

impl Webdis {
    /// Starts both; they answer when this returns.
    pub async fn start(Programs([redis, webdis]): &Programs, keys: &[usize]) -> Result<Self> {
        let directory = TempDir::with_prefix("bench-webdis-")?;
        let socket = directory.path().join("redis.sock");
        let mut redis = quiet(redis, directory.path());
        // No port: webdis has a socket to itself, which costs both of them less. No snapshots and no log of writes.
        redis.args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no", "--unixsocket"]);
        let redis = redis.arg(&socket).spawn()?;
        for _ in 0..ATTEMPTS {
            let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
            let file = directory.path().join("webdis.json");
            std::fs::write(&file, settings(&socket, address.port()).to_string())?;
            let mut webdis = quiet(webdis, directory.path()).arg(&file).spawn()?;
            if answers(&mut webdis, address).await? {
                let keys = keys.to_vec();
                return Ok(Self { address, webdis, redis, counted: 0, keys, _directory: directory });
            }
        }
        Err("webdis does not answer".into())
    }

    /// New connections.
    pub async fn crowd(&self, connections: usize) -> Result<Vec<Buyer>> {
        let mut crowd = Vec::new();
        for _ in 0..connections {
            crowd.push(Buyer { connection: Connection::open(self.address).await?, cookie: String::new() });
        }
        Ok(crowd)
    }

    /// So many increments of 1 were answered 200, as is what Redis refuses; so Redis is asked for the sum.
    ///
    /// # Errors
    /// If that is not what was counted.
    pub async fn answered(&mut self, increments: usize) -> Result<()> {
        self.counted += i64::try_from(increments)?;
        let mut connection = Connection::open(self.address).await?;
        let mut shown = 0;
        for keys in &self.keys {
            for some in Keys(*keys).names().chunks(MANY) {
                let body = format!("MGET/{}", some.join("/"));
                let answer = connection.call(&request("POST", "/", None, Some(&body))).await?.json(200)?;
                shown += added(&answer).ok_or_else(|| format!("Redis says {answer}"))?;
            }
        }
        if shown == self.counted {
            Ok(())
        } else {
            Err(format!("webdis answered {} increments, and Redis has {shown}", self.counted).into())
        }
    }

    /// Whose processor time is told apart.
    pub fn processes(&self) -> Result<Processes> {
        let servers = [&self.webdis, &self.redis].map(Child::id);
        let servers = servers.into_iter().collect::<Option<_>>().ok_or("webdis or Redis has ended")?;
        Ok(Processes { servers, postgres: None, nats: None, redis: None })
    }
}

fn quiet(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.kill_on_drop(true);
    command
}

/// Said in full: webdis would listen to everybody, and it fills its log.
fn settings(socket: &Path, port: u16) -> Value {
    json!({
        "redis_host": socket, "http_host": "127.0.0.1", "http_port": port, "threads": THREADS, "pool_size": POOL,
        "daemonize": false, "verbosity": 0, "logfile": "webdis.log",
    })
}

/// Whether webdis and Redis behind it answer; not if webdis has ended, for its port was taken meanwhile.
async fn answers(webdis: &mut Child, address: SocketAddr) -> Result<bool> {
    let (began, ping) = (Instant::now(), request("POST", "/", None, Some("PING")));
    while began.elapsed() < PATIENCE {
        if webdis.try_wait()?.is_some() {
            return Ok(false);
        }
        if let Ok(mut connection) = Connection::open(address).await
            && connection.call(&ping).await.is_ok_and(|answer| answer.body.contains("PONG"))
        {
            return Ok(true);
        }
        sleep(LOOK).await;
    }
    Ok(false)
}

/// The sum of what `MGET` answers; what is not there is null.
fn added(answer: &Value) -> Option<i64> {
    let values = answer.get("MGET")?.as_array()?.iter();
    values.map(|value| if value.is_null() { Some(0) } else { value.as_str()?.parse().ok() }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_added_up() {
        assert_eq!(added(&json!({"MGET": ["12", null, "-2"]})), Some(10));
        assert_eq!(added(&json!({"MGET": [false, "ERR wrong number of arguments"]})), None);
    }

    #[test]
    fn nobody_else_is_let_in() {
        let settings = settings(Path::new("/run/redis.sock"), 4711);
        assert_eq!((&settings["http_host"], &settings["http_port"]), (&json!("127.0.0.1"), &json!(4711)));
        assert_eq!(settings["redis_host"], "/run/redis.sock");
    }
}
