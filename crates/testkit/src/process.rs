//! The app as a process of its own, to be killed and started again on the same data.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tempfile::{NamedTempFile, TempDir};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::{Client, DEADLINE};

/// A server process and where its data is.
pub struct Process {
    binary: PathBuf,
    dir: TempDir,
    flags: Vec<String>,
    env: Vec<(String, String)>,
    child: Option<Child>,
    base: String,
    plain: String,
    /// Where its log goes, if a test is to read that.
    log: Option<NamedTempFile>,
}

impl Process {
    /// Starts `binary` with `flags` on an empty data directory and a free port.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(binary: &str, flags: &[&str]) -> Self {
        Self::start_with(binary.into(), flags.iter().map(ToString::to_string).collect(), Vec::new()).await
    }

    /// Starts it with settings in its environment as well.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_with(binary: String, flags: Vec<String>, env: Vec<(String, String)>) -> Self {
        Self::begin(binary, flags, env, None).await
    }

    /// As [`Process::start_with`]; what it logs is for [`Process::log`].
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_logging(binary: String, flags: Vec<String>, env: Vec<(String, String)>) -> Self {
        Self::begin(binary, flags, env, Some(NamedTempFile::new().expect("a file"))).await
    }

    async fn begin(
        binary: String,
        flags: Vec<String>,
        env: Vec<(String, String)>,
        log: Option<NamedTempFile>,
    ) -> Self {
        let dir = TempDir::new().expect("a directory");
        let (base, plain) = (String::new(), String::new());
        let mut process = Self { binary: binary.into(), dir, flags, env, child: None, base, plain, log };
        process.resume().await;
        process
    }

    /// Starts it again on the same data.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn resume(&mut self) {
        let mut command = Command::new(&self.binary);
        command.arg("serve").arg("--data").arg(self.dir.path()).args(["--port", "0"]).args(&self.flags);
        command.env("RUST_LOG", "warn").envs(self.env.iter().cloned());
        let log = self.log.as_ref().map(|log| File::options().append(true).open(log.path()));
        let log = log.map_or_else(Stdio::inherit, |file| Stdio::from(file.expect("its log")));
        command.stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().expect("the binary runs");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let greeting = tokio::time::timeout(DEADLINE, lines.next_line()).await.expect("it greets in time");
        let greeting = greeting.expect("it greets").expect("it greets before it ends");
        let port = greeting.rsplit(':').next().expect("a port");
        let scheme = if greeting.contains("https://") { "https" } else { "http" };
        self.base = format!("{scheme}://127.0.0.1:{port}");
        if scheme == "https" {
            let second = lines.next_line().await.expect("it greets").expect("it says where HTTP is");
            let port = second.split_whitespace().next().and_then(|url| url.rsplit(':').next());
            self.plain = format!("http://127.0.0.1:{}", port.expect("a port"));
        }
        // Keep reading, so that it never waits for us.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.child = Some(child);
    }

    /// kill -9, and waits until it is dead.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("it can be killed");
        }
    }

    /// SIGSTOP: it stands still until [`Process::go_on`], as on a machine that swaps or is moved.
    ///
    /// # Panics
    /// If it does not run.
    pub async fn pause(&self) {
        self.signal("-STOP").await;
    }

    /// SIGCONT.
    ///
    /// # Panics
    /// If it does not run.
    pub async fn go_on(&self) {
        self.signal("-CONT").await;
    }

    /// Its number, to the operating system.
    ///
    /// # Panics
    /// If it does not run.
    pub fn id(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("it runs")
    }

    async fn signal(&self, signal: &str) {
        let pid = self.id().to_string();
        Command::new("kill").args([signal, &pid]).status().await.expect("kill runs");
    }

    /// SIGTERM; answers how it ended.
    ///
    /// # Panics
    /// If it does not end in time.
    pub async fn terminate(&mut self) -> std::process::ExitStatus {
        self.signal("-TERM").await;
        let mut child = self.child.take().expect("it runs");
        tokio::time::timeout(DEADLINE, child.wait()).await.expect("it stops in time").expect("it stops")
    }

    /// Runs another command of the binary on the same data, with `input` on its standard input.
    ///
    /// # Panics
    /// If it cannot be run.
    pub async fn command(&self, arguments: &[&str], input: &str) -> Output {
        use tokio::io::AsyncWriteExt as _;
        let mut command = Command::new(&self.binary);
        command.arg("--data").arg(self.dir.path()).args(arguments);
        command.envs(self.env.iter().cloned()).env("RUST_LOG", "error");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the binary runs");
        child.stdin.take().expect("its input").write_all(input.as_bytes()).await.expect("it takes input");
        tokio::time::timeout(DEADLINE, child.wait_with_output())
            .await
            .expect("it ends in time")
            .expect("it ends")
    }

    /// Runs `verify` and panics with what it printed if an invariant is broken.
    ///
    /// # Panics
    /// If one is.
    pub async fn verify(&self) {
        let output = self.command(&["verify"], "").await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Somebody who is not signed in.
    pub fn client(&self) -> Client {
        Client::new(self.base.clone())
    }

    /// Where it listens: it changes with every start.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where it listens for plain HTTP, if [`Process::base`] is HTTPS.
    pub fn plain(&self) -> &str {
        &self.plain
    }

    /// What it has logged, in all its lives, if it was started by [`Process::start_logging`].
    ///
    /// # Panics
    /// If its log cannot be read.
    pub fn log(&self) -> String {
        let log = self.log.as_ref().map(|log| std::fs::read(log.path()).expect("its log"));
        String::from_utf8_lossy(&log.unwrap_or_default()).into_owned()
    }

    /// Where its data is.
    pub fn data(&self) -> &Path {
        self.dir.path()
    }
}
