//! `marquee serve`: start, run until told to stop, drain, stop.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use axum_server::Handle;
use kernel::{Error, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{House, Settings, control, data_dir, demo};

/// How long requests in flight may take at the end.
const DRAIN: Duration = Duration::from_secs(20);
/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(15);

/// A started server.
pub struct Running {
    /// Its services.
    pub house: std::sync::Arc<House>,
    /// Where it listens.
    pub address: SocketAddr,
    handle: Handle<SocketAddr>,
    server: JoinHandle<std::io::Result<()>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _lock: data_dir::Lock,
}

/// Starts everything on `settings.data`. Ready when it returns.
///
/// # Errors
/// A sentence that says what to do: the directory is in use, the port is taken.
pub async fn start(settings: Settings, no_migrate: bool) -> Result<Running> {
    let lock = data_dir::lock(&settings.data)?;
    let house = std::sync::Arc::new(House::open(&settings, !no_migrate).await?);
    let (listener, address) = listen(settings.listen)?;
    let (tasks, stop, handle) = (TaskTracker::new(), CancellationToken::new(), Handle::new());
    house.run(&tasks, &stop);
    control::listen(&settings.data, &house, &tasks, &stop)?;
    if settings.demo {
        demo::fill(&house).await?;
    }
    let service = house.routes()?.into_make_service_with_connect_info::<SocketAddr>();
    let mut server = axum_server::from_tcp(listener).map_err(cannot_listen)?.handle(handle.clone());
    server.http_builder().http1().timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(HEAD);
    let server = tokio::spawn(server.serve(service));
    Ok(Running { house, address, handle, server, tasks, stop, _lock: lock })
}

impl Running {
    /// Stops: no new connections, requests in flight finish within a limit, then the background work ends.
    ///
    /// # Errors
    /// If the server itself had failed.
    pub async fn stop(self) -> Result<()> {
        self.house.web.shut_down();
        self.handle.graceful_shutdown(Some(DRAIN));
        let served = self.server.await.map_err(|e| Error::internal("the server stopped").because(e))?;
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!("background work did not end in time; the next start goes on with it");
        }
        served.map_err(|e| Error::internal("the server failed").because(e))
    }

    /// Completes when the server has ended by itself, which it does only by failing.
    async fn failed(&mut self) {
        while !self.server.is_finished() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

fn listen(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let bind = || -> std::io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(wanted)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind().map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => {
            Error::conflict(format!("{wanted} is in use: stop what listens there, or choose another --port"))
        }
        _ => cannot_listen(e),
    })
}

fn cannot_listen(e: std::io::Error) -> Error {
    Error::unavailable("cannot listen: choose another --host or --port").because(e)
}

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn serve(settings: Settings, no_migrate: bool) -> Result<ExitCode> {
    let failed = |e| Error::internal("cannot listen for signals").because(e);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let (demo, data) = (settings.demo, settings.data.clone());
    let mut running = start(settings, no_migrate).await?;
    greet(running.address, &data, demo);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = running.failed() => {}
    }
    tracing::info!("stopping: requests in flight may finish");
    running.stop().await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Says where to go. A closed standard output is no reason to stop.
fn greet(address: SocketAddr, data: &std::path::Path, demo: bool) {
    let host = if address.ip().is_loopback() || address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    let mut text = format!("Marquee is open: http://{host}\n  data in {}\n", data.display());
    if demo {
        text.push_str(&format!("  demo seller: {} / {}\n", demo::EMAIL, demo::PASSWORD));
    }
    let _ = std::io::stdout().write_all(text.as_bytes());
}
