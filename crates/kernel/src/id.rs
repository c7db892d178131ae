//! Typed ids: UUIDv7 (RFC 9562, section 5.7) that cannot be mistaken for one another.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Mutex;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::{ContextV7, Timestamp, Uuid};

use crate::Clock;

/// The id of a `K`. As text it is a UUID in lower case with hyphens; ids made by one process sort
/// in the order in which they were made.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

/// A kind of thing that has ids, as the API's reference speaks of it.
pub trait Described {
    /// The name of its ids.
    const NAME: &'static str;
    /// What it is.
    const DESCRIPTION: &'static str;
    /// An id of its.
    const EXAMPLE: &'static str;
}

macro_rules! kinds {
    ($(#[doc = $doc:literal] $kind:ident => $alias:ident, $example:literal;)+) => {$(
        #[doc = $doc]
        pub enum $kind {}
        #[doc = concat!("The id of a [`", stringify!($kind), "`].")]
        pub type $alias = Id<$kind>;
        impl Described for $kind {
            const NAME: &'static str = stringify!($alias);
            const DESCRIPTION: &'static str = $doc.trim_ascii();
            const EXAMPLE: &'static str = $example;
        }
    )+};
}

kinds! {
    /// A person or a machine that can sign in.
    AccountKind => UserId, "01a1fc9e-2f41-7c60-8a35-6b1f0d9e4c27";
    /// One sign-in, or one API token.
    SessionKind => SessionId, "01a1fc9f-77b0-7e12-b8d4-91c3a5e0f6d8";
    /// What a seller lists.
    TicketKind => TicketId, "01a1fcab-6d9a-759a-9c8d-452838397400";
    /// A hold, and what becomes of it.
    OrderKind => OrderId, "01a1fcb0-05d3-7a4f-a16e-3c7be2d81594";
    /// One attempt to pay for an order.
    PaymentKind => PaymentId, "01a1fcb1-94ce-7d08-93f2-d05a6c1e7b3a";
    /// A film in the catalogue.
    VideoKind => VideoId, "01a1fca4-b8e7-7056-8f19-2e9d7c4a60b1";
    /// One sitting of one viewer before a video.
    PlayKind => PlayId, "01a1fcb3-4d26-7c8f-b5e1-0a93f7d2648c";
    /// Bytes that never change, as storage keeps them.
    ObjectKind => ObjectId, "01a1fcb4-6e90-72d7-8a4c-f31b5e07c9d2";
    /// One event in an outbox.
    EventKind => EventId, "01a1fcb2-13fa-7b95-a7c0-58e4d6f2a913";
}

/// Keeps ids of one process in order even within a millisecond.
static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());

impl<K> Id<K> {
    /// A new id that carries the clock's time.
    pub fn new(clock: &Clock) -> Self {
        let now = clock.now();
        let nanos = u32::try_from(now.as_millis().rem_euclid(1000)).unwrap_or(0) * 1_000_000;
        let context = CONTEXT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let at = Timestamp::from_unix(&*context, now.as_seconds().unsigned_abs(), nanos);
        Self(Uuid::new_v7(at), PhantomData)
    }

    /// The id as a plain UUID.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What [`Id::from_str`] says of anything but a hyphenated UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedId;

impl fmt::Display for MalformedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a well-formed id")
    }
}
impl std::error::Error for MalformedId {}

impl<K> FromStr for Id<K> {
    type Err = MalformedId;
    /// Takes the hyphenated form only, so that one id has one spelling.
    fn from_str(text: &str) -> Result<Self, MalformedId> {
        if text.len() != 36 || text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(MalformedId);
        }
        Uuid::try_parse(text).map(|id| Self(id, PhantomData)).map_err(|_| MalformedId)
    }
}

impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}
impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Instant;

    #[test]
    fn ids_of_one_millisecond_keep_their_order() {
        let clock = Clock::manual(Instant::from_millis(1_700_000_000_123));
        let ids: Vec<OrderId> = (0..10_000).map(|_| OrderId::new(&clock)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.windows(2).all(|pair| pair[0].to_string() < pair[1].to_string()));
    }

    #[test]
    fn one_id_has_one_spelling() {
        let id = TicketId::new(&Clock::system());
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "1", &id.to_string().to_uppercase(), &id.to_string().replace('-', "")] {
            assert_eq!(bad.parse::<TicketId>(), Err(MalformedId), "{bad}");
        }
    }
}
