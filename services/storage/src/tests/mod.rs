//! What storage promises, on a directory and on a bucket, in this process and behind HTTP: each test of [`on_all`] runs on
//! all three.

mod answering;
mod appending;
mod collecting;
mod full;
mod publishing;
mod signed;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use db::{Db, Location};
use engines::{Bucket, Home, S3};
use http_body_util::BodyExt as _;
use kernel::{Clock, Instant, Kind, ObjectId, Result};
use objects::{Appended, Asked, Came, Hidden, Objects, Part, Remote, Settings, Signer, Store, Stored};
use tokio::net::TcpListener;
use web::{Config, Web};

use crate::{MIGRATIONS, Storage};

const KEY: &[u8] = b"the key of this house";

/// Storage on a database of its own.
pub(super) struct House {
    _home: Home,
    pub bucket: Option<Bucket>,
    pub clock: Clock,
    pub db: Db,
    pub store: Store,
    pub storage: Storage,
    /// How it is reached.
    pub objects: Arc<dyn Objects>,
    /// Whether that is by HTTP.
    pub is_apart: bool,
}

impl House {
    pub async fn disk() -> Self {
        Self::new(None, None).await
    }

    /// `None`, said out loud, where there is no S3 server.
    pub async fn s3() -> Option<Self> {
        let bucket = S3::shared().await?.bucket("storage").await;
        Some(Self::new(Some(bucket), None).await)
    }

    pub async fn apart() -> Self {
        let mut house = Self::disk().await;
        house.objects = Arc::new(Remote::new(&serve(house.app()).await, house.signer()).unwrap());
        house.is_apart = true;
        house
    }

    /// In `directory`, instead of one of its own.
    pub async fn at(directory: &std::path::Path) -> Self {
        Self::new(None, Some(directory)).await
    }

    async fn new(bucket: Option<Bucket>, directory: Option<&std::path::Path>) -> Self {
        // Whoever was first has installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let home = Home::new().await;
        let clock = Clock::manual(Instant::from_millis(1_800_000_000_000));
        let location = Location::new(home.url(), home.directory(), "storage");
        let db = Db::open(&location, "storage", clock.clone()).unwrap();
        db.migrate(MIGRATIONS).await.unwrap();
        let settings = bucket.as_ref().map_or_else(Settings::default, |bucket| Settings {
            url: Some(format!("s3://{}", bucket.name())),
            endpoint: Some(bucket.endpoint().to_owned()),
            region: "us-east-1".to_owned(),
            credentials: Some((bucket.access_key().to_owned(), Hidden::new(bucket.secret_key()))),
        });
        let directory = directory.map_or_else(|| home.directory().join("objects"), std::path::Path::to_owned);
        let store = Store::open(&settings, directory).unwrap();
        let storage = Storage::new(db.clone(), store.clone(), Signer::new(KEY, clock.clone()));
        let objects = Arc::new(storage.clone());
        Self { _home: home, bucket, clock, db, store, storage, objects, is_apart: false }
    }

    pub fn signer(&self) -> Signer {
        Signer::new(KEY, self.clock.clone())
    }

    /// As whoever calls it by HTTP meets it.
    pub fn app(&self) -> Router {
        let web = Web::new(Config { clock: self.clock.clone(), ..Config::default() });
        web::stack(self.storage.routes(), &web)
    }

    /// The same after a restart: what was only remembered is gone.
    pub fn restarted(&self) -> Storage {
        Storage::new(self.db.clone(), self.store.clone(), self.signer())
    }

    pub fn id(&self) -> ObjectId {
        ObjectId::new(&self.clock)
    }

    /// An upload of `parts`, each appended by itself.
    pub async fn uploaded(&self, parts: &[&[u8]]) -> ObjectId {
        let id = self.id();
        self.objects.begin(id).await.unwrap();
        let mut offset = 0;
        for part in parts {
            let appended = self.append(id, offset, part).await.unwrap();
            offset += part.len() as u64;
            assert_eq!(appended, Appended { offset, came: Came::Whole });
        }
        id
    }

    /// An object of `bytes`.
    pub async fn stored(&self, bytes: &[u8]) -> (ObjectId, Stored) {
        let id = self.uploaded(&[bytes]).await;
        let stored = self.objects.publish(id, None).await.unwrap();
        (id, stored)
    }

    pub async fn append(&self, id: ObjectId, offset: u64, bytes: &[u8]) -> Result<Appended> {
        self.objects.append(id, part(offset, Body::from(bytes.to_vec()))).await
    }

    pub async fn ask(&self, id: ObjectId, method: Method, asked: &[(&'static str, &str)]) -> Result<Answer> {
        ask(&*self.objects, id, method, asked).await
    }

    /// All bytes of an object.
    pub async fn bytes(&self, id: ObjectId) -> Bytes {
        self.ask(id, Method::GET, &[]).await.unwrap().body.unwrap()
    }

    /// Waits until nothing lies of an upload.
    pub async fn gives_back(&self, id: ObjectId) {
        let gone = async || {
            let has_file = || {
                let dir = self.store.directory().unwrap().join("uploads").join(id.to_string());
                std::fs::read_dir(dir).is_ok_and(|mut files| files.next().is_some())
            };
            match self.bucket {
                None => !has_file(),
                Some(_) => !self.store.list().await.unwrap().uploads.contains(&id),
            }
        };
        eventually("its room is given back", gone).await;
    }
}

/// An answer, and how its body came.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: std::result::Result<Bytes, axum::Error>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(super) async fn ask(
    objects: &dyn Objects,
    id: ObjectId,
    method: Method,
    asked: &[(&'static str, &str)],
) -> Result<Answer> {
    let header = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::try_from(*value).unwrap())
    };
    let headers = asked.iter().map(header).collect();
    let asked = Asked { method, headers, content_type: "video/mp4".to_owned(), by_sendfile: false };
    let (parts, body) = objects.answer(id, asked).await?.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

pub(super) fn part(offset: u64, body: Body) -> Part {
    Part { offset, most: u64::MAX, body, digest: None, at_hand: false }
}

/// A body that breaks off after `bytes`.
pub(super) fn broken(bytes: &'static [u8]) -> Body {
    let frames = [Ok(Bytes::from_static(bytes)), Err(std::io::Error::other("the line is dead"))];
    Body::from_stream(futures_util::stream::iter(frames))
}

/// Bytes that are alike nowhere.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(length).collect()
}

pub(super) fn sha256(bytes: &[u8]) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().to_vec()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn kind<T>(result: Result<T>) -> Kind {
    result.err().expect("an error").kind
}

pub(super) async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

pub(super) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Runs each of these on a directory, on a bucket, and behind HTTP.
macro_rules! on_all {
    ($($test:ident),* $(,)?) => {
        mod disk {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::tests::House::disk().await).await;
            })*
        }
        mod s3 {
            $(#[tokio::test]
            async fn $test() {
                let Some(house) = $crate::tests::House::s3().await else { return };
                super::$test(house).await;
            })*
        }
        mod apart {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::tests::House::apart().await).await;
            })*
        }
    };
}
use on_all;
