//! A connection that sends what stands for a file as that file.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::{registry, send};

/// A TCP connection to which bytes of a [`Mapped`](crate::Mapped) may be written.
#[derive(Debug)]
pub struct Stream(TcpStream);

impl Stream {
    /// Over `tcp`.
    pub fn new(tcp: TcpStream) -> Self {
        Self(tcp)
    }

    /// Sends as much of `slices`, in which there is a part of a file, as fits; a bounded amount, so that others get
    /// their turn.
    fn poll_send(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            let mut sent = 0;
            // Where that says `WouldBlock`, the readiness from before the call is taken back, and not a later one.
            let outcome = self.0.try_io(Interest::WRITABLE, || send::all(&self.0, slices, &mut sent));
            match outcome {
                // An error comes again when the rest is sent.
                _ if sent > 0 => return Poll::Ready(Ok(sent)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => {
                    if send::is_of_file(&e) {
                        tracing::error!(error = &e as &dyn std::error::Error, "cannot send a file");
                    }
                    return Poll::Ready(Err(e));
                }
                Ok(()) => return Poll::Ready(Ok(0)),
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match registry::find(bytes) {
            Some(_) => self.poll_send(cx, &[IoSlice::new(bytes)]),
            None => Pin::new(&mut self.0).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if slices.iter().any(|slice| registry::find(slice).is_some()) {
            self.poll_send(cx, slices)
        } else {
            Pin::new(&mut self.0).poll_write_vectored(cx, slices)
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;

    use bytes::Bytes;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::Mapped;

    #[tokio::test]
    async fn memory_and_files_arrive_in_their_order_by_either_way_of_writing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let content: Vec<u8> = (0..300_000_u32).map(|i| (i / 7) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let mapped = Mapped::new(Arc::new(file), content.len() as u64).unwrap();
        let text = Bytes::from_static(b"text");
        let (first, last) = (mapped.slice(10..250_000), mapped.slice(299_999..300_000));
        let mut written = vec![text.clone(), first, text.clone(), text, last];
        let expected =
            [b"text", &content[10..250_000], b"texttext", &content[299_999..], &content[..200_000]].concat();
        let writing = tokio::spawn(async move {
            let mut stream = Stream::new(tcp);
            while !written.is_empty() {
                let slices: Vec<_> = written.iter().map(|bytes| IoSlice::new(bytes)).collect();
                let mut gone = stream.write_vectored(&slices).await.unwrap();
                assert!(gone > 0);
                while gone > 0 {
                    let now = gone.min(written[0].len());
                    let _ = written[0].split_to(now);
                    gone -= now;
                    if written[0].is_empty() {
                        written.remove(0);
                    }
                }
            }
            stream.write_all(&mapped.slice(0..200_000)).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let mut read = Vec::new();
        let mut reader = reader;
        reader.read_to_end(&mut read).await.unwrap();
        writing.await.unwrap();
        assert!(read == expected, "{} of {} bytes", read.len(), expected.len());
    }
}
