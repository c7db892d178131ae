//! Connections that take files, and how a handler knows that its request came by one.

use std::future::{Ready, ready};
use std::io;

use axum::Extension;
use axum::http::{Extensions, Version};
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use tokio::net::TcpStream;
use tower::Layer;

use crate::Stream;

/// Says in a request's extensions that its connection is a [`Stream`], with nothing between it and the socket.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

/// Whether the body of an answer may be bytes of a [`Mapped`](crate::Mapped): to a request that came with `extensions`
/// by an [`Acceptor`], in a `version` that sends bodies as they are.
pub fn takes_files(extensions: &Extensions, version: Version) -> bool {
    extensions.get::<Plain>().is_some() && version < Version::HTTP_2
}

/// Makes a [`Stream`] of each connection, with `TCP_NODELAY`, and marks its requests as [`Plain`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Acceptor;

impl<S> Accept<TcpStream, S> for Acceptor {
    type Stream = Stream;
    type Service = AddExtension<S, Plain>;
    type Future = Ready<io::Result<(Stream, Self::Service)>>;

    fn accept(&self, tcp: TcpStream, service: S) -> Self::Future {
        // Somebody who has left already is no reason to fail here.
        let _ = tcp.set_nodelay(true);
        ready(Ok((Stream::new(tcp), Extension(Plain).layer(service))))
    }
}
