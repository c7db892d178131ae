//! A NATS server.

use std::fs;
use std::path::PathBuf;
use std::sync::Once;
use std::time::Instant;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::keeper::Keeper;
use crate::{ATTEMPTS, DEADLINE, PERIOD, install, missing, ports};

/// A NATS server with JetStream of a test's own. It keeps its streams in files; what it has acknowledged is there
/// after kill -9.
///
/// Dropped, it is killed and its store removed; so it is when the test process ends in any other way.
pub struct Nats {
    keeper: Keeper,
    program: PathBuf,
    name: String,
    port: u16,
    url: String,
}

impl Nats {
    /// An empty server, open to whoever comes from this machine.
    ///
    /// `None` if NATS is not installed.
    ///
    /// # Panics
    /// With its log, if it does not start; in the full run, if it is not installed.
    pub async fn start() -> Option<Self> {
        static SAID: Once = Once::new();
        let Some(program) = install::nats() else {
            missing("NATS (nats-server)", &SAID);
            return None;
        };
        let name = format!("marquee-test-{:016x}", ports::chance());
        let mut server = Self { keeper: Keeper::new(None), program, name, port: 0, url: String::new() };
        for _ in 0..ATTEMPTS {
            server.port = ports::free();
            server.url = format!("nats://127.0.0.1:{}", server.port);
            if server.run().await {
                return Some(server);
            }
        }
        panic!("NATS does not start: {}", server.keeper.log());
    }

    /// Where it is: `nats://127.0.0.1:port`, also after it was started again.
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

    /// Starts it again on the same port and store; kills it first if it runs. It answers when this returns.
    ///
    /// # Panics
    /// With its log, if it does not start.
    pub async fn restart(&mut self) {
        self.kill().await;
        let begun = Instant::now();
        // Somebody may have its port for a moment.
        while !self.run().await {
            assert!(begun.elapsed() < DEADLINE, "NATS does not start again: {}", self.log());
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Kills it, takes away all that it stored, and starts it again: a server that has lost its streams.
    ///
    /// # Panics
    /// With its log, if it does not start.
    pub async fn lose(&mut self) {
        self.kill().await;
        fs::remove_dir_all(self.keeper.directory().join("store")).expect("the store can be removed");
        self.restart().await;
    }

    /// Whether it has started, and answers; if not, it has ended: its port is taken, or its log says why.
    ///
    /// # Panics
    /// With its log, if it does neither in time.
    async fn run(&mut self) -> bool {
        let port = self.port.to_string();
        let arguments = ["-a", "127.0.0.1", "-p", &port, "-n", &self.name, "-js", "-sd", "store"];
        self.keeper.spawn(&self.program, &arguments);
        let begun = Instant::now();
        loop {
            if self.keeper.ended().is_some() {
                return false;
            }
            if matches!(timeout(DEADLINE, self.answers()).await, Ok(Ok(true))) {
                return true;
            }
            assert!(begun.elapsed() < DEADLINE, "NATS does not answer: {}", self.log());
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Whether it is this server, and no other, that answers on its port.
    async fn answers(&self) -> std::io::Result<bool> {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await?);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if !line.starts_with("INFO ") || !line.contains(&self.name) {
            return Ok(false);
        }
        stream.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").await?;
        line.clear();
        stream.read_line(&mut line).await?;
        Ok(line.trim() == "PONG")
    }
}
