//! A connection that reads the head of an answer and has the kernel throw the body away: what a client does with the bytes is
//! not the server's, and on two cores it would be most of what is measured.

use std::io;
use std::net::SocketAddr;

use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{TcpSocket, TcpStream};

use crate::Result;
use crate::stream::ask::Ask;
use crate::stream::film::Film;

/// Room for a head: more than any has, and little, for what comes with it of the body is copied.
const HEAD: usize = 2 * 1024;
/// What is thrown away at once, at most.
const ROOM: usize = 1024 * 1024;

/// A keep-alive connection.
pub struct Viewer {
    stream: TcpStream,
    head: Box<[u8]>,
    /// Never written to where the kernel throws away.
    room: Box<[u8]>,
}

impl Viewer {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        Self::over(TcpStream::connect(address).await?, ROOM)
    }

    /// Connects with little room on this side, as if far away: the kernel takes up to some MiB ahead otherwise, and nobody
    /// would be slow.
    pub async fn open_narrow(address: SocketAddr, room: u32) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(room)?;
        Self::over(socket.connect(address).await?, room as usize)
    }

    fn over(stream: TcpStream, room: usize) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, head: vec![0; HEAD].into(), room: vec![0; room].into() })
    }

    /// Asks, and checks what the head of the answer says. Answers how much of the body came with it.
    pub async fn ask(&mut self, ask: &Ask) -> Result<u64> {
        let (end, filled) = self.begin(ask).await?;
        Ok((filled - end) as u64)
    }

    /// Throws away so many bytes of the body at most; answers how many.
    pub async fn discard(&mut self, most: u64) -> Result<u64> {
        let Self { stream, room, .. } = self;
        let most = room.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let room = &mut room[..most];
        // On TCP the kernel copies nothing then (tcp(7)); one that does not know the flag would copy, and be right.
        let throw =
            || retry_on_intr(|| recv(&*stream, &mut *room, RecvFlags::TRUNC)).map_err(io::Error::from);
        match stream.async_io(Interest::READABLE, throw).await? {
            (_, 0) => Err("the server closed the connection in the midst of a body".into()),
            (_, gone) => Ok(gone as u64),
        }
    }

    /// Asks, reads the answer in full, and compares it with the film.
    pub async fn compare(&mut self, ask: &Ask, film: &Film) -> Result<()> {
        let (end, filled) = self.begin(ask).await?;
        let mut at = ask.first;
        let mut piece = self.head[end..filled].to_vec();
        loop {
            if !film.has(at, &piece)? {
                return Err(format!("these are not the film's bytes from {at} on").into());
            }
            at += piece.len() as u64;
            let left = ask.first + ask.length - at;
            if left == 0 {
                return Ok(());
            }
            piece.resize(ROOM.min(usize::try_from(left)?), 0);
            self.stream.read_exact(&mut piece).await?;
        }
    }

    /// Sends a request and reads the head of its answer; answers where that ends, and what is filled.
    async fn begin(&mut self, ask: &Ask) -> Result<(usize, usize)> {
        self.stream.write_all(&ask.bytes).await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.head[filled..]).await?;
            if read == 0 {
                return Err("there is no end of the head, or the server closed the connection".into());
            }
            filled += read;
            let end = self.head[..filled].windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = end.map(|end| end + 4) else { continue };
            let head = &self.head[..end];
            if !ask.is_answered_by(head) || (filled - end) as u64 > ask.length {
                return Err(format!("answered otherwise: {}", String::from_utf8_lossy(head)).into());
            }
            return Ok((end, filled));
        }
    }
}
