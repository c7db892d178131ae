//! Connections that are closed without cutting off their last answer. Whoever is refused in the middle of a long body is
//! still sending it; to close while something comes that nobody reads is a reset (RFC 1122, section 4.2.2.13), and a reset
//! takes with it what its receiver has not read yet, the answer. So the end is said first, and what still comes is thrown
//! away for a while (RFC 9112, section 9.6).

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
/// What is thrown away at a time, in bytes.
const SCRAP: usize = 16 * 1024;
/// How often in a row, before others get their turn.
const TURN: usize = 32;

/// Accepts as `A` does, and closes with care.
#[derive(Debug, Clone)]
pub struct Linger<A>(pub A);

impl<A, S> Accept<TcpStream, S> for Linger<A>
where
    A: Accept<TcpStream, S>,
{
    type Stream = Lingering<A::Stream>;
    type Service = A::Service;
    type Future = MapOk<A::Future, fn((A::Stream, A::Service)) -> (Self::Stream, A::Service)>;

    fn accept(&self, tcp: TcpStream, service: S) -> Self::Future {
        self.0.accept(tcp, service).map_ok(|(stream, service)| (Lingering::new(stream, LINGER), service))
    }
}

/// A connection that is closed with care.
#[derive(Debug)]
pub struct Lingering<S> {
    stream: S,
    /// For how long at most.
    linger: Duration,
    /// Runs once the other end was told.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Lingering<S> {
    fn new(stream: S, linger: Duration) -> Self {
        Self { stream, linger, until: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, linger, until } = &mut *self;
        let until = match until {
            Some(until) => until,
            None => {
                ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
                until.insert(Box::pin(tokio::time::sleep(*linger)))
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

    async fn pair(linger: Duration) -> (Lingering<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Lingering::new(listener.accept().await.unwrap().0, linger), client)
    }

    #[tokio::test]
    async fn the_last_answer_is_read_by_who_is_still_sending() {
        let (mut server, mut client) = pair(Duration::from_secs(60)).await;
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
        let (mut server, mut client) = pair(Duration::from_millis(50)).await;
        let sending = tokio::spawn(async move { while client.write_all(&[0; 1024]).await.is_ok() {} });
        server.shutdown().await.unwrap();
        drop(server);
        sending.await.unwrap();
    }
}
