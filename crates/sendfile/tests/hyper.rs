//! Files leave by sendfile under the hyper that is in the tree. Where these fail after an update, it touches the bytes of
//! a body: see what the crate relies on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::header;
use axum::response::Response;
use axum::routing::get;
use futures_util::stream;
use sendfile::{Acceptor, Mapped, mapped, sent, takes_files};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, MutexGuard};

const MIB: u64 = 1024 * 1024;

/// What is counted is counted for the whole process, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

struct Served {
    file: Arc<File>,
    len: u64,
    /// Kept over requests, as it is in earnest; a test for leaks does without.
    mapped: Option<Mapped>,
    address: SocketAddr,
    _alone: MutexGuard<'static, ()>,
}

/// A part of the file in windows: `/part/{start}/{end}/{window}`.
async fn part(
    State((file, len, mapped)): State<(Arc<File>, u64, Option<Mapped>)>,
    Path((start, end, window)): Path<(u64, u64, usize)>,
    request: Request,
) -> Response {
    if !takes_files(request.extensions(), request.version()) {
        return Response::new(Body::from("in memory"));
    }
    let mapped = mapped.unwrap_or_else(|| Mapped::new(file, len).unwrap());
    let windows = (start..end)
        .step_by(window)
        .map(move |at| Ok::<_, std::io::Error>(mapped.slice(at..end.min(at + window as u64))));
    let body = Body::from_stream(stream::iter(windows));
    Response::builder().header(header::CONTENT_LENGTH, end - start).body(body).unwrap()
}

/// Text and parts of the file by turns, as in an answer of several ranges.
async fn parts(State((_, _, mapped)): State<(Arc<File>, u64, Option<Mapped>)>) -> Response {
    let mapped = mapped.unwrap();
    let frames = (0..40_u64).flat_map(move |i| {
        let text = Bytes::from(format!("part {i}\n"));
        [text, mapped.slice(i * 1000..i * 1000 + 700)].map(Ok::<_, std::io::Error>)
    });
    let len = (0..40).map(|i| format!("part {i}\n").len() + 700).sum::<usize>();
    let body = Body::from_stream(stream::iter(frames));
    Response::builder().header(header::CONTENT_LENGTH, len).body(body).unwrap()
}

/// Serves the first `len` bytes of `file`.
async fn serve(file: File, len: u64, keep: bool) -> Served {
    let alone = ALONE.lock().await;
    let file = Arc::new(file);
    let mapped = keep.then(|| Mapped::new(Arc::clone(&file), len).unwrap());
    let routes = Router::new()
        .route("/part/{start}/{end}/{window}", get(part))
        .route("/parts", get(parts))
        .with_state((Arc::clone(&file), len, mapped.clone()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let server = axum_server::from_tcp(listener).unwrap().acceptor(Acceptor);
    tokio::spawn(server.serve(routes.into_make_service()));
    Served { file, len, mapped, address, _alone: alone }
}

/// What is at `at` in the file: no two windows are alike.
fn pattern(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8
}

fn patterned(range: std::ops::Range<u64>) -> Vec<u8> {
    range.map(pattern).collect()
}

fn file(len: u64) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&patterned(0..len)).unwrap();
    file
}

struct Client(TcpStream);

impl Client {
    async fn new(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// With little room for what it does not read.
    async fn slow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        Self(socket.connect(address).await.unwrap())
    }

    async fn ask(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// How long the body of the next answer is.
    async fn head(&mut self) -> usize {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("its length");
        len.parse().unwrap()
    }

    async fn answer(&mut self) -> Vec<u8> {
        let mut body = vec![0; self.head().await];
        self.0.read_exact(&mut body).await.unwrap();
        body
    }
}

/// Waits until `is` says so.
async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_of_a_body_is_sent_from_the_file_and_connections_stay_open() {
    let served = serve(file(4 * MIB), 4 * MIB, true).await;
    let mut client = Client::new(served.address).await;
    let mut seed = 1_u64;
    let mut chance = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..60 {
        let start = chance(served.len);
        let end = start + 1 + chance(served.len - start);
        let before = sent();
        client.ask(&format!("/part/{start}/{end}/{}", 1 + chance(MIB).max(4096))).await;
        assert_eq!(client.answer().await, patterned(start..end), "{start}..{end}");
        assert_eq!(sent() - before, end - start, "by sendfile, not as memory");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_one_behind_the_other_are_answered_in_order() {
    let served = serve(file(4 * MIB), 4 * MIB, true).await;
    let mut client = Client::new(served.address).await;
    for i in 0..20 {
        client.ask(&format!("/part/{}/{}/100000", i * 1000, i * 1000 + 200_000)).await;
    }
    for i in 0..20 {
        assert_eq!(client.answer().await, patterned(i * 1000..i * 1000 + 200_000), "the answer {i}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_between_parts_of_the_file_stays_between_them() {
    let served = serve(file(MIB), MIB, true).await;
    let mut client = Client::new(served.address).await;
    let before = sent();
    client.ask("/parts").await;
    let expected: Vec<u8> = (0..40)
        .flat_map(|i| [format!("part {i}\n").into_bytes(), patterned(i * 1000..i * 1000 + 700)].concat())
        .collect();
    assert_eq!(client.answer().await, expected);
    assert_eq!(sent() - before, 40 * 700);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_everything_and_the_server_waits_for_it() {
    let served = serve(file(24 * MIB), 24 * MIB, true).await;
    let mut client = Client::slow(served.address).await;
    let before = sent();
    client.ask(&format!("/part/0/{}/1000000", served.len)).await;
    let mut last = (before, Instant::now());
    until("it stops when there is no room", || {
        if sent() != last.0 {
            last = (sent(), Instant::now());
        }
        sent() > before && last.1.elapsed() > Duration::from_millis(200)
    })
    .await;
    assert!(sent() - before < served.len, "not all of it fits into the buffers of the connection");
    let mut left = client.head().await;
    let (mut read, mut at) = (vec![0; 50_021], 0);
    while left > 0 {
        let most = read.len().min(left);
        let now = client.0.read(&mut read[..most]).await.unwrap();
        assert!(now > 0, "the body ends {left} early");
        assert_eq!(read[..now], patterned(at..at + now as u64), "at {at}");
        (left, at) = (left - now, at + now as u64);
    }
    assert_eq!(sent() - before, served.len);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_in_the_middle_leaves_nothing_behind() {
    let served = serve(file(24 * MIB), 24 * MIB, false).await;
    assert_eq!(mapped(), 0);
    for _ in 0..10 {
        let mut client = Client::slow(served.address).await;
        client.ask(&format!("/part/0/{}/1000000", served.len)).await;
        let mut some = vec![0; 300_000];
        client.0.read_exact(&mut some).await.unwrap();
        assert_eq!(mapped(), 1, "it is mapped while it is sent");
        drop(client);
        until("it is mapped no more", || mapped() == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_cut_short_ends_the_connection_and_nothing_else() {
    let served = serve(file(8 * MIB), 8 * MIB, true).await;
    served.file.set_len(3 * MIB + 5).unwrap();
    let mut client = Client::new(served.address).await;
    client.ask(&format!("/part/0/{}/1000000", served.len)).await;
    assert_eq!(client.head().await as u64, served.len);
    let mut body = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), client.0.read_to_end(&mut body)).await;
    // By a reset or an end, as the kernel has it, but it does end.
    let _ = ended.expect("the connection is closed");
    assert_eq!(body, patterned(0..3 * MIB + 5));
    let mut client = Client::new(served.address).await;
    client.ask("/part/0/1000/1000").await;
    assert_eq!(client.answer().await, patterned(0..1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_four_gibibytes() {
    let len = 5 * 1024 * MIB;
    let mut sparse = tempfile::tempfile().unwrap();
    sparse.set_len(len).unwrap();
    let marks = [0, 4 * 1024 * MIB - 3, len - 6];
    for at in marks {
        sparse.seek(SeekFrom::Start(at)).unwrap();
        sparse.write_all(b"<mark>").unwrap();
    }
    let served = serve(sparse, len, true).await;
    let mut client = Client::new(served.address).await;
    for at in marks {
        client.ask(&format!("/part/{at}/{}/1000000", at + 6)).await;
        assert_eq!(client.answer().await, b"<mark>");
    }
    let (start, before) = (4 * 1024 * MIB - MIB, sent());
    client.ask(&format!("/part/{start}/{len}/1000000")).await;
    let mut left = client.head().await as u64;
    assert_eq!(left, len - start);
    let mut read = vec![0; MIB as usize];
    while left > 0 {
        let now = client.0.read(&mut read).await.unwrap();
        assert!(now > 0, "the body ends {left} early");
        left -= now as u64;
    }
    assert_eq!(sent() - before, len - start);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_never_sees_a_mapping() {
    let served = serve(file(MIB), MIB, true).await;
    let before = sent();
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .http2_only(true)
        .build_http::<Body>();
    let address = format!("http://{}/part/0/1000/1000", served.address);
    let answer = client.get(address.parse().unwrap()).await.unwrap();
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    assert_eq!(body, "in memory");
    assert_eq!(sent(), before);
    assert!(served.mapped.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_another_kind_never_sees_a_mapping() {
    let alone = ALONE.lock().await;
    let file = Arc::new(file(1000));
    let routes =
        Router::new().route("/part/{start}/{end}/{window}", get(part)).with_state((file, 1000, None));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    // Without the acceptor, as it is with TLS.
    tokio::spawn(axum_server::from_tcp(listener).unwrap().serve(routes.into_make_service()));
    let mut client = Client::new(address).await;
    client.ask("/part/0/1000/1000").await;
    assert_eq!(client.answer().await, b"in memory");
    drop(alone);
}
