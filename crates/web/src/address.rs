//! Where a request comes from, for the limits that count by address.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;

/// The client's address. An IPv4 address that came mapped into IPv6 is the IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddr(pub IpAddr);

impl ClientAddr {
    /// What to count by: the address, or for IPv6 the /64 it is in, since one client owns all of that.
    pub fn network(&self) -> IpAddr {
        match self.0 {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        }
    }
}

impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddr {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        // Only a Unix socket, or a test without a connection, has no address; they count as one client.
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(from.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(a)| a.ip().to_canonical())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    #[tokio::test]
    async fn one_client_counts_once() {
        for (socket, address, network) in [
            ("192.0.2.1:80", "192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1", "192.0.2.1"),
            ("[2001:db8:1:2:3:4:5:6]:80", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            let mut parts = Request::new(()).into_parts().0;
            parts.extensions.insert(ConnectInfo(socket.parse::<SocketAddr>().unwrap()));
            let client = ClientAddr::from_request_parts(&mut parts, &()).await.unwrap();
            assert_eq!(
                (client.to_string(), client.network().to_string()),
                (address.to_owned(), network.to_owned())
            );
        }
    }
}
