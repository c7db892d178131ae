//! An installation in one of its topologies, of real processes on real engines.

use engines::{Database, Nats, Postgres};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::proxy::{Proxy, Table};
use crate::{Client, Process, eventually};

/// Signs the sessions of processes that share users.
const JWT_KEY: &str = "a key that all processes of a test share";
/// The services that a process is given alone, where each has one.
const SERVICES: [&str; 8] =
    ["accounts", "tickets", "orders", "expiration", "payments", "counters", "storage", "streaming"];

/// How a house is spread over processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// One process on embedded engines.
    One,
    /// So many copies of the whole on PostgreSQL and NATS.
    Copies(usize),
    /// A process per service on PostgreSQL and NATS.
    Apart,
}

/// The engines of an installation that has any.
pub struct Engines {
    /// The bus.
    pub nats: Nats,
    /// What [`Installation::start_on`] was given, or nothing.
    pub postgres: Option<Postgres>,
    database: Database,
}

/// A running installation.
pub struct Installation {
    /// Its processes. After one was killed and resumed, call [`Installation::lead`].
    pub processes: Vec<Process>,
    /// Its engines, if they are not embedded.
    pub engines: Option<Engines>,
    services: Vec<Vec<String>>,
    proxy: Option<Proxy>,
    /// Leads streaming to storage, whose address changes with every start.
    inner: Option<Proxy>,
    table: Table,
    /// The objects of processes that share them.
    objects: TempDir,
}

impl Installation {
    /// Starts `binary` in a topology, every process with `flags`. `None`, said out loud, if an engine that it
    /// needs is not installed.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(binary: &str, topology: Topology, flags: &[&str]) -> Option<Self> {
        if topology == Topology::One {
            let process = Process::start(binary, flags).await;
            let (table, objects) = (Table::default(), TempDir::new().expect("a directory"));
            return Some(Self::of(vec![process], vec![Vec::new()], None, table, objects));
        }
        let database = Postgres::shared().await?.database().await;
        Self::start_with(binary, topology, flags, None, database).await
    }

    /// Starts it on a PostgreSQL of its own, for tests that stop or pause that.
    ///
    /// # Panics
    /// As [`Installation::start`].
    pub async fn start_on(
        postgres: Postgres,
        binary: &str,
        topology: Topology,
        flags: &[&str],
    ) -> Option<Self> {
        let database = postgres.database().await;
        Self::start_with(binary, topology, flags, Some(postgres), database).await
    }

    async fn start_with(
        binary: &str,
        topology: Topology,
        flags: &[&str],
        postgres: Option<Postgres>,
        database: Database,
    ) -> Option<Self> {
        let nats = Nats::start().await?;
        let (table, objects) = (Table::default(), TempDir::new().expect("a directory"));
        let mut env = vec![
            ("OBJECTS_URL".to_string(), format!("file://{}", objects.path().display())),
            ("DATABASE_URL".to_string(), database.url().to_string()),
            ("NATS_URL".to_string(), nats.url().to_string()),
            ("JWT_KEY".to_string(), JWT_KEY.to_string()),
            ("TRUSTED_PROXIES".to_string(), "127.0.0.1".to_string()),
        ];
        let services: Vec<Vec<String>> = match topology {
            Topology::One => vec![Vec::new()],
            Topology::Copies(count) => vec![Vec::new(); count],
            Topology::Apart => SERVICES.iter().map(|service| vec![service.to_string()]).collect(),
        };
        let inner = match topology {
            Topology::Apart => {
                let routes = json!([{"service": "storage", "paths": ["/storage/{*rest}"]}]);
                let inner = Proxy::start(&routes, table.clone()).await;
                env.push(("VIDEO_STORAGE_URL".to_string(), inner.base()));
                Some(inner)
            }
            _ => None,
        };
        let starting = services.iter().map(|services| {
            let mut flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
            flags.extend(services.iter().cloned());
            tokio::spawn(Process::start_with(binary.to_string(), flags, env.clone()))
        });
        // All at once, as after a power cut.
        let starting: Vec<_> = starting.collect();
        let mut processes = Vec::new();
        for process in starting {
            processes.push(process.await.expect("it starts"));
        }
        let engines = Engines { nats, postgres, database };
        let mut this = Self::of(processes, services, Some(engines), table, objects);
        this.inner = inner;
        let routes = this.processes[0].command(&["routes"], "").await;
        let routes: Value = serde_json::from_slice(&routes.stdout).expect("a table of routes");
        this.proxy = Some(Proxy::start(&routes, this.table.clone()).await);
        this.ready().await;
        Some(this)
    }

    fn of(
        processes: Vec<Process>,
        services: Vec<Vec<String>>,
        engines: Option<Engines>,
        table: Table,
        objects: TempDir,
    ) -> Self {
        let this = Self { processes, engines, services, proxy: None, inner: None, table, objects };
        this.lead();
        this
    }

    /// Tells the proxy where the processes are now.
    pub fn lead(&self) {
        let bases = self.processes.iter().map(|process| process.base().to_string());
        self.table.set(self.services.iter().cloned().zip(bases).collect());
    }

    /// Waits until every process says that it is ready.
    ///
    /// # Panics
    /// If one never does.
    pub async fn ready(&self) {
        for process in &self.processes {
            let client = process.client();
            eventually("every process is ready", async || {
                let answer = client.try_send(client.request(reqwest::Method::GET, "/readyz")).await.ok()?;
                (answer.json["status"] == "ready").then_some(())
            })
            .await;
        }
    }

    /// Where people reach it: the proxy, or the one process.
    pub fn base(&self) -> String {
        self.proxy.as_ref().map_or_else(|| self.processes[0].base().to_string(), Proxy::base)
    }

    /// Somebody who is not signed in.
    pub fn client(&self) -> Client {
        Client::new(self.base())
    }

    /// kill -9 to every process, and starts them again on the same data.
    ///
    /// # Panics
    /// If one does not start.
    pub async fn kill_and_resume(&mut self) {
        for process in &mut self.processes {
            process.kill().await;
        }
        for process in &mut self.processes {
            process.resume().await;
        }
        self.lead();
        self.ready().await;
    }

    /// Runs `verify`; see [`Process::verify`].
    pub async fn verify(&self) {
        self.processes[0].verify().await;
    }

    /// Where objects are that processes share; one process alone has them in its data directory.
    pub fn objects(&self) -> &std::path::Path {
        self.objects.path()
    }

    /// The database's address, if it is not embedded.
    pub fn database_url(&self) -> Option<&str> {
        self.engines.as_ref().map(|engines| engines.database.url())
    }
}
