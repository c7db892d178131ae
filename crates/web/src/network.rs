//! A network of addresses, as an operator writes it down.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use kernel::Error;

/// A network: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Whether `address` is in it. An IPv4 address that came mapped into IPv6 is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = Error;

    /// # Errors
    /// `Invalid`, with a sentence that says what to write.
    fn from_str(text: &str) -> Result<Self, Error> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse::<IpNet>().map_err(|e| {
                let told = format!("{text:?} is no network: write 10.0.0.0/8, 2001:db8::/32 or one address");
                Error::invalid(told).because(e)
            })?,
        };
        Ok(Self(canonical(network).trunc()))
    }
}

/// IPv4 that was written as mapped into IPv6, as IPv4: what it is compared with is canonical as well.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let prefix = v6.prefix_len().checked_sub(96);
    let mapped =
        v6.addr().to_ipv4_mapped().zip(prefix).and_then(|(v4, prefix)| Ipv4Net::new(v4, prefix).ok());
    mapped.map_or(network, IpNet::V4)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_what_it_says() {
        for (text, shown, inside, outside) in [
            ("10.0.0.0/8", "10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3/8", "10.0.0.0/8", "10.0.0.0", "::a00:1"),
            ("192.0.2.7", "192.0.2.7/32", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.7", "192.0.2.7/32", "::ffff:192.0.2.7", "::ffff:192.0.2.8"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8", "10.9.9.9", "11.0.0.0"),
            ("::ffff:192.0.2.7", "192.0.2.7/32", "192.0.2.7", "192.0.2.6"),
            ("2001:db8::/32", "2001:db8::/32", "2001:db8:7::1", "2001:db9::1"),
            ("::1", "::1/128", "::1", "127.0.0.1"),
            ("0.0.0.0/0", "0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), shown);
            assert!(network.contains(inside.parse().unwrap()), "{inside} in {text}");
            assert!(!network.contains(outside.parse().unwrap()), "{outside} in {text}");
        }
    }

    #[test]
    fn what_is_none_is_refused_with_a_sentence() {
        for text in ["", "10", "10.0.0.0/33", "10.0.0.0/", "proxy.example", "10.0.0.0/8,::1", "::/129"] {
            let refused = text.parse::<Network>().unwrap_err();
            assert!(refused.to_string().contains("is no network: write"), "{text}: {refused}");
        }
    }
}
