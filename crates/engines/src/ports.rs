//! Free ports for servers that will want theirs again.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;

/// The first port that is tried: those below are for services that people know by number.
const FIRST: u64 = 15_000;

/// Something different each time.
pub(crate) fn chance() -> u64 {
    RandomState::new().hash_one(())
}

/// A port of 127.0.0.1 that nobody listens on now; whoever takes it must be ready to find it taken.
///
/// It lies below the range from which the system takes ports for outgoing connections, as far as that can be
/// known. From that range a client could get it while its server is killed; one that calls the dead server
/// again and again could even be connected to itself.
///
/// # Panics
/// If there is none.
pub(crate) fn free() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let end = range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(32_768_u64);
    if end > FIRST + 1000 {
        for _ in 0..100 {
            let port = u16::try_from(FIRST + chance() % (end - FIRST)).unwrap_or(u16::MAX);
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
