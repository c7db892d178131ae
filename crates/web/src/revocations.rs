//! Sessions that ended before their time. Tokens are verified without asking anybody, so each process
//! keeps the revoked ones in memory and is told of new ones by events. A process that does not know all of
//! them, or cannot hear of new ones, would let somebody in who is out: it says so when asked whether it is
//! ready.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use kernel::{Clock, Instant, SessionId};

/// The revoked sessions of this process. Clones are the same one.
#[derive(Clone)]
pub struct Revocations(Arc<Shared>);

struct Shared {
    clock: Clock,
    table: RwLock<Table>,
    learned: AtomicBool,
    hearing: AtomicBool,
}

#[derive(Default)]
struct Table {
    until: HashMap<SessionId, Instant>,
    /// The size at which to look for entries to forget; twice what was left the last time.
    sweep_at: usize,
}

/// Below this many entries it is not worth looking.
const SMALL: usize = 1024;

impl Revocations {
    pub(crate) fn new(clock: Clock) -> Self {
        Self(Arc::new(Shared {
            clock,
            table: RwLock::new(Table { until: HashMap::new(), sweep_at: SMALL }),
            learned: AtomicBool::new(false),
            hearing: AtomicBool::new(true),
        }))
    }

    /// Ends a session. It is forgotten at `until`, when its token has expired anyway.
    pub fn revoke(&self, id: SessionId, until: Instant) {
        let now = self.0.clock.now();
        if until <= now {
            return;
        }
        let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
        let known = table.until.entry(id).or_insert(until);
        *known = until.max(*known);
        if table.until.len() >= table.sweep_at {
            table.until.retain(|_, until| *until > now);
            table.sweep_at = SMALL.max(table.until.len() * 2);
        }
    }

    /// Whether a session has been revoked.
    pub fn is_revoked(&self, id: SessionId) -> bool {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner).until.contains_key(&id)
    }

    /// How many are known here; a few of them may have expired meanwhile.
    pub fn count(&self) -> usize {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner).until.len()
    }

    /// Notes that every live revocation is known here: those from before the start have been read. What
    /// comes in between is not to be missed, so a process listens first and reads then.
    pub fn learned(&self) {
        self.0.learned.store(true, Ordering::Release);
    }

    /// Whether every live revocation is known; not so at first. Until then no session should be believed.
    pub fn is_learned(&self) -> bool {
        self.0.learned.load(Ordering::Acquire)
    }

    /// Notes whether this process can hear of new revocations. Whoever lets it hear again after a silence
    /// has read first what was revoked meanwhile.
    pub fn set_hearing(&self, hearing: bool) {
        self.0.hearing.store(hearing, Ordering::Release);
    }

    /// Whether this process can hear of new revocations. So it is at first, for what is revoked in this
    /// process is heard here, and an embedded house needs no more.
    pub fn is_hearing(&self) -> bool {
        self.0.hearing.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn forgets_what_has_expired_anyway() {
        let clock = Clock::manual(Instant::from_millis(1_000_000));
        let revocations = Revocations::new(clock.clone());
        let lasting = SessionId::new(&clock);
        revocations.revoke(lasting, clock.now() + Duration::from_secs(1_000));
        for _ in 0..SMALL - 2 {
            revocations.revoke(SessionId::new(&clock), clock.now() + Duration::from_secs(1));
        }
        assert_eq!(revocations.0.table.read().unwrap().until.len(), SMALL - 1);
        clock.advance(Duration::from_secs(2));
        let last = SessionId::new(&clock);
        revocations.revoke(last, clock.now() + Duration::from_secs(1));
        assert_eq!(revocations.0.table.read().unwrap().until.len(), 2);
        assert!(revocations.is_revoked(lasting) && revocations.is_revoked(last));
    }

    #[test]
    fn an_expired_session_needs_no_entry_and_a_later_end_wins() {
        let clock = Clock::manual(Instant::from_millis(1_000_000));
        let revocations = Revocations::new(clock.clone());
        let id = SessionId::new(&clock);
        revocations.revoke(id, clock.now());
        assert!(!revocations.is_revoked(id));
        revocations.revoke(id, clock.now() + Duration::from_secs(9));
        revocations.revoke(id, clock.now() + Duration::from_secs(5));
        assert_eq!(revocations.0.table.read().unwrap().until[&id], clock.now() + Duration::from_secs(9));
    }

    #[test]
    fn says_what_it_does_not_know() {
        let revocations = Revocations::new(Clock::manual(Instant::from_millis(1_000_000)));
        let seen_elsewhere = revocations.clone();
        assert_eq!((revocations.is_learned(), revocations.is_hearing()), (false, true));
        revocations.learned();
        assert_eq!((seen_elsewhere.is_learned(), seen_elsewhere.is_hearing()), (true, true));
        for hearing in [false, false, true] {
            revocations.set_hearing(hearing);
            assert_eq!((seen_elsewhere.is_learned(), seen_elsewhere.is_hearing()), (true, hearing));
        }
    }
}
