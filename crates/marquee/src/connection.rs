//! Connections that end as they should.
//!
//! Not too early: whoever is refused in the middle of a long body is still sending it. To close while something comes that
//! nobody reads is a reset (RFC 1122, section 4.2.2.13), and a reset takes with it what its receiver has not read yet, the
//! answer. So the end is said first, and what still comes is thrown away for a while (RFC 9112, section 9.6).
//!
//! And not too late: who takes nothing of their answer does not keep a connection for ever, of which there are only so
//! many.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum_server::accept::Accept;
use futures_util::TryFutureExt as _;
use futures_util::future::MapOk;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How long somebody may go on sending who was told that it is of no use.
const LINGER: Duration = Duration::from_secs(5);
/// Who takes nothing for so long, or at most twice as long, is gone.
const STALL: Duration = Duration::from_secs(60);
/// What is thrown away at a time, in bytes.
const SCRAP: usize = 16 * 1024;
/// How often in a row, before others get their turn.
const TURN: usize = 32;

/// Accepts as `A` does.
#[derive(Debug, Clone)]
pub struct Connections<A>(pub A);

impl<A, S> Accept<TcpStream, S> for Connections<A>
where
    A: Accept<TcpStream, S>,
{
    type Stream = Connection<A::Stream>;
    type Service = A::Service;
    type Future = MapOk<A::Future, fn((A::Stream, A::Service)) -> (Self::Stream, A::Service)>;

    fn accept(&self, tcp: TcpStream, service: S) -> Self::Future {
        self.0.accept(tcp, service).map_ok(|(stream, service)| (Connection::new(stream), service))
    }
}

/// A connection that ends as it should.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    linger: Duration,
    stall: Duration,
    /// Runs since something could not be written, and on.
    stalling: Option<Pin<Box<Sleep>>>,
    /// Whether something was written since it began to run.
    has_moved: bool,
    /// Runs once the other end was told that this one has ended.
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<S> Connection<S> {
    fn new(stream: S) -> Self {
        let (stalling, lingering) = (None, None);
        Self { stream, linger: LINGER, stall: STALL, stalling, has_moved: false, lingering }
    }

    /// What writing came to, unless nothing could be written for too long. The clock is set anew when it has run down,
    /// and not with every write.
    fn moved(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.has_moved = true;
            return written;
        }
        let stall = self.stall;
        let stalling = self.stalling.get_or_insert_with(|| {
            self.has_moved = false;
            Box::pin(tokio::time::sleep(stall))
        });
        while stalling.as_mut().poll(cx).is_ready() {
            if !std::mem::take(&mut self.has_moved) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            stalling.as_mut().reset(tokio::time::Instant::now() + stall);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.moved(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.moved(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, linger, lingering, .. } = &mut *self;
        let until = match lingering {
            Some(until) => until,
            None => {
                ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
                lingering.insert(Box::pin(tokio::time::sleep(*linger)))
            }
        };
        let mut scrap = [0; SCRAP];
        for _ in 0..TURN {
            let mut came = ReadBuf::new(&mut scrap);
            match Pin::new(&mut *stream).poll_read(cx, &mut came) {
                Poll::Ready(Ok(())) if !came.filled().is_empty() => {}
                // The other end has closed as well, or is gone.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return until.as_mut().poll(cx).map(Ok),
            }
        }
        cx.waker().wake_by_ref();
        until.as_mut().poll(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    async fn pair() -> (Connection<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Connection::new(listener.accept().await.unwrap().0), client)
    }

    #[tokio::test]
    async fn the_last_answer_is_read_by_who_is_still_sending() {
        let (mut server, mut client) = pair().await;
        let serving = tokio::spawn(async move {
            server.write_all(b"no").await.unwrap();
            server.shutdown().await.unwrap();
        });
        client.write_all(&vec![0; 1024 * 1024]).await.expect("nobody cuts it off");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("an end, and no reset");
        assert_eq!(answer, b"no");
        drop(client);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn nobody_sends_for_ever() {
        let (server, mut client) = pair().await;
        let mut server = Connection { linger: SOON, ..server };
        let sending = tokio::spawn(async move { while client.write_all(&[0; 1024]).await.is_ok() {} });
        server.shutdown().await.unwrap();
        drop(server);
        sending.await.unwrap();
    }

    #[tokio::test]
    async fn who_takes_nothing_is_gone() {
        let (server, client) = pair().await;
        let mut server = Connection { stall: SOON, ..server };
        let error = loop {
            if let Err(error) = server.write_all(&[0; 64 * 1024]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(client);
    }

    #[tokio::test]
    async fn who_takes_little_stays() {
        let (server, mut client) = pair().await;
        let mut server = Connection { stall: SOON, ..server };
        let film = vec![7; 32 * 1024 * 1024];
        let expected = film.len();
        let taking = tokio::spawn(async move {
            let (mut taken, mut some, begun) = (0, vec![0; 1024 * 1024], tokio::time::Instant::now());
            while taken < expected {
                taken += client.read(&mut some).await.unwrap();
                // Now and then, for longer in all than nothing may be taken.
                tokio::time::sleep(SOON / 5).await;
            }
            begun.elapsed()
        });
        server.write_all(&film).await.expect("it moves");
        assert!(taking.await.unwrap() > SOON * 2, "that was not slow");
    }
}
