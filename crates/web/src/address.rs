//! Where a request comes from, for the limits that count by address.
//!
//! Behind a proxy the connection is the proxy's, and the client is whom `X-Forwarded-For` names. Anybody
//! can send that header, so it counts only as far as trusted proxies wrote it: each appends whom it was
//! asked by, and the list is read from its end.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use crate::context::Context;
use crate::network::Network;

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

/// Asks the connection, and past the proxies of `Config::trusted_proxies` the header. It is looked up when
/// a handler asks, which few do, and is the same however often.
impl<S: Send + Sync> FromRequestParts<S> for ClientAddr {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        // Only a Unix socket, or a test without a connection, has no address; they count as one client.
        let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() else {
            return Ok(Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        };
        // A route outside the stack knows no proxy that it could trust.
        let context = Context::of(&parts.extensions).ok();
        let trusted = context.map_or(&[][..], |context| context.web().trusted_proxies());
        Ok(Self(behind(peer.ip().to_canonical(), &parts.headers, trusted)))
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whom `peer` asks for: itself, or, as long as that is a trusted proxy, whom it names. What cannot be
/// read as an address was not written by such a proxy, nor was anything before it.
fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let mut named = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(address_of);
    let mut client = peer;
    while trusted.iter().any(|network| network.contains(client)) {
        let Some(Some(next)) = named.next() else { break };
        client = next;
    }
    client
}

/// An entry's address; some proxies add the port, and IPv6 then stands in brackets.
fn address_of(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let address = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{config, get, status_and_body};
    use crate::{Web, stack};
    use axum::Router;
    use axum::http::{HeaderValue, Request};
    use axum::routing::get as on_get;

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

    #[test]
    fn the_header_counts_as_far_as_trusted_proxies_wrote_it() {
        let trusted: [Network; 2] = ["10.0.0.0/8".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        type Case = (&'static str, &'static [&'static str], &'static str);
        let cases: &[Case] = &[
            // nobody's word but the proxy's
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("203.0.113.9", &["10.0.0.2"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("2001:db8::1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            // the last that is no proxy, whatever a client wrote before it
            ("10.0.0.1", &["192.0.2.66, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.9, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, 10.0.0.2, 10.0.0.3"], "198.51.100.1"),
            ("10.0.0.1", &["192.0.2.66,198.51.100.1 ,2001:db8::1,\t10.0.0.3"], "198.51.100.1"),
            // all lines are one list
            ("10.0.0.1", &["192.0.2.66", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["192.0.2.66, 198.51.100.1", "10.0.0.3, 10.0.0.2"], "198.51.100.1"),
            // only proxies: the first of them
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // what cannot be read ends the walk
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.1, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.1,"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1", ""], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, 10.0.0.2:x"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, \u{e9}"], "10.0.0.1"),
            // other ways to write an address
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8:7::1]:4711"], "2001:db8:7::1"),
            ("10.0.0.1", &["2001:db8:7::1"], "2001:db8:7::1"),
            ("10.0.0.1", &["198.51.100.1, ::ffff:10.0.0.2"], "198.51.100.1"),
        ];
        for (peer, lines, client) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            let found = behind(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found.to_string(), *client, "{peer} {lines:?}");
        }
    }

    #[tokio::test]
    async fn by_default_no_proxy_is_trusted() {
        let client = async |trusted: &[&str], peer: Option<&str>| {
            let trusted_proxies = trusted.iter().map(|network| network.parse().unwrap()).collect();
            let web = Web::new(crate::Config { trusted_proxies, ..config() });
            let router = Router::new().route("/", on_get(|a: ClientAddr| async move { a.to_string() }));
            let mut request = get("/", &[("x-forwarded-for", "198.51.100.1")]);
            if let Some(peer) = peer {
                request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
            }
            status_and_body(stack(router, &web), request).await.1
        };
        assert_eq!(client(&[], Some("10.0.0.1:80")).await, "10.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], Some("10.0.0.1:80")).await, "198.51.100.1");
        assert_eq!(client(&["10.0.0.0/8"], Some("[::ffff:10.0.0.1]:80")).await, "198.51.100.1");
        assert_eq!(client(&["10.0.0.0/8"], Some("192.0.2.1:80")).await, "192.0.2.1");
        assert_eq!(client(&["0.0.0.0/0"], None).await, "0.0.0.0", "without a connection there is no proxy");
    }
}
