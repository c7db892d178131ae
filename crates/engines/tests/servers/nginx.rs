//! An nginx that tests measure against.

use std::time::Instant;

use engines::{DEADLINE, Nginx, Serving};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Its answer to a GET: the head and the body, of bytes that are text.
async fn get(server: &Nginx, path: &str, headers: &str) -> (String, String) {
    let mut stream = TcpStream::connect(server.url().strip_prefix("http://").unwrap()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: films\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn it_serves_a_directory_by_ranges() {
    let files = tempfile::Builder::new().prefix("a \"film\" ").tempdir().unwrap();
    std::fs::create_dir(files.path().join("films")).unwrap();
    std::fs::write(files.path().join("films/short.mp4"), "0123456789").unwrap();
    let every = [(1, false, false), (2, true, true)];
    for (workers, tcp_nopush, open_files) in every {
        let serving = Serving { workers, tcp_nopush, open_files };
        let Some(server) = Nginx::start(files.path(), serving).await else { return };
        let (head, body) = get(&server, "/films/short.mp4", "").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("\r\nContent-Type: video/mp4\r\n") && head.contains("\r\nETag: \""), "{head}");
        assert_eq!(body, "0123456789");
        let (head, body) = get(&server, "/films/short.mp4", "Range: bytes=-3\r\n").await;
        assert!(head.starts_with("HTTP/1.1 206 ") && head.contains("Content-Range: bytes 7-9/10"), "{head}");
        assert_eq!(body, "789");
        assert!(get(&server, "/films/none.mp4", "").await.0.starts_with("HTTP/1.1 404 "));

        // Workers come when it is already answering.
        let begun = Instant::now();
        while server.pids().len() != usize::from(workers) + 1 {
            assert!(begun.elapsed() < DEADLINE, "{:?}: {}", server.pids(), server.log());
            tokio::task::yield_now().await;
        }
        let pids = server.pids();
        drop(server);
        for pid in pids {
            // An orphan that is dead may stay in the table until somebody takes note of it.
            while let Ok(arguments) = std::fs::read(format!("/proc/{pid}/cmdline")) {
                if arguments.is_empty() {
                    break;
                }
                assert!(begun.elapsed() < DEADLINE, "{pid} is left");
                tokio::task::yield_now().await;
            }
        }
    }
}
