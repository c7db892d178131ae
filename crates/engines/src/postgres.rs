//! A PostgreSQL server.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::Instant;

use rustix::process::Signal;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::database::{Database, execute};
use crate::keeper::Keeper;
use crate::{ATTEMPTS, DEADLINE, PERIOD, install, missing, ports};

/// How a cluster is made.
const INITDB: &str = "-D data -U marquee -A trust -E UTF8 --locale=C --no-sync --no-instructions";

/// What makes it quick and quiet. Tests kill processes, not power, so nothing has to reach the disk. But pages
/// are logged in full: a write that kill -9 interrupts may be half a page.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
fsync = off
synchronous_commit = on
full_page_writes = on
log_line_prefix = '%m [%p] %d '
# Shared memory as files of the cluster, which go with it when it is killed.
dynamic_shared_memory_type = mmap
";

/// What a measurement wants instead: a commit has reached the disk, and a run of minutes is not about when a
/// checkpoint falls. All else is PostgreSQL's default.
const DURABLE: &str = "
fsync = on
max_wal_size = 4GB
checkpoint_timeout = 15min
";

/// A PostgreSQL server of this test run's own.
///
/// Dropped, it is killed and its data removed; so it is when the test process ends in any other way.
pub struct Postgres {
    url: String,
    up: Arc<AtomicBool>,
    own: Option<Own>,
    shared: bool,
}

/// What there is of a server that we started.
struct Own {
    keeper: Keeper,
    programs: PathBuf,
    port: u16,
}

impl Postgres {
    /// A private cluster: empty, in UTF-8 with the collation C, for up to 400 connections. Whoever comes is let in,
    /// from this machine only. A commit is durable when a process is killed, not when the power goes (`fsync` is
    /// off). Takes about a second.
    ///
    /// `None` if PostgreSQL is not installed.
    ///
    /// # Panics
    /// With its log, if it does not start; in the full run, if it is not installed.
    pub async fn start() -> Option<Self> {
        Self::start_with(SETTINGS.to_owned()).await
    }

    /// As [`Postgres::start`], but durable: with `fsync` on, so that a commit waits for the disk, as where people
    /// buy. A checkpoint comes after 4 GB of log or 15 minutes. For measurements; its data is in `TMPDIR`, which
    /// should be on a disk then.
    ///
    /// # Panics
    /// As [`Postgres::start`].
    pub async fn start_durable() -> Option<Self> {
        // Of a setting that is there twice the last one counts.
        Self::start_with(format!("{SETTINGS}{DURABLE}")).await
    }

    async fn start_with(added: String) -> Option<Self> {
        static SAID: Once = Once::new();
        let Some(programs) = install::postgres() else {
            missing("PostgreSQL", &SAID);
            return None;
        };
        let mut keeper = Keeper::new(install::unprivileged());
        let arguments: Vec<_> = INITDB.split_whitespace().collect();
        keeper.spawn(&programs.join("initdb"), &arguments);
        assert!(keeper.end().await.success(), "initdb failed: {}", keeper.log());
        let file = keeper.directory().join("data/postgresql.conf");
        let settings = fs::read_to_string(&file).expect("initdb wrote the settings");
        fs::write(&file, settings + &added).expect("the settings can be written");

        let mut own = Own { keeper, programs, port: 0 };
        let mut started = false;
        for _ in 0..ATTEMPTS {
            own.port = ports::free();
            started = own.start().await;
            if started {
                break;
            }
        }
        assert!(started, "PostgreSQL does not start: {}", own.keeper.log());
        let url = own.url();
        Some(Self { url, up: Arc::new(AtomicBool::new(true)), own: Some(own), shared: false })
    }

    /// The one server that the tests of this process share: the one that `MARQUEE_TEST_POSTGRES` names, else a
    /// private one that starts with the first who asks and ends with the process. Nobody may pause or stop it.
    ///
    /// `None` if PostgreSQL is not installed.
    ///
    /// # Panics
    /// As [`Postgres::start`].
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Option<Postgres>> = OnceCell::const_new();
        let start = || async {
            match std::env::var("MARQUEE_TEST_POSTGRES") {
                Ok(url) => {
                    assert!(
                        url.contains("://"),
                        "MARQUEE_TEST_POSTGRES is a URL: postgres://user@host:port/database"
                    );
                    Some(Self { url, up: Arc::new(AtomicBool::new(true)), own: None, shared: true })
                }
                Err(_) => {
                    let mut server = Self::start().await?;
                    server.shared = true;
                    Some(server)
                }
            }
        };
        SHARED.get_or_init(start).await.as_ref()
    }

    /// A new empty database, dropped when the answer is dropped.
    ///
    /// # Panics
    /// If it cannot be created: the server is away, or its role may not.
    pub async fn database(&self) -> Database {
        Database::create(&self.url, &self.up).await
    }

    /// Its maintenance database, as a role that may do everything: `postgres://user@127.0.0.1:port/postgres`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has written to its log so far; empty for a server that we did not start.
    pub fn log(&self) -> String {
        self.own.as_ref().map(|own| own.keeper.log()).unwrap_or_default()
    }

    /// Stops all of its processes where they are (SIGSTOP): connections stay, nobody gets an answer, and who
    /// connects anew waits too.
    ///
    /// # Panics
    /// If it is shared, or does not run.
    pub fn pause(&self) {
        self.own().keeper.pause();
        self.up.store(false, Ordering::Relaxed);
    }

    /// Lets them go on where they were.
    ///
    /// # Panics
    /// If it is shared, or does not run.
    pub fn resume(&self) {
        self.own().keeper.resume();
        self.up.store(true, Ordering::Relaxed);
    }

    /// kill -9 to all of its processes, and waits until they are dead. What was committed is there after
    /// [`Postgres::restart`].
    ///
    /// # Panics
    /// If it is shared.
    pub async fn kill(&mut self) {
        self.own_mut().keeper.kill().await;
        self.up.store(false, Ordering::Relaxed);
    }

    /// A fast shutdown: open transactions are rolled back and connections ended, with a word to each.
    ///
    /// # Panics
    /// If it is shared, or does not stop in time.
    pub async fn stop(&mut self) {
        self.own_mut().keeper.stop(Signal::INT).await;
        self.up.store(false, Ordering::Relaxed);
    }

    /// Starts it again on the same port and data; stops it first if it runs. It answers when this returns.
    ///
    /// # Panics
    /// If it is shared, or with its log, if it does not start.
    pub async fn restart(&mut self) {
        self.stop().await;
        let own = self.own_mut();
        let begun = Instant::now();
        // Somebody may have its port for a moment.
        while !own.start().await {
            assert!(begun.elapsed() < DEADLINE, "PostgreSQL does not start again: {}", own.keeper.log());
            tokio::time::sleep(PERIOD).await;
        }
        self.up.store(true, Ordering::Relaxed);
    }

    fn own(&self) -> &Own {
        assert!(!self.shared, "the shared server stays as it is: others use it");
        self.own.as_ref().expect("a server that we started")
    }

    fn own_mut(&mut self) -> &mut Own {
        assert!(!self.shared, "the shared server stays as it is: others use it");
        self.own.as_mut().expect("a server that we started")
    }
}

impl Drop for Postgres {
    /// Databases that are dropped after it have nobody to ask.
    fn drop(&mut self) {
        if self.own.is_some() {
            self.up.store(false, Ordering::Relaxed);
        }
    }
}

impl Own {
    fn url(&self) -> String {
        format!("postgres://marquee@127.0.0.1:{}/postgres", self.port)
    }

    /// Whether it has started, and answers; if not, it has ended: its port is taken, or its log says why.
    ///
    /// # Panics
    /// With its log, if it does neither in time.
    async fn start(&mut self) -> bool {
        self.keeper.spawn(&self.programs.join("postgres"), &["-D", "data", "-p", &self.port.to_string()]);
        let url = self.url();
        let begun = Instant::now();
        loop {
            if self.keeper.ended().is_some() {
                return false;
            }
            // Not before it says so itself: on its port there may be another, which would answer too.
            if ready(&self.keeper.directory().join("data/postmaster.pid"), self.keeper.process())
                && matches!(timeout(DEADLINE, execute(&url, "SELECT 1")).await, Ok(Ok(())))
            {
                return true;
            }
            assert!(begun.elapsed() < DEADLINE, "PostgreSQL does not answer: {}", self.keeper.log());
            tokio::time::sleep(PERIOD).await;
        }
    }
}

/// Whether a postmaster's file says that it, and not one before it, is ready.
fn ready(file: &Path, process: u32) -> bool {
    let file = fs::read_to_string(file).unwrap_or_default();
    let mut lines = file.lines();
    lines.next() == Some(&process.to_string()) && lines.nth(6).is_some_and(|status| status.trim() == "ready")
}
