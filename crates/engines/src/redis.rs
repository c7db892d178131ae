//! A Redis server.

use std::path::PathBuf;
use std::sync::Once;
use std::time::Instant;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::keeper::Keeper;
use crate::{ATTEMPTS, DEADLINE, PERIOD, install, missing, ports};

/// A Redis or Valkey server of a test's own. It keeps nothing on a disk: started again, it is empty.
///
/// Dropped, it is killed; so it is when the test process ends in any other way.
pub struct Redis {
    keeper: Keeper,
    program: PathBuf,
    password: String,
    port: u16,
    url: String,
}

impl Redis {
    /// An empty server, with a password.
    ///
    /// `None` if neither Redis nor Valkey is installed.
    ///
    /// # Panics
    /// With its log, if it does not start; in the full run, if it is not installed.
    pub async fn start() -> Option<Self> {
        static SAID: Once = Once::new();
        let Some(program) = install::redis() else {
            missing("Redis (redis-server) or Valkey (valkey-server)", &SAID);
            return None;
        };
        let password = format!("{:016x}", ports::chance());
        let mut server = Self { keeper: Keeper::new(None), program, password, port: 0, url: String::new() };
        for _ in 0..ATTEMPTS {
            server.port = ports::free();
            server.url = format!("redis://:{}@127.0.0.1:{}", server.password, server.port);
            if server.run().await {
                return Some(server);
            }
        }
        panic!("Redis does not start: {}", server.keeper.log());
    }

    /// Where it is: `redis://:password@127.0.0.1:port`, also after it was started again.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has written to its log so far.
    pub fn log(&self) -> String {
        self.keeper.log()
    }

    /// Stops it where it is (SIGSTOP): connections stay, and nobody gets an answer.
    ///
    /// # Panics
    /// If it does not run.
    pub fn pause(&self) {
        self.keeper.pause();
    }

    /// Lets it go on where it was.
    ///
    /// # Panics
    /// If it does not run.
    pub fn resume(&self) {
        self.keeper.resume();
    }

    /// kill -9, and waits until it is dead.
    pub async fn kill(&mut self) {
        self.keeper.kill().await;
    }

    /// Starts it again, empty, on the same port; kills it first if it runs. It answers when this returns.
    ///
    /// # Panics
    /// With its log, if it does not start.
    pub async fn restart(&mut self) {
        self.kill().await;
        let begun = Instant::now();
        // Somebody may have its port for a moment.
        while !self.run().await {
            assert!(begun.elapsed() < DEADLINE, "Redis does not start again: {}", self.log());
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Takes away all that it keeps (FLUSHALL).
    ///
    /// # Panics
    /// If it does not do that.
    pub async fn flush(&self) {
        assert_eq!(self.says("FLUSHALL").await.expect("Redis answers"), "+OK");
    }

    /// Whether it has started, and answers; if not, it has ended: its port is taken, or its log says why.
    ///
    /// # Panics
    /// With its log, if it does neither in time.
    async fn run(&mut self) -> bool {
        let port = self.port.to_string();
        let mut arguments = vec!["--bind", "127.0.0.1", "--port", &port, "--requirepass", &self.password];
        arguments.extend(["--save", "", "--appendonly", "no"]);
        self.keeper.spawn(&self.program, &arguments);
        let begun = Instant::now();
        loop {
            if self.keeper.ended().is_some() {
                return false;
            }
            // Another server on this port does not know the password.
            if matches!(timeout(DEADLINE, self.says("PING")).await, Ok(Ok(answer)) if answer == "+PONG") {
                return true;
            }
            assert!(begun.elapsed() < DEADLINE, "Redis does not answer: {}", self.log());
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// The first line of its answer to a command without arguments.
    async fn says(&self, command: &str) -> std::io::Result<String> {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await?);
        stream.write_all(format!("AUTH {}\r\n{command}\r\n", self.password).as_bytes()).await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        line.clear();
        stream.read_line(&mut line).await?;
        Ok(line.trim().to_owned())
    }
}
