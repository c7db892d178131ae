//! A NATS server that tests stand on, spoken to in its own protocol.

use engines::{DEADLINE, Nats};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::MOMENT;

/// A connection: lines to and fro.
struct Wire(BufReader<TcpStream>);

impl Wire {
    async fn connect(server: &Nats) -> Self {
        let address = server.url().strip_prefix("nats://").unwrap();
        let mut wire = Self(BufReader::new(TcpStream::connect(address).await.unwrap()));
        assert!(wire.line().await.starts_with("INFO "));
        wire.say("CONNECT {\"verbose\":false}\r\nSUB answers 1\r\n").await;
        wire
    }

    async fn say(&mut self, lines: &str) {
        self.0.write_all(lines.as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(DEADLINE, self.0.read_line(&mut line)).await.expect("it answers in time").unwrap();
        line.trim_end().to_owned()
    }

    /// JetStream's answer to a request.
    async fn ask(&mut self, subject: &str, body: &str) -> String {
        self.say(&format!("PUB {subject} answers {}\r\n{body}\r\n", body.len())).await;
        assert!(self.line().await.starts_with("MSG answers 1 "));
        self.line().await
    }
}

#[tokio::test]
async fn it_pauses_and_goes_on() {
    let Some(server) = Nats::start().await else { return };
    let mut wire = Wire::connect(&server).await;
    wire.say("PING\r\n").await;
    assert_eq!(wire.line().await, "PONG");

    server.pause();
    wire.say("PING\r\n").await;
    let mut line = String::new();
    assert!(timeout(MOMENT, wire.0.read_line(&mut line)).await.is_err(), "{line}");
    server.resume();
    assert_eq!(wire.line().await, "PONG");
}

#[tokio::test]
async fn a_stream_survives_kill_and_is_gone_when_lost() {
    let Some(mut server) = Nats::start().await else { return };
    let url = server.url().to_owned();
    let mut wire = Wire::connect(&server).await;
    let made = wire.ask("$JS.API.STREAM.CREATE.kept", r#"{"name":"kept","subjects":["kept.>"]}"#).await;
    assert!(made.contains(r#""name":"kept""#), "{made}");
    let stored = wire.ask("kept.one", "hello").await;
    assert!(stored.contains(r#""seq":1"#), "{stored}");

    server.kill().await;
    assert!(TcpStream::connect(url.strip_prefix("nats://").unwrap()).await.is_err(), "it is dead");
    assert_eq!(wire.line().await, "", "its connections ended");
    server.restart().await;
    assert_eq!(server.url(), url);
    let kept = Wire::connect(&server).await.ask("$JS.API.STREAM.INFO.kept", "").await;
    assert!(kept.contains(r#""messages":1"#), "{kept}");
    server.pause();
    server.restart().await;

    server.lose().await;
    assert_eq!(server.url(), url);
    let lost = Wire::connect(&server).await.ask("$JS.API.STREAM.INFO.kept", "").await;
    assert!(lost.contains("stream not found"), "{lost}");
}
