//! An nginx.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::keeper::Keeper;
use crate::{ATTEMPTS, DEADLINE, PERIOD, install, missing, ports, processes};

/// How an [`Nginx`] serves; by default one worker, `tcp_nopush` off, and each request opens its file.
#[derive(Debug, Clone, Copy)]
pub struct Serving {
    /// How many worker processes it has, besides the master.
    pub workers: u16,
    /// Whether it fills packets before it sends them. Small ranges wait 40 ms for that.
    pub tcp_nopush: bool,
    /// Whether it remembers open files and their sizes. Files may not change then.
    pub open_files: bool,
}

impl Default for Serving {
    fn default() -> Self {
        Self { workers: 1, tcp_nopush: false, open_files: false }
    }
}

/// An nginx of a test's own, which serves the files of a directory by `sendfile`, with entity tags and without an
/// access log. It runs as whoever runs the tests.
///
/// Dropped, it is killed; so it is when the test process ends in any other way.
pub struct Nginx {
    keeper: Keeper,
    url: String,
}

impl Nginx {
    /// One that serves what is in `directory`: `directory/a/b.mp4` at `/a/b.mp4`.
    ///
    /// `None` if nginx is not installed.
    ///
    /// # Panics
    /// With its log, if it does not start; in the full run, if it is not installed. If `directory` is none.
    pub async fn start(directory: &Path, serving: Serving) -> Option<Self> {
        let program = Self::program()?;
        let directory = directory.canonicalize().expect("a directory to serve");
        let mut server = Self { keeper: Keeper::new(None), url: String::new() };
        for _ in 0..ATTEMPTS {
            let address = format!("127.0.0.1:{}", ports::free());
            server.url = format!("http://{address}");
            if server.run(&program, &directory, serving, &address).await {
                return Some(server);
            }
        }
        panic!("nginx does not start: {}", server.keeper.log());
    }

    /// `nginx`, to ask for its version or to start it otherwise. `None` if it is not installed.
    ///
    /// # Panics
    /// In the full run, if it is not installed.
    pub fn program() -> Option<PathBuf> {
        static SAID: Once = Once::new();
        let program = install::program("nginx");
        if program.is_none() {
            missing("nginx", &SAID);
        }
        program
    }

    /// Where it is: `http://127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its processes: the master, then the workers. What they used of the processors can be read from `/proc`.
    ///
    /// # Panics
    /// If it has ended.
    pub fn pids(&self) -> Vec<u32> {
        let master = self.keeper.process();
        let mut workers = processes::children(master);
        workers.sort_unstable();
        [vec![master], workers].concat()
    }

    /// What it has written to its log so far.
    pub fn log(&self) -> String {
        self.keeper.log()
    }

    /// Whether it has started, and answers; if not, it has ended: its port is taken, or its log says why.
    ///
    /// # Panics
    /// With its log, if it does neither in time.
    async fn run(&mut self, program: &Path, directory: &Path, serving: Serving, address: &str) -> bool {
        let sign = format!("/.marquee-test-{:016x}", ports::chance());
        let configuration = configuration(directory, serving, address, &sign);
        fs::write(self.keeper.directory().join("nginx.conf"), configuration).expect("it can be configured");
        let prefix = self.keeper.directory().display().to_string();
        self.keeper.spawn(program, &["-p", &prefix, "-c", "nginx.conf", "-e", "stderr"]);
        let begun = Instant::now();
        loop {
            if self.keeper.ended().is_some() {
                return false;
            }
            // Another server on this port does not know the sign.
            if matches!(timeout(DEADLINE, answers(address, &sign)).await, Ok(Ok(true))) {
                return true;
            }
            assert!(begun.elapsed() < DEADLINE, "nginx does not answer: {}", self.log());
            tokio::time::sleep(PERIOD).await;
        }
    }
}

/// Nothing of the system's configuration is read, and nothing is written outside of the directory it runs in.
fn configuration(directory: &Path, serving: Serving, address: &str, sign: &str) -> String {
    let root = directory.display().to_string();
    // As root it would become another user, who may not read the files.
    let user = if rustix::process::geteuid().is_root() { "user root root;" } else { "" };
    let tcp_nopush = if serving.tcp_nopush { "on" } else { "off" };
    let open_files = if serving.open_files { "max=1000 inactive=60s" } else { "off" };
    let quoted = root.replace('\\', r"\\").replace('"', "\\\"");
    assert!(!root.contains('$'), "nginx takes a $ for a variable: {root}");
    format!(
        r#"{user}
daemon off;
worker_processes {workers};
worker_rlimit_nofile 8192;
pid nginx.pid;
error_log stderr warn;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    server_tokens off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    types {{
        video/mp4 mp4 m4v;
        video/webm webm;
        text/vtt vtt;
        text/plain txt;
    }}
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush {tcp_nopush};
    tcp_nodelay on;
    open_file_cache {open_files};
    etag on;
    keepalive_timeout 75s;
    keepalive_requests 100000000;
    server {{
        listen {address} backlog=4096;
        location / {{
            root "{quoted}";
        }}
        location = {sign} {{
            return 204;
        }}
    }}
}}
"#,
        workers = serving.workers,
    )
}

async fn answers(address: &str, sign: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {sign} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split(' ').nth(1) == Some("204"))
}
