//! Tokens whose signature was found good, so that a client's next request need not have it checked again: that costs
//! more than all else the stack does. Whether a session has ended, or was revoked, is asked each time.
//!
//! A token is known by its digest alone: what lies in memory signs nobody in. Beside it lies when it was last used, for
//! whoever keeps the list of sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use kernel::{Instant, SessionId};
use metrics::{Counter, counter, describe_counter};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

use crate::session::Session;

/// Sessions that are remembered; beyond that those go that are seldom seen.
const MOST: u64 = 10_000;

/// A use so soon after the last is not noted.
const OFTEN: Duration = Duration::from_secs(15);

const LOOKS: &str = "cache_lookups_total";

pub(crate) struct Verified {
    cache: Cache<[u8; 32], Arc<Known>>,
    hits: Counter,
    misses: Counter,
}

pub(crate) struct Known {
    pub(crate) session: Session,
    /// Milliseconds.
    used: AtomicI64,
}

impl Known {
    /// Notes that it is used at `now`.
    pub(crate) fn use_at(&self, now: Instant) {
        // Read first: what is not written is not fought over.
        if self.used.load(Ordering::Relaxed) < (now - OFTEN).as_millis() {
            self.used.store(now.as_millis(), Ordering::Relaxed);
        }
    }
}

impl Verified {
    pub(crate) fn new() -> Self {
        describe_counter!(LOOKS, "Looks into a cache, by where the answer was: hit is in this process.");
        let looks = |result| counter!(LOOKS, "cache" => "sessions", "result" => result);
        Self { cache: Cache::new(MOST), hits: looks("hit"), misses: looks("miss") }
    }

    /// The session of `token`: what `verify` found the first time, if it found one.
    pub(crate) fn session(
        &self,
        token: &str,
        verify: impl FnOnce() -> Option<Session>,
    ) -> Option<Arc<Known>> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.cache.get(&digest) {
            self.hits.increment(1);
            return Some(known);
        }
        self.misses.increment(1);
        // What anybody may make up is not remembered.
        let known = Arc::new(Known { session: verify()?, used: AtomicI64::new(i64::MIN) });
        self.cache.insert(digest, Arc::clone(&known));
        Some(known)
    }

    /// The sessions that were used after `since`, with when they last were.
    pub(crate) fn used(&self, since: Instant) -> Vec<(SessionId, Instant)> {
        let used =
            |known: Arc<Known>| (known.session.id, Instant::from_millis(known.used.load(Ordering::Relaxed)));
        self.cache.iter().map(|(_, known)| used(known)).filter(|(_, at)| *at > since).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Role;

    #[test]
    fn a_good_token_is_checked_once_and_a_bad_one_each_time() {
        let (web, _) = crate::testing::web();
        let session = crate::testing::session(&web, Role::User);
        let verified = Verified::new();
        let known = |found: Option<Arc<Known>>| found.map(|known| known.session.clone());
        assert_eq!(known(verified.session("good", || Some(session.clone()))), Some(session.clone()));
        assert_eq!(known(verified.session("good", || panic!("it was checked again"))), Some(session));
        for _ in 0..2 {
            let mut asked = false;
            let bad = verified.session("bad", || {
                asked = true;
                None
            });
            assert!(asked && bad.is_none());
        }
    }

    #[test]
    fn the_last_use_is_noted_now_and_then() {
        let (web, clock) = crate::testing::web();
        let session = crate::testing::session(&web, Role::User);
        let token = web.sessions().issue(&session).unwrap();
        let begin = clock.now();
        assert!(web.sessions().used(begin - OFTEN).is_empty());
        for (after, noted) in [(0, 0), (10, 0), (10, 20)] {
            clock.advance(Duration::from_secs(after));
            assert!(web.sessions().verify(&token).is_some());
            assert_eq!(
                web.sessions().used(begin - OFTEN),
                [(session.id, begin + Duration::from_secs(noted))]
            );
        }
        assert!(web.sessions().used(clock.now()).is_empty());
    }
}
