//! Bodies by themselves, and over real connections.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::get;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use rustix::fs::{Advice, fadvise};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

const WAYS: [Way; 3] = [Way::Memory, Way::SENDFILE, Way::Sendfile { over: 0, window: 70_001 }];

/// Bytes of which no two windows are alike.
fn content(len: u64) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8).collect()
}

fn stored(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(content).unwrap();
    file.sync_all().unwrap();
    (directory, path)
}

fn chances(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    }
}

/// Frames, and what the body said of its length before each.
async fn read(mut body: Body) -> (Vec<Bytes>, Vec<u64>) {
    let (mut frames, mut left) = (Vec::new(), Vec::new());
    while !body.is_end_stream() {
        left.push(body.size_hint().exact().expect("it is known"));
        frames.push(body.frame().await.unwrap().unwrap().into_data().unwrap());
    }
    (frames, left)
}

#[tokio::test]
async fn a_body_is_its_slices_and_says_how_much_is_to_come() {
    let content = content(900_000);
    let (_directory, path) = stored(&content);
    let file = Arc::new(File::open(path).unwrap());
    let mut chance = chances(1);
    for way in WAYS {
        for _ in 0..40 {
            let (mut slices, mut expected) = (Vec::new(), Vec::new());
            for _ in 0..1 + chance(4) {
                let start = chance(900_000);
                let end = start + chance(900_001 - start);
                slices.push(Slice::Bytes(Bytes::from_static(b"between")));
                slices.push(Slice::Object(start..end));
                expected.extend_from_slice(b"between");
                expected.extend_from_slice(&content[start as usize..end as usize]);
            }
            let (frames, left) = read(body(Arc::clone(&file), slices, way)).await;
            assert!(frames.concat() == expected, "{way:?}");
            let mut to_come = expected.len() as u64;
            for (frame, left) in frames.iter().zip(left) {
                assert_eq!(left, to_come);
                to_come -= frame.len() as u64;
            }
        }
    }
}

#[tokio::test]
async fn what_is_in_memory_at_a_time_is_bounded() {
    let (_directory, path) = stored(&content(700_000));
    let file = Arc::new(File::open(path).unwrap());
    for (way, most) in [(Way::Memory, BUFFER), (Way::Sendfile { over: 0, window: 200_000 }, 200_000)] {
        let (frames, _) = read(body(Arc::clone(&file), vec![Slice::Object(0..700_000)], way)).await;
        assert!(frames.iter().all(|frame| frame.len() <= most), "{way:?}");
        assert_eq!(frames.len(), 700_000_usize.div_ceil(most), "and no shorter than it has to be");
    }
}

#[tokio::test]
async fn an_empty_object_is_an_empty_body() {
    let (_directory, path) = stored(b"");
    let file = Arc::new(File::open(path).unwrap());
    assert!(file.mapped.is_none());
    for slices in [vec![], vec![Slice::Object(0..0)]] {
        let body = body(Arc::clone(&file), slices, Way::SENDFILE);
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
    }
}

#[tokio::test]
async fn what_is_not_in_memory_is_fetched_first() {
    let content = content(3_000_000);
    let (_directory, path) = stored(&content);
    for way in WAYS {
        let file = Arc::new(File::open(path.clone()).unwrap());
        fadvise(&*file.file, 0, None, Advice::DontNeed).unwrap();
        // Where the file is in memory anyway, as on a tmpfs, there is nothing to wait for.
        let cold = !is_warm(&file.file, &(0..3_000_000)).unwrap();
        let mut body = body(Arc::clone(&file), vec![Slice::Object(0..3_000_000)], way);
        let waited = futures_util::poll!(body.frame()).is_pending();
        assert_eq!(waited, cold, "{way:?}");
        let read = body.collect().await.unwrap().to_bytes();
        assert!(read == content, "{way:?}");
        assert!(is_warm(&file.file, &(0..3_000_000)).unwrap(), "{way:?}");
    }
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_an_error_and_not_a_signal() {
    let (_directory, path) = stored(&content(3_000_000));
    let file = Arc::new(File::open(path.clone()).unwrap());
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1_000_000).unwrap();
    for way in WAYS {
        let mut body = body(Arc::clone(&file), vec![Slice::Object(0..3_000_000)], way);
        let mut sent = 0;
        let error = loop {
            match body.frame().await.expect("it does not end well") {
                // They are not looked at: those by sendfile may not be.
                Ok(frame) => sent += frame.into_data().unwrap().len(),
                Err(e) => break e,
            }
        };
        assert!(sent <= 1_000_000, "{way:?}");
        let error = std::error::Error::source(&error).and_then(|e| e.downcast_ref::<io::Error>()).unwrap();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{way:?}");
        assert!(body.frame().await.is_none(), "nothing after it");
    }
}

#[tokio::test]
async fn a_range_beyond_the_object_is_an_error() {
    let (_directory, path) = stored(&content(1000));
    let file = Arc::new(File::open(path).unwrap());
    for way in WAYS {
        let outside = body(Arc::clone(&file), vec![Slice::Object(500..1001)], way);
        assert!(outside.collect().await.is_err(), "{way:?}");
    }
}

struct Served {
    file: Arc<File>,
    content: Vec<u8>,
}

/// `/{start}/{end}`, as the connection has it best.
async fn serve_range(State(served): State<Arc<Served>>, request: Request) -> Body {
    let numbers: Vec<u64> = request.uri().path().split('/').filter_map(|part| part.parse().ok()).collect();
    let by_sendfile = sendfile::takes_files(request.extensions(), request.version());
    let way = if by_sendfile { Way::SENDFILE } else { Way::Memory };
    body(Arc::clone(&served.file), vec![Slice::Object(numbers[0]..numbers[1])], way)
}

fn listen() -> (axum_server::Server<SocketAddr>, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (axum_server::from_tcp(listener).unwrap(), address)
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_arrive_over_connections_that_take_files_and_others() {
    let content = content(5_000_000);
    let (_directory, path) = stored(&content);
    let served = Arc::new(Served { file: Arc::new(File::open(path).unwrap()), content });
    let routes = Router::new().route("/{start}/{end}", get(serve_range)).with_state(Arc::clone(&served));
    let ((plain, by_file), (other, by_memory)) = (listen(), listen());
    tokio::spawn(plain.acceptor(sendfile::Acceptor).serve(routes.clone().into_make_service()));
    tokio::spawn(other.serve(routes.into_make_service()));
    for (address, uses_files) in [(by_memory, false), (by_file, true)] {
        let before = sendfile::sent();
        let (mut client, mut chance) = (TcpStream::connect(address).await.unwrap(), chances(7));
        for i in 0..60 {
            // Long and short by turns.
            let start = chance(5_000_000);
            let end = start + 1 + chance(if i % 2 == 0 { 20_000 } else { 5_000_000 }).min(4_999_999 - start);
            let request = format!("GET /{start}/{end} HTTP/1.1\r\nHost: here\r\n\r\n");
            client.write_all(request.as_bytes()).await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            assert!(head.contains(&format!("content-length: {}\r\n", end - start)), "{head}");
            let mut body = vec![0; (end - start) as usize];
            client.read_exact(&mut body).await.unwrap();
            assert!(body == served.content[start as usize..end as usize], "{start}..{end}");
        }
        assert_eq!(sendfile::sent() > before, uses_files);
    }
}
