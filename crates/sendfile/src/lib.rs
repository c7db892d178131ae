//! Files to plain HTTP/1 connections without copying through user space, and without a fork of hyper.
//!
//! A body yields parts of a file as [`Bytes`](bytes::Bytes) over a mapping of it ([`Mapped::slice`]). The mapping is
//! only a tag: [`Stream`], which is between hyper and the socket, knows the addresses of all mappings, and where it
//! is handed bytes of one, it has the kernel send that part of the file. Nobody reads through the mapping, so a broken
//! disk is an error and not a signal that ends the process. Whoever would read it must not be given it: TLS encrypts,
//! HTTP/2 frames, gzip compresses. [`takes_files`] says for which requests it is right.
//!
//! What is relied on, of hyper 1 and hyper-util 0.1, and is tried by `tests/hyper.rs`:
//! - An HTTP/1 connection whose stream says `is_write_vectored` queues the buffers of a body as they are, behind the
//!   head, and hands them to `poll_write_vectored`; it does not flatten them into one buffer. (It does with
//!   `pipeline_flush` and with `writev(false)`, which are not to be set.)
//! - A body with a Content-Length is not cut or framed, and what is written in part is handed over again from there.
//! - `TokioIo` and what the builder that tells the versions apart puts around a stream hand slices on untouched.

mod accept;
mod map;
mod registry;
mod send;
mod stream;

pub use accept::{Acceptor, Plain, takes_files};
pub use map::Mapped;
pub use registry::mapped;
pub use send::sent;
pub use stream::Stream;
