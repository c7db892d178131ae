//! As little of an HTTP/1.1 client as measuring needs, so that the client does not measure itself: requests
//! are bytes made beforehand, of an answer only the status and the length are read.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::Result;

/// Room for an answer; it grows for the few that are longer.
const ROOM: usize = 16 * 1024;
/// The server lets go of who says nothing for 15 seconds.
const IDLE: Duration = Duration::from_secs(10);

/// What of a file is sent at once.
const PIECE: usize = 1024 * 1024;

/// A keep-alive connection.
pub struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    /// When it was last answered.
    used: Instant,
    buffer: Vec<u8>,
}

/// Where the parts of the last answer are in the buffer.
struct Extent {
    status: u16,
    head: usize,
    whole: usize,
}

/// An answer, read in full; for what is not measured.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// What a browser would send back: `name=value` of `Set-Cookie`.
    pub cookie: Option<String>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON, if the status is the one that is wanted.
    pub fn json(&self, status: u16) -> Result<Value> {
        if self.status != status {
            return Err(format!("wanted a {status}, got a {}: {}", self.status, self.body).into());
        }
        Ok(serde_json::from_str(&self.body)?)
    }
}

/// A request's bytes. `body` is sent as JSON.
pub fn request(method: &str, path: &str, cookie: Option<&str>, body: Option<&str>) -> Vec<u8> {
    request_of("application/json", method, path, cookie, body)
}

/// The bytes of a request whose body is of that media type.
pub fn request_of(
    media: &str,
    method: &str,
    path: &str,
    cookie: Option<&str>,
    body: Option<&str>,
) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    if let Some(cookie) = cookie {
        text.push_str(&format!("Cookie: {cookie}\r\n"));
    }
    if let Some(body) = body {
        text.push_str(&format!("Content-Type: {media}\r\nContent-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    text.into_bytes()
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { address, stream, used: Instant::now(), buffer: vec![0; ROOM] })
    }

    /// Connects again after a pause in which the server may have let go of it.
    async fn awake(&mut self) -> Result<()> {
        if self.used.elapsed() > IDLE {
            self.stream = Self::open(self.address).await?.stream;
        }
        Ok(())
    }

    /// Sends a request and reads past its answer.
    pub async fn status(&mut self, request: &[u8]) -> Result<u16> {
        Ok(self.exchange(request).await?.status)
    }

    /// Sends a request; answers the status, and the body as it lies in the buffer.
    pub async fn answer(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        let Extent { status, head, whole } = self.exchange(request).await?;
        Ok((status, &self.buffer[head..whole]))
    }

    /// Sends a request and keeps its answer.
    pub async fn call(&mut self, request: &[u8]) -> Result<Answer> {
        let extent = self.exchange(request).await?;
        Ok(self.read(&extent))
    }

    /// The answer that lies in the buffer.
    fn read(&self, extent: &Extent) -> Answer {
        let Extent { status, head, whole } = *extent;
        let cookie = header(&self.buffer[..head], "set-cookie: ");
        let cookie = cookie.and_then(|c| c.split(';').next()).map(str::to_owned);
        let body = String::from_utf8_lossy(&self.buffer[head..whole]).into_owned();
        Answer { status, cookie, body }
    }

    /// Sends a request's head and a file as its body, and keeps the answer.
    pub async fn upload(&mut self, head: &[u8], file: std::fs::File) -> Result<Answer> {
        self.awake().await?;
        self.stream.write_all(head).await?;
        tokio::io::copy_buf(&mut BufReader::with_capacity(PIECE, File::from_std(file)), &mut self.stream)
            .await?;
        let extent = self.receive().await?;
        Ok(self.read(&extent))
    }

    /// Sends a request and reads its whole answer into the buffer.
    async fn exchange(&mut self, request: &[u8]) -> Result<Extent> {
        self.awake().await?;
        self.stream.write_all(request).await?;
        self.receive().await
    }

    /// Reads a whole answer into the buffer.
    async fn receive(&mut self) -> Result<Extent> {
        let mut filled = 0;
        let mut extent = None;
        loop {
            if filled == self.buffer.len() {
                self.buffer.resize(filled * 2, 0);
            }
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err("the server closed the connection".into());
            }
            filled += read;
            if extent.is_none() {
                extent = measure(&self.buffer[..filled])?;
            }
            match &extent {
                Some(known) if filled == known.whole => break,
                Some(known) if filled > known.whole => return Err("the server said more than asked".into()),
                _ => {}
            }
        }
        self.used = Instant::now();
        extent.ok_or_else(|| "no answer".into())
    }
}

/// Where an answer ends, once its head is there.
fn measure(bytes: &[u8]) -> Result<Option<Extent>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = end + 4;
    let status = bytes.get(9..12).and_then(|s| std::str::from_utf8(s).ok()?.parse().ok());
    let status = status.ok_or("this is no HTTP answer")?;
    let length = match header(&bytes[..head], "content-length: ") {
        Some(length) => length.parse()?,
        None if status == 204 => 0,
        None => return Err(format!("a {status} without a length").into()),
    };
    Ok(Some(Extent { status, head, whole: head + length }))
}

/// A header's value; `name` ends with a colon and a space, as all write it.
pub fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let named = |line: &&[u8]| {
        line.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name.as_bytes()))
    };
    let line = head.split(|byte| *byte == b'\n').find(named)?;
    std::str::from_utf8(&line[name.len()..]).ok().map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_it_says() {
        let text = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nset-cookie: session=a; Path=/\r\n\r\n{}";
        let extent = measure(text).unwrap().unwrap();
        assert_eq!((extent.status, extent.whole), (201, text.len()));
        assert_eq!(header(&text[..extent.head], "set-cookie: "), Some("session=a; Path=/"));
        assert!(measure(&text[..40]).unwrap().is_none());
        assert!(measure(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        // Not all write names alike.
        assert_eq!(measure(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap().unwrap().whole, 38);
    }
}
