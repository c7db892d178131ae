//! A Redis server that tests stand on, spoken to in its own protocol.

use engines::{DEADLINE, Redis};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::MOMENT;

/// A connection: lines to and fro.
struct Wire(BufReader<TcpStream>);

impl Wire {
    /// Connects, without saying the password.
    async fn connect(server: &Redis) -> Self {
        let (_, address) = server.url().rsplit_once('@').unwrap();
        Self(BufReader::new(TcpStream::connect(address).await.unwrap()))
    }

    async fn open(server: &Redis) -> Self {
        let mut wire = Self::connect(server).await;
        let (password, _) = server.url().strip_prefix("redis://:").unwrap().split_once('@').unwrap();
        assert_eq!(wire.ask(&format!("AUTH {password}")).await, "+OK");
        wire
    }

    async fn say(&mut self, command: &str) {
        self.0.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(DEADLINE, self.0.read_line(&mut line)).await.expect("it answers in time").unwrap();
        line.trim_end().to_owned()
    }

    async fn ask(&mut self, command: &str) -> String {
        self.say(command).await;
        self.line().await
    }
}

#[tokio::test]
async fn it_wants_its_password() {
    let Some(server) = Redis::start().await else { return };
    let answer = Wire::connect(&server).await.ask("PING").await;
    assert!(answer.starts_with("-NOAUTH"), "{answer}");
}

#[tokio::test]
async fn it_pauses_and_goes_on() {
    let Some(server) = Redis::start().await else { return };
    let mut wire = Wire::open(&server).await;
    assert_eq!(wire.ask("PING").await, "+PONG");
    server.pause();
    wire.say("PING").await;
    let mut line = String::new();
    assert!(timeout(MOMENT, wire.0.read_line(&mut line)).await.is_err(), "{line}");
    server.resume();
    assert_eq!(wire.line().await, "+PONG");
}

#[tokio::test]
async fn it_forgets_when_flushed_and_when_killed() {
    let Some(mut server) = Redis::start().await else { return };
    let url = server.url().to_owned();
    let mut wire = Wire::open(&server).await;
    assert_eq!(wire.ask("SET kept 1").await, "+OK");
    assert_eq!(wire.ask("EXISTS kept").await, ":1");
    server.flush().await;
    assert_eq!(wire.ask("EXISTS kept").await, ":0");

    assert_eq!(wire.ask("SET kept 1").await, "+OK");
    server.kill().await;
    assert_eq!(wire.line().await, "", "its connections ended");
    server.restart().await;
    assert_eq!(server.url(), url);
    assert_eq!(Wire::open(&server).await.ask("EXISTS kept").await, ":0");
    server.pause();
    server.restart().await;
    assert_eq!(Wire::open(&server).await.ask("PING").await, "+PONG");
}
