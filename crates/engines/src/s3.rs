//! An S3 server.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::bucket::{Access, Bucket};
use crate::keeper::Keeper;
use crate::{ATTEMPTS, DEADLINE, PERIOD, install, missing, ports};

/// What its parts are called where they leave sockets outside of the directory.
const PARTS: [&str; 4] = ["master", "volume", "filer", "s3"];

/// Each bucket is a collection of volumes, and would take seven at once.
const GROWTH: &str = "[master.volume_growth]\ncopy_1 = 1\n";

/// What makes it small and quick, and keeps it to itself: no leader has to be elected, and nobody is told of it.
const SETTINGS: [&str; 16] = [
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-dir=data",
    "-master.peers=none",
    "-master.volumeSizeLimitMB=1024",
    "-master.telemetry=false",
    "-volume.max=1000",
    "-volume.minFreeSpace=100MiB",
    "-filer",
    "-filer.localSocket=filer.sock",
    "-s3",
    "-s3.config=s3.json",
    "-s3.localSocket=s3.sock",
    "-s3.autoCreateBucket=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
];

/// An S3 server of a test's own: SeaweedFS, all of it in one process. It keeps its objects in files; what it has
/// acknowledged is there after kill -9.
///
/// Dropped, it is killed and its objects removed; so it is when the test process ends in any other way.
pub struct S3 {
    access: Access,
    up: Arc<AtomicBool>,
    own: Option<Own>,
    shared: bool,
}

/// What there is of a server that we started.
struct Own {
    keeper: Keeper,
    program: PathBuf,
    ports: [u16; 8],
}

impl S3 {
    /// An empty server, open to whoever has its keys. Takes about two seconds.
    ///
    /// `None` if SeaweedFS is not installed.
    ///
    /// # Panics
    /// With its log, if it does not start; in the full run, if it is not installed.
    pub async fn start() -> Option<Self> {
        static SAID: Once = Once::new();
        let Some(program) = install::program("weed") else {
            missing("SeaweedFS (weed)", &SAID);
            return None;
        };
        let key = format!("test{:016x}", ports::chance());
        let secret = format!("{:016x}/+{:016x}", ports::chance(), ports::chance());
        let own = Own { keeper: Keeper::new(None), program, ports: [0; 8] };
        own.configure(&key, &secret);
        let access = Access::new("", &key, &secret);
        let mut server = Self { access, up: Arc::new(AtomicBool::new(true)), own: Some(own), shared: false };
        for _ in 0..ATTEMPTS {
            let own = server.own_mut();
            own.ports = std::array::from_fn(|_| ports::free());
            own.note_sockets();
            let endpoint = format!("http://127.0.0.1:{}", own.ports[0]);
            server.access = Access::new(&endpoint, &key, &secret);
            if server.run().await {
                return Some(server);
            }
        }
        panic!("SeaweedFS does not start: {}", server.log());
    }

    /// The server that all tests of this process share: the one at `MARQUEE_TEST_S3`, else one that is started when the
    /// first of them asks.
    ///
    /// `None` if there is neither.
    ///
    /// # Panics
    /// As [`S3::start`]; or if `MARQUEE_TEST_S3` is set without its keys.
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Option<S3>> = OnceCell::const_new();
        let start = || async {
            let Ok(endpoint) = std::env::var("MARQUEE_TEST_S3") else {
                let mut server = Self::start().await?;
                server.shared = true;
                return Some(server);
            };
            let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(std::env::var);
            let [Ok(key), Ok(secret)] = keys else {
                panic!("with MARQUEE_TEST_S3 go AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
            };
            let access = Access::new(&endpoint, &key, &secret);
            Some(Self { access, up: Arc::new(AtomicBool::new(true)), own: None, shared: true })
        };
        SHARED.get_or_init(start).await.as_ref()
    }

    /// A new empty bucket, whose name begins with `marquee-test-` and `what`; removed, with what is in it, when the
    /// answer is dropped.
    ///
    /// # Panics
    /// If it cannot be created: the server is away, or its keys may not; or if `what` is no part of a bucket's name.
    pub async fn bucket(&self, what: &str) -> Bucket {
        let created = timeout(DEADLINE, Bucket::create(&self.access, what, &self.up)).await;
        created.expect("a bucket is created in time").expect("a bucket can be created")
    }

    /// Where it is: `http://127.0.0.1:port`, also after it was started again. A bucket is the first part of a path.
    pub fn endpoint(&self) -> &str {
        &self.access.endpoint
    }

    /// The access key of somebody who may do everything.
    pub fn access_key(&self) -> &str {
        &self.access.key
    }

    /// The secret that goes with it.
    pub fn secret_key(&self) -> &str {
        &self.access.secret
    }

    /// What it has written to its log so far; empty for a server that we did not start.
    pub fn log(&self) -> String {
        self.own.as_ref().map(|own| own.keeper.log()).unwrap_or_default()
    }

    /// Stops it where it is (SIGSTOP): connections stay, and nobody gets an answer.
    ///
    /// # Panics
    /// If it is shared, or does not run.
    pub fn pause(&self) {
        self.alone();
        self.own.as_ref().expect("a server that we started").keeper.pause();
        self.up.store(false, Ordering::Relaxed);
    }

    /// Lets it go on where it was.
    ///
    /// # Panics
    /// If it is shared, or does not run.
    pub fn resume(&self) {
        self.alone();
        self.own.as_ref().expect("a server that we started").keeper.resume();
        self.up.store(true, Ordering::Relaxed);
    }

    /// kill -9, and waits until it is dead: asked to end, it takes minutes.
    ///
    /// # Panics
    /// If it is shared.
    pub async fn kill(&mut self) {
        self.alone();
        self.own_mut().keeper.kill().await;
        self.up.store(false, Ordering::Relaxed);
    }

    /// Starts it again on the same ports and data; kills it first if it runs. It answers when this returns.
    ///
    /// # Panics
    /// If it is shared, or with its log, if it does not start.
    pub async fn restart(&mut self) {
        self.kill().await;
        let begun = Instant::now();
        // Somebody may have one of its ports for a moment.
        while !self.run().await {
            assert!(begun.elapsed() < DEADLINE, "SeaweedFS does not start again: {}", self.log());
            tokio::time::sleep(PERIOD).await;
        }
        self.up.store(true, Ordering::Relaxed);
    }

    /// Whether it has started, and keeps objects; if not, it has ended: a port is taken, or its log says why.
    ///
    /// # Panics
    /// With its log, if it does neither in time.
    async fn run(&mut self) -> bool {
        let access = self.access.clone();
        let own = self.own_mut();
        own.spawn();
        let begun = Instant::now();
        loop {
            if own.keeper.ended().is_some() {
                return false;
            }
            // Another server on this port does not know the keys. To connect is the cheaper question of the two.
            if TcpStream::connect(("127.0.0.1", own.ports[0])).await.is_ok()
                && matches!(timeout(DEADLINE, Bucket::try_out(&access)).await, Ok(Ok(())))
            {
                return true;
            }
            assert!(begun.elapsed() < DEADLINE, "SeaweedFS does not answer: {}", own.keeper.log());
            tokio::time::sleep(PERIOD).await;
        }
    }

    fn alone(&self) {
        assert!(!self.shared, "the shared server stays as it is: others use it");
    }

    fn own_mut(&mut self) -> &mut Own {
        self.own.as_mut().expect("a server that we started")
    }
}

impl Drop for S3 {
    /// Buckets that are dropped after it have nobody to ask.
    fn drop(&mut self) {
        if self.own.is_some() {
            self.up.store(false, Ordering::Relaxed);
        }
    }
}

impl Own {
    /// Who may come, and how much room a bucket takes.
    fn configure(&self, key: &str, secret: &str) {
        let directory = self.keeper.directory();
        let identities = format!(
            r#"{{"identities":[{{"name":"tests","credentials":[{{"accessKey":"{key}","secretKey":"{secret}"}}],"actions":["Admin"]}}]}}"#
        );
        fs::create_dir(directory.join("data")).expect("a directory");
        fs::write(directory.join("s3.json"), identities).expect("it can be configured");
        fs::write(directory.join("master.toml"), GROWTH).expect("it can be configured");
    }

    /// It would leave sockets behind, whose place is fixed.
    fn note_sockets(&self) {
        let grpc = &self.ports[4..];
        for (part, port) in PARTS.iter().zip(grpc) {
            self.keeper.remove_too(&format!("/tmp/seaweedfs-{part}-grpc-{port}.sock"));
        }
    }

    fn spawn(&mut self) {
        let ports = ["s3.port", "master.port", "volume.port", "filer.port"].map(str::to_owned);
        let grpc = PARTS.map(|part| format!("{part}.port.grpc"));
        let ports = ports.iter().chain(&grpc).zip(self.ports);
        let ports: Vec<_> = ports.map(|(name, port)| format!("-{name}={port}")).collect();
        let mut arguments = vec!["-logtostderr=true", "server"];
        arguments.extend(SETTINGS);
        arguments.extend(ports.iter().map(String::as_str));
        self.keeper.spawn(&self.program, &arguments);
    }
}
