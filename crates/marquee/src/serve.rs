//! `marquee serve`: start, run until told to stop, drain, stop.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use axum_server::service::SendService;
use axum_server::{Handle, Server};
use hyper::body::Incoming;
use kernel::{Error, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::Connections;
use crate::progress::telling;
use crate::{House, Settings, control, data_dir, demo, process, tls};

/// How long requests in flight may take at the end.
const DRAIN: Duration = Duration::from_secs(20);

/// A started server.
pub struct Running {
    /// Its services.
    pub house: std::sync::Arc<House>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it listens for HTTPS, if it does; the other address then leads there.
    pub tls_address: Option<SocketAddr>,
    doors: Vec<Door>,
    /// Cancelled when a door has closed.
    closed: CancellationToken,
    tasks: TaskTracker,
    stop: CancellationToken,
    _lock: Option<data_dir::Lock>,
}

/// Starts everything on `settings.data`. Ready when it returns.
///
/// # Errors
/// A sentence that says what to do: the directory is in use, the port is taken.
pub async fn start(settings: Settings, no_migrate: bool) -> Result<Running> {
    settings.check_serving()?;
    // What is kept on servers is shared; the directory never is.
    let lock = if settings.is_embedded() { Some(data_dir::lock(&settings.data)?) } else { None };
    if lock.is_some() {
        data_dir::tidy(&settings.data);
    }
    if settings.keeps_objects_alone() {
        tracing::warn!(
            directory = %settings.objects_folder().display(),
            "objects lie in this process's own directory, which other copies cannot see: set OBJECTS_URL"
        );
    }
    let now = settings.clock.now();
    let tls = settings.tls.open(&settings.data, settings.listen.ip(), now).await?;
    let house = std::sync::Arc::new(House::open(&settings, !no_migrate).await?);
    let (listener, address) = listen(settings.listen, "port")?;
    let tls = match tls {
        Some(config) => {
            let wanted = SocketAddr::new(settings.listen.ip(), settings.tls.port);
            Some((config, listen(wanted, "tls-port")?))
        }
        None => None,
    };
    let tls_address = tls.as_ref().map(|(_, (_, address))| *address);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    house.run(&site(address, tls_address), &tasks, &stop).await?;
    if lock.is_some() {
        control::listen(&settings.data, &house, &tasks, &stop)?;
    }
    if settings.demo {
        demo::fill(&house).await?;
    }
    let (mut routes, mut doors) = (house.routes()?, Vec::new());
    let closed = CancellationToken::new();
    if let Some((config, (listener, address))) = tls {
        let behind = if settings.tls.self_signed { routes.clone() } else { tls::strict(routes.clone()) };
        let server = axum_server::from_tcp_rustls(listener, config).map_err(cannot_listen)?.map(Connections);
        doors.push(Door::open(server, behind, settings.head_timeout, &closed));
        routes = tls::plain(routes, settings.public_url.as_deref(), address.port());
    }
    let server =
        axum_server::from_tcp(listener).map_err(cannot_listen)?.acceptor(Connections(sendfile::Acceptor));
    doors.push(Door::open(server, routes, settings.head_timeout, &closed));
    Ok(Running { house, address, tls_address, doors, closed, tasks, stop, _lock: lock })
}

/// What is held of an answer for a client who takes it slowly, in bytes, and the longest head of a request.
const HELD: usize = 64 * 1024;
/// Requests of one HTTP/2 connection at a time, as few as RFC 9113, section 6.5.2, finds enough.
const STREAMS: u32 = 100;

/// One listener and what serves it.
struct Door {
    handle: Handle<SocketAddr>,
    server: JoinHandle<std::io::Result<()>>,
}

type Visited = AddExtension<Router, ConnectInfo<SocketAddr>>;

impl Door {
    /// Serves `routes`, and cancels `closed` when that has ended.
    fn open<A>(
        server: Server<SocketAddr, A>,
        routes: Router,
        head_timeout: Duration,
        closed: &CancellationToken,
    ) -> Self
    where
        A: Accept<TcpStream, Visited> + Clone + Send + Sync + 'static,
        A::Stream: AsyncRead + AsyncWrite + Unpin + Send,
        A::Service: SendService<Request<Incoming>> + Send,
        A::Future: Send,
    {
        let handle = Handle::new();
        let mut server = server.handle(handle.clone());
        let timer = hyper_util::rt::TokioTimer::new();
        let http = server.http_builder();
        http.http1().timer(timer).header_read_timeout(head_timeout).max_buf_size(HELD);
        http.http2().max_send_buf_size(HELD).max_concurrent_streams(STREAMS);
        let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
        let closed = closed.clone().drop_guard();
        let server = tokio::spawn(async move {
            let _closed = closed;
            server.serve(routes).await
        });
        Self { handle, server }
    }
}

impl Running {
    /// Stops: no new connections, requests in flight finish within a limit, then the background work ends.
    ///
    /// # Errors
    /// If the server itself had failed.
    pub async fn stop(self) -> Result<()> {
        let _telling = telling("waiting for requests in flight and background work");
        self.house.web.shut_down();
        for door in &self.doors {
            door.handle.graceful_shutdown(Some(DRAIN));
        }
        let mut served = Ok(());
        for door in self.doors {
            let ended = door.server.await.map_err(|e| Error::internal("the server stopped").because(e))?;
            served = served.and(ended);
        }
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::warn!("background work did not end in time; the next start goes on with it");
        }
        served.map_err(|e| Error::internal("the server failed").because(e))
    }

    /// Completes when the server has ended by itself, which it does only by failing.
    async fn failed(&self) {
        self.closed.cancelled().await;
    }
}

fn listen(wanted: SocketAddr, flag: &str) -> Result<(TcpListener, SocketAddr)> {
    let bind = || -> std::io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(wanted)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind().map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => Error::conflict(format!(
            "{wanted} is in use: stop what listens there, or choose another --{flag}"
        )),
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
    process::allow_files();
    let greeting = Greeting::before(&settings);
    let running = start(settings, no_migrate).await?;
    greeting.say(&running);
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

/// What the operator reads first.
struct Greeting {
    settings: Settings,
    is_new: bool,
}

impl Greeting {
    /// What is to be known before the start.
    fn before(settings: &Settings) -> Self {
        let is_new = settings.is_embedded() && data_dir::is_empty(&settings.data);
        Self { settings: settings.clone(), is_new }
    }

    /// Says where to go, in the first line. A closed standard output is no reason to stop.
    fn say(&self, running: &Running) {
        let open = site(running.address, running.tls_address);
        let leads = running.tls_address.map(|_| format!("  {} leads there\n", site(running.address, None)));
        let mut text = format!("Marquee is open: {open}\n{}", leads.unwrap_or_default());
        text.push_str(&format!("  {}{}\n", self.settings.place(), if self.is_new { " (new)" } else { "" }));
        text.push_str(&format!("  API reference: {open}/docs\n"));
        if let Some(way) = self.settings.mail_way(&open) {
            text.push_str(&format!("  {way}\n"));
        }
        if self.settings.demo {
            text.push_str(&format!("  demo seller: {} / {}\n", demo::SELLER, demo::PASSWORD));
            text.push_str(&format!("  demo buyer:  {} / {}\n", demo::BUYER, demo::PASSWORD));
        }
        if self.settings.accounts.open_directory {
            text.push_str(
                "  anybody may list, add and delete users at /user: started with --open-directory\n",
            );
        }
        if self.is_new {
            text.push_str("  to run the house: marquee user create --operator --email you@example.com");
            let data = self.settings.data.display().to_string();
            text.push_str(&if data == "./data" { "\n".to_owned() } else { format!(" --data {data}\n") });
        }
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
}

/// Where people on this machine reach it: by HTTPS, if it is served.
fn site(plain: SocketAddr, tls: Option<SocketAddr>) -> String {
    match tls {
        Some(address) => format!("https://{}", named(address)),
        None => format!("http://{}", named(plain)),
    }
}

fn named(address: SocketAddr) -> String {
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}
