//! The connection to NATS: one per process, shared by everything that speaks through it.

mod address;
mod publisher;
mod reader;
mod stream;
mod talk;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, ConnectOptions, Event};
use kernel::{Error, Result};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::address::Address;
pub(crate) use self::publisher::Publisher;
pub(crate) use self::reader::Reader;
pub use self::stream::PARTITIONS;
pub(crate) use self::stream::{Partition, hash, partitions_of};

/// A server that does not answer two of these in a row is left: it hangs.
const PING: Duration = Duration::from_secs(1);
/// For a connection to stand, from the first packet to the server's greeting.
const CONNECT: Duration = Duration::from_secs(2);
/// The longest wait between two tries to connect.
const RETRY: Duration = Duration::from_millis(500);
/// For any answer of the server.
const ANSWER: Duration = Duration::from_secs(5);
/// Broadcasts that wait to be sent; more are dropped.
const OUTGOING: usize = 1024;

/// How to reach NATS, and how events are kept there.
#[derive(Clone)]
pub struct NatsSettings {
    /// `nats://` or `tls://`, with `user:password@` or `token@` if need be (escaped by `%` as in any address);
    /// several servers of one cluster are separated by commas.
    pub url: String,
    /// Begins the names of streams and subjects, so that installations can share a server: lower-case letters,
    /// digits, `-` and `_`.
    pub prefix: String,
    /// On how many servers of a cluster each event is stored.
    pub replicas: usize,
    /// How long events are kept in the streams. It is also how long a consumer may be away.
    pub keep: Duration,
    /// For how long the server knows an event that it was sent twice.
    pub duplicate_window: Duration,
}

impl NatsSettings {
    /// The defaults: prefix `marquee`, one replica, kept for seven days.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "marquee".into(),
            replicas: 1,
            keep: Duration::from_secs(7 * 86_400),
            duplicate_window: Duration::from_secs(120),
        }
    }
}

impl fmt::Debug for NatsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        let Self { url: _, prefix, replicas, keep, duplicate_window } = self;
        f.debug_struct("NatsSettings")
            .field("prefix", prefix)
            .field("replicas", replicas)
            .field("keep", keep)
            .field("duplicate_window", duplicate_window)
            .finish_non_exhaustive()
    }
}

/// Whether the connection stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Link {
    /// Whether it does now. A server that hangs is noticed within three seconds or so.
    pub connected: bool,
    /// How often it has been made: what was said while it was away has not been heard.
    pub connects: u64,
}

/// A connection to NATS. Clones share it; it ends with the last of them.
#[derive(Clone)]
pub struct Nats(Arc<Inner>);

struct Inner {
    client: Client,
    jetstream: Context,
    settings: NatsSettings,
    link: watch::Receiver<Link>,
    outgoing: mpsc::Sender<talk::Outgoing>,
    stop: CancellationToken,
    _stop_at_end: DropGuard,
}

impl Nats {
    /// Connects, and connects again for as long as it takes whenever the server is away. Does not wait for the
    /// first time: see [`Nats::is_connected`].
    ///
    /// # Errors
    /// `Invalid` if a setting is malformed, with a sentence that says which.
    pub async fn connect(settings: NatsSettings) -> Result<Self> {
        let NatsSettings { url, prefix, .. } = &settings;
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if prefix.is_empty() || !prefix.chars().all(legal) {
            return Err(Error::invalid("The prefix of NATS takes lower-case letters, digits, - and _ only"));
        }
        let address = Address::parse(url)?;
        metrics::gauge!("nats_connected").set(0.0);
        metrics::counter!("broadcasts_dropped_total").increment(0);
        let (changed, link) = watch::channel(Link::default());
        let options = ConnectOptions::new()
            .name(prefix)
            .retry_on_initial_connect()
            .connection_timeout(CONNECT)
            .request_timeout(Some(ANSWER))
            .ping_interval(PING)
            .reconnect_delay_callback(|attempts| match attempts {
                0 | 1 => Duration::ZERO,
                more => RETRY.min(Duration::from_millis(10) * u32::try_from(more).unwrap_or(u32::MAX)),
            })
            .event_callback(watch_link(changed));
        let client = address
            .sign_in(options)
            .connect(address.servers)
            .await
            .map_err(|e| Error::unavailable("NATS cannot be reached").because(e))?;
        let jetstream = ContextBuilder::new().timeout(ANSWER).build(client.clone());
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(talk::send_all(client.clone(), queue)));
        let _stop_at_end = stop.clone().drop_guard();
        Ok(Self(Arc::new(Inner { client, jetstream, settings, link, outgoing, stop, _stop_at_end })))
    }

    /// Whether the connection stands.
    pub fn is_connected(&self) -> bool {
        self.0.link.borrow().connected
    }

    /// The connection's state, to wait for its changes.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.0.link.clone()
    }

    pub(crate) fn settings(&self) -> &NatsSettings {
        &self.0.settings
    }
}

/// Notes and logs when the connection comes and goes, once for each change.
fn watch_link(
    changed: watch::Sender<Link>,
) -> impl Fn(Event) -> std::future::Ready<()> + Send + Sync + 'static {
    const NOTHING_SAID: u8 = 0;
    const SAID_UP: u8 = 1;
    const SAID_AWAY: u8 = 2;
    let said = AtomicU8::new(NOTHING_SAID);
    move |event| {
        match event {
            Event::Connected => {
                changed.send_modify(|link| {
                    link.connected = true;
                    link.connects += 1;
                });
                if said.swap(SAID_UP, Ordering::Relaxed) != SAID_UP {
                    tracing::info!("NATS is connected");
                }
            }
            Event::Disconnected | Event::Closed => {
                changed.send_modify(|link| link.connected = false);
                if said.swap(SAID_AWAY, Ordering::Relaxed) != SAID_AWAY {
                    tracing::warn!("NATS is away and will be tried again");
                }
            }
            // A try that failed. Its kind says why and holds no address.
            Event::ClientError(error) => {
                if said.swap(SAID_AWAY, Ordering::Relaxed) == NOTHING_SAID {
                    tracing::warn!(%error, "NATS cannot be reached and will be tried again");
                }
            }
            Event::ServerError(error) => tracing::warn!(%error, "NATS refused something"),
            Event::SlowConsumer(_) => tracing::warn!("NATS sends faster than it is read"),
            Event::Draining | Event::LameDuckMode => {}
        }
        metrics::gauge!("nats_connected").set(u8::from(changed.borrow().connected));
        std::future::ready(())
    }
}

/// What the server, or the way to it, says instead of an answer.
pub(crate) fn away(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable("NATS does not answer").because(error)
}
