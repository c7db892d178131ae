//! The server under test: built, started on a directory of its own, asked, stopped, verified.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::backing::Backing;
use crate::http::{Connection, request};
use crate::{Options, Result};

/// How long it may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often to look whether the events are drained; where looking is work for the engine that is measured, less often.
const LOOK: Duration = Duration::from_millis(20);
const LOOK_AFAR: Duration = Duration::from_millis(50);
/// Who hears what who publishes during a sale, on a bus: all of it.
const HEARD: [(&str, &str); 4] =
    [("orders", "tickets"), ("orders", "payments"), ("orders", "expiration"), ("tickets", "orders")];
/// How long draining may take.
const DRAIN: Duration = Duration::from_secs(300);

/// A running `marquee serve`. It is killed if it is dropped without [`Server::stop`].
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process.
    pub pid: u32,
    /// Its program.
    pub binary: PathBuf,
    data: TempDir,
    variables: Vec<(&'static str, String)>,
    has_bus: bool,
    /// Whether other services run elsewhere.
    is_part: bool,
    child: Child,
    /// Kept open: a server whose output is closed is another one.
    _output: BufReader<ChildStdout>,
    control: Connection,
}

impl Server {
    /// Builds it where that is not settled, and starts it. Ready when it returns.
    pub async fn start(options: &Options, backing: &Backing) -> Result<Self> {
        let mut server = Self::start_part(options, backing, &[]).await?;
        if server.is_ready().await? { Ok(server) } else { Err("the server is not ready".into()) }
    }

    /// The same with only these services; none means all. It may have to wait for the others: see [`Server::ready`].
    pub async fn start_part(options: &Options, backing: &Backing, services: &[&str]) -> Result<Self> {
        let binary = program(options).await?;
        let data = TempDir::with_prefix_in("bench-", place(options)?)?;
        let variables = backing.variables();
        let mut child = Command::new(&binary)
            .arg("serve")
            .args(services)
            .args(["--port", "0", "--hold-seconds", "86400", "--signup-limit-address", "100000"])
            .args(options.open_counters.then_some("--open-counters"))
            .arg("--data")
            .arg(data.path())
            .env("RUST_LOG", "warn")
            .envs(variables.iter().cloned())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", binary.display()))?;
        let pid = child.id().ok_or("the server ended at once")?;
        let mut output = BufReader::new(child.stdout.take().ok_or("the server has no output")?);
        let mut greeting = String::new();
        timeout(PATIENCE, output.read_line(&mut greeting)).await??;
        let port = greeting.trim().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let port: u16 = port.ok_or_else(|| format!("the server greets with {greeting:?}"))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let control = Connection::open(address).await?;
        let (has_bus, is_part) = (backing.has_bus(), !services.is_empty());
        Ok(Self { address, pid, binary, data, variables, has_bus, is_part, child, _output: output, control })
    }

    async fn is_ready(&mut self) -> Result<bool> {
        Ok(self.control.status(&request("GET", "/readyz", None, None)).await? == 200)
    }

    /// Waits until it is ready.
    pub async fn ready(&mut self) -> Result<()> {
        let wait = async {
            while !self.is_ready().await? {
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        timeout(PATIENCE, wait).await.map_err(|_| "the server does not get ready")?
    }

    /// The directory of its databases.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// A connection for what is not measured.
    pub fn control(&mut self) -> &mut Connection {
        &mut self.control
    }

    /// The text of `/metrics`.
    pub async fn metrics(&mut self) -> Result<String> {
        Ok(self.control.call(&request("GET", "/metrics", None, None)).await?.body)
    }

    /// Makes somebody who runs the house, as whoever installs it does; answers the cookies of so many sessions of theirs.
    pub async fn operator(&mut self, sessions: usize) -> Result<Vec<String>> {
        let (email, password) = ("operator@example.com", "correct horse");
        let mut create = Command::new(&self.binary);
        create.args(["user", "create", "--operator", "--email", email, "--data"]).arg(self.data.path());
        create.env("RUST_LOG", "warn").envs(self.variables.iter().cloned());
        let mut create = create.stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn()?;
        let mut input = create.stdin.take().ok_or("the command takes no password")?;
        input.write_all(format!("{password}\n").as_bytes()).await?;
        drop(input);
        if !timeout(PATIENCE, create.wait()).await.map_err(|_| "the command does not end")??.success() {
            return Err("there is no operator".into());
        }
        let body = json!({ "email": email, "password": password }).to_string();
        let sign_in = request("POST", "/api/users/signin", None, Some(&body));
        let mut cookies = Vec::new();
        for _ in 0..sessions {
            let answer = self.control.call(&sign_in).await?;
            answer.json(200)?;
            cookies.push(answer.cookie.ok_or("a sign-in without a session")?);
        }
        Ok(cookies)
    }

    /// Waits until every event has had its effects.
    pub async fn drained(&mut self) -> Result<()> {
        let wait = async {
            loop {
                let metrics = self.metrics().await?;
                if sum(&metrics, "dead_letters{") > 0.0 {
                    return Err("an event was parked".into());
                }
                // In one process a relay marks events as published after all consumers' commits.
                if sum(&metrics, "outbox_waiting{") == 0.0 && (!self.has_bus || all_heard(&metrics)) {
                    return Ok(());
                }
                tokio::time::sleep(if self.variables.is_empty() { LOOK } else { LOOK_AFAR }).await;
            }
        };
        timeout(DRAIN, wait).await.map_err(|_| "the events do not drain")?
    }

    /// Stops it as an operator does, then recomputes the invariants from what it left, if that is all there is. Answers
    /// what it left.
    pub async fn stop(mut self) -> Result<TempDir> {
        let told = Command::new("kill").args(["-TERM", &self.pid.to_string()]).status().await?;
        let ended = timeout(PATIENCE, self.child.wait()).await.map_err(|_| "the server does not stop")??;
        if !told.success() || !ended.success() {
            return Err(format!("the server ended with {ended}").into());
        }
        if self.is_part {
            return Ok(self.data);
        }
        let mut verify = Command::new(&self.binary);
        verify.arg("verify").arg("--data").arg(self.data.path()).env("RUST_LOG", "warn").envs(self.variables);
        let verified = verify.status().await?;
        if !verified.success() {
            let kept = self.data.keep();
            return Err(format!("INVARIANTS ARE BROKEN, the data is kept in {}", kept.display()).into());
        }
        Ok(self.data)
    }
}

/// The program: the one that the options name, else the workspace's, built.
pub async fn program(options: &Options) -> Result<PathBuf> {
    if let Some(path) = &options.server {
        return Ok(path.clone());
    }
    let (workspace, target) = places()?;
    build(&workspace).await?;
    Ok(target.join("release/marquee"))
}

/// Where to make directories: below the target directory, unless the options say where.
pub fn place(options: &Options) -> Result<PathBuf> {
    options.data.clone().map_or_else(|| Ok(places()?.1), Ok)
}

/// The workspace, and its target directory.
fn places() -> Result<(PathBuf, PathBuf)> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(workspace.join("target"), PathBuf::from);
    Ok((workspace, target))
}

async fn build(workspace: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "-p", "marquee"])
        .current_dir(workspace)
        .status()
        .await?;
    if built.success() { Ok(()) } else { Err("the server does not build".into()) }
}

/// Whether all that was published has been taken in. (What is delivered twice would count twice: a process that
/// neither stops nor loses its bus delivers once.)
fn all_heard(metrics: &str) -> bool {
    HEARD.iter().all(|(publisher, consumer)| {
        let published = sum(metrics, &format!("events_published_total{{service=\"{publisher}\"}}"));
        sum(metrics, &format!("events_delivered_total{{consumer=\"{consumer}\"}}")) >= published
    })
}

/// The sum of all series that begin with `prefix`.
pub fn sum(metrics: &str, prefix: &str) -> f64 {
    let values = metrics.lines().filter(|line| line.starts_with(prefix));
    values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}
