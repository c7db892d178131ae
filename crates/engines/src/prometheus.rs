//! A Prometheus server.

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::keeper::Keeper;
use crate::{ATTEMPTS, DEADLINE, PERIOD, install, missing, ports};

/// A Prometheus of a test's own, with a configuration of the test's. Dropped, it is killed and what it collected
/// removed; so it is when the test process ends in any other way.
pub struct Prometheus {
    keeper: Keeper,
    url: String,
}

impl Prometheus {
    /// One that runs by the file `configuration`.
    ///
    /// `None` if Prometheus is not installed.
    ///
    /// # Panics
    /// With its log, if it does not start; in the full run, if it is not installed.
    pub async fn start(configuration: &Path) -> Option<Self> {
        let program = Self::program("prometheus")?;
        let mut server = Self { keeper: Keeper::new(None), url: String::new() };
        for _ in 0..ATTEMPTS {
            let address = format!("127.0.0.1:{}", ports::free());
            server.url = format!("http://{address}");
            if server.run(&program, configuration, &address).await {
                return Some(server);
            }
        }
        panic!("Prometheus does not start: {}", server.keeper.log());
    }

    /// `prometheus`, or `promtool`, which comes with it. `None` if it is not installed.
    ///
    /// # Panics
    /// In the full run, if it is not installed.
    pub fn program(name: &str) -> Option<PathBuf> {
        static SAID: Once = Once::new();
        let program = install::program(name);
        if program.is_none() {
            missing("Prometheus (prometheus, promtool)", &SAID);
        }
        program
    }

    /// Where it is: `http://127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has written to its log so far.
    pub fn log(&self) -> String {
        self.keeper.log()
    }

    /// Whether it has started, and answers; if not, it has ended: its port is taken, or its log says why.
    async fn run(&mut self, program: &Path, configuration: &Path, address: &str) -> bool {
        let configuration = format!("--config.file={}", configuration.display());
        let listen = format!("--web.listen-address={address}");
        self.keeper
            .spawn(program, &[&configuration, &listen, "--storage.tsdb.path=data", "--log.level=warn"]);
        let begun = Instant::now();
        loop {
            if self.keeper.ended().is_some() {
                return false;
            }
            if matches!(timeout(DEADLINE, is_ready(address)).await, Ok(Ok(true))) {
                return self.keeper.ended().is_none();
            }
            assert!(begun.elapsed() < DEADLINE, "Prometheus does not answer: {}", self.log());
            tokio::time::sleep(PERIOD).await;
        }
    }
}

async fn is_ready(address: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split(' ').nth(1) == Some("200"))
}
