//! A mail server.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::{DEADLINE, PERIOD, ports};

/// A mail server of a test's own on 127.0.0.1, which speaks as much SMTP (RFC 5321) as it takes to be handed mail, without
/// TLS. It keeps what it is given, and answers what a test wants it to. It ends when it is dropped.
pub struct Postbox {
    address: SocketAddr,
    kept: Arc<Kept>,
    server: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Kept {
    mails: Mutex<Vec<String>>,
    said: Mutex<Vec<String>>,
    refusals: Mutex<VecDeque<String>>,
}

impl Postbox {
    /// One that runs.
    pub async fn start() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free()));
        let mut postbox = Self { address, kept: Arc::default(), server: None };
        postbox.open().await;
        postbox
    }

    /// Where it is: `smtp://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Listens again, on the same port.
    ///
    /// # Panics
    /// If it cannot.
    pub async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("a free port");
        let kept = Arc::clone(&self.kept);
        self.server = Some(tokio::spawn(async move {
            let mut talks = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                talks.spawn(async move {
                    let _ = talk(stream, &kept).await;
                });
            }
        }));
    }

    /// Stops listening, and hangs up on everybody.
    pub async fn close(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
            let _ = server.await;
        }
    }

    /// The next recipient is answered this, `450 later`, instead of being taken.
    pub fn refuse(&self, answer: &str) {
        self.kept.refusals.lock().unwrap_or_else(PoisonError::into_inner).push_back(answer.to_owned());
    }

    /// The mails that it was given, as they were sent.
    pub fn mails(&self) -> Vec<String> {
        self.kept.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What clients said but for the mails themselves.
    pub fn said(&self) -> Vec<String> {
        self.kept.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The mails, once there are so many.
    ///
    /// # Panics
    /// If there are not in time.
    pub async fn wait_for(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + DEADLINE;
        while self.mails().len() < count {
            assert!(Instant::now() < deadline, "{} of {count} mails came", self.mails().len());
            tokio::time::sleep(PERIOD).await;
        }
        self.mails()
    }
}

impl Drop for Postbox {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

async fn talk(stream: TcpStream, kept: &Kept) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 postbox\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        kept.said.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let refusal = |verb: &str| {
            let mut refusals = kept.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            if verb == "RCPT" { refusals.pop_front() } else { None }
        };
        let answer = match (verb.as_str(), refusal(&verb)) {
            (_, Some(answer)) => answer,
            ("EHLO", _) => "250-postbox\r\n250-8BITMIME\r\n250 AUTH PLAIN".to_owned(),
            ("AUTH", _) => "235 welcome".to_owned(),
            ("DATA", _) => {
                write.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.push_str("\r\n");
                }
                kept.mails.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
                "250 kept".to_owned()
            }
            ("QUIT", _) => "221 bye".to_owned(),
            _ => "250 ok".to_owned(),
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
