//! Who shows the film: Marquee in one process, in two, and nginx, side by side. Whoever is not asked has nothing to do.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engines::{Nginx, Serving};

use crate::backing::Backing;
use crate::machine::{Cpu, Processes, seconds};
use crate::sale::sign_up;
use crate::server::Server;
use crate::stream::film::Film;
use crate::stream::phase::{Phase, Which};
use crate::stream::table::Measured;
use crate::stream::viewer::Viewer;
use crate::stream::watch::{crowd, watch};
use crate::{Options, Result};

/// What runs where streaming does, if storage is apart.
const STREAMING: [&str; 7] =
    ["accounts", "tickets", "orders", "expiration", "payments", "counters", "streaming"];
/// How long everybody is warmed up.
const WARM: Duration = Duration::from_millis(200);
/// How long workers may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

/// One that shows the film.
pub struct Stage {
    /// Which of them it is.
    pub which: Which,
    /// Where it listens.
    pub address: SocketAddr,
    /// The path to watch the film by.
    pub path: String,
    processes: Processes,
    servers: Vec<Server>,
    /// Of a server's own; they go when it has stopped.
    _backing: Option<Backing>,
    _nginx: Option<Nginx>,
}

impl Stage {
    /// Marquee in one process, with the film. It has to be the first.
    pub async fn one(options: &Options, film: &Film) -> Result<Self> {
        let backing = Backing::none();
        let mut server = Server::start(options, &backing).await?;
        let path = publish(&mut server, film).await?;
        let processes = backing.processes(vec![server.pid])?;
        Ok(Self {
            which: Which::One,
            address: server.address,
            path,
            processes,
            servers: vec![server],
            _backing: Some(backing),
            _nginx: None,
        })
    }

    /// Marquee in two processes, with the film.
    pub async fn apart(options: &Options, film: &Film) -> Result<Self> {
        let backing = Backing::start(&Options { postgres: false, nats: true, ..options.clone() }).await?;
        let backing = backing.with("JWT_KEY", "only this run's sessions are signed with it");
        let mut storage = Server::start_part(options, &backing, &["storage"]).await?;
        let url = format!("http://{}", storage.address);
        let beside = Backing::none().with("VIDEO_STORAGE_URL", &url);
        let beside =
            backing.variables().into_iter().fold(beside, |all, (name, value)| all.with(name, &value));
        let mut streaming = Server::start_part(options, &beside, &STREAMING).await?;
        // Storage learns from accounts which sessions have ended.
        storage.ready().await?;
        streaming.ready().await?;
        let path = publish(&mut streaming, film).await?;
        let processes = backing.processes(vec![streaming.pid, storage.pid])?;
        Ok(Self {
            which: Which::Apart,
            address: streaming.address,
            path,
            processes,
            servers: vec![streaming, storage],
            _backing: Some(backing),
            _nginx: None,
        })
    }

    /// nginx on the very file that Marquee, in one process, keeps.
    pub async fn nginx(workers: u16, file: &Path) -> Result<Self> {
        let (Some(directory), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str()))
        else {
            return Err("the film has no name".into());
        };
        // Ranges that do not fill packets wait for 40 ms with `tcp_nopush`.
        let serving = Serving { workers, tcp_nopush: false, open_files: true };
        let nginx = Nginx::start(directory, serving).await.ok_or("nginx is not installed (Debian: nginx)")?;
        let address = nginx.url().trim_start_matches("http://").parse()?;
        let all = usize::from(workers) + 1;
        let there = async {
            while nginx.pids().len() < all {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, there).await.map_err(|_| "nginx has too few workers")?;
        let processes = Backing::none().processes(nginx.pids())?;
        let path = format!("/{name}");
        Ok(Self {
            which: Which::Nginx(workers),
            address,
            path,
            processes,
            servers: Vec::new(),
            _backing: None,
            _nginx: Some(nginx),
        })
    }

    /// The file in which this Marquee keeps the film.
    pub fn kept(&self, film: &Film) -> Result<PathBuf> {
        film.kept(self.servers.last().ok_or("a stage without a server")?.data())
    }

    /// Its processes by name: of Marquee, the one that is asked before that of storage.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let names = if self.servers.len() > 1 { ["streaming", "storage"] } else { ["one process", ""] };
        names.into_iter().zip(self.servers.iter().map(|server| server.pid))
    }

    /// Measures one phase. One answer is compared with the film, byte by byte.
    pub async fn measure(&mut self, phase: Phase, film: &Film, seconds_each: Duration) -> Result<Measured> {
        let asks = phase.what.asks(&self.path, film.size);
        let ask = asks.first().ok_or("there is nothing to ask for")?;
        let length = ask.length;
        Viewer::open(self.address).await?.compare(ask, film).await?;
        watch(crowd(self.address, phase.connections).await?, asks.clone(), WARM).await?;
        let viewers = crowd(self.address, phase.connections).await?;
        let storage = self.servers.get(1).map(|server| server.pid);
        let of_storage = || storage.map_or(Ok(0.0), seconds);
        let (clock, before) = (Cpu::now(&self.processes)?, of_storage()?);
        let seen = watch(viewers, asks, seconds_each).await?;
        let spent = Cpu::now(&self.processes)?.since(&clock);
        Ok(Measured { length, seen, spent, storage: of_storage()? - before })
    }

    /// Stops it; of a whole house `marquee verify` looks at what it leaves.
    pub async fn stop(self) -> Result<()> {
        for server in self.servers {
            server.stop().await?;
        }
        Ok(())
    }
}

/// Signs a seller up, who uploads the film; answers the path to watch it by.
async fn publish(server: &mut Server, film: &Film) -> Result<String> {
    let seller = sign_up(server.control(), "seller").await?;
    let path = film.publish(server.control(), &seller).await?;
    server.drained().await?;
    Ok(path)
}
