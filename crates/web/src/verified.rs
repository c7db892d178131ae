//! Tokens whose signature was found good, so that a client's next request need not have it checked again: that costs
//! more than all else the stack does. Whether a session has ended, or was revoked, is asked each time.
//!
//! A token is known by its digest alone: what lies in memory signs nobody in.

use metrics::{Counter, counter, describe_counter};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

use crate::session::Session;

/// Sessions that are remembered; beyond that those go that are seldom seen.
const MOST: u64 = 10_000;

const LOOKS: &str = "cache_lookups_total";

pub(crate) struct Verified {
    cache: Cache<[u8; 32], Session>,
    hits: Counter,
    misses: Counter,
}

impl Verified {
    pub(crate) fn new() -> Self {
        describe_counter!(LOOKS, "Looks into a cache, by whether the answer was there.");
        let looks = |result| counter!(LOOKS, "cache" => "sessions", "result" => result);
        Self { cache: Cache::new(MOST), hits: looks("hit"), misses: looks("miss") }
    }

    /// The session of `token`: what `verify` found the first time, if it found one.
    pub(crate) fn session(&self, token: &str, verify: impl FnOnce() -> Option<Session>) -> Option<Session> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(session) = self.cache.get(&digest) {
            self.hits.increment(1);
            return Some(session);
        }
        self.misses.increment(1);
        // What anybody may make up is not remembered.
        let session = verify()?;
        self.cache.insert(digest, session.clone());
        Some(session)
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
        assert_eq!(verified.session("good", || Some(session.clone())), Some(session.clone()));
        assert_eq!(verified.session("good", || panic!("it was checked again")), Some(session));
        for _ in 0..2 {
            let mut asked = false;
            assert_eq!(
                verified.session("bad", || {
                    asked = true;
                    None
                }),
                None
            );
            assert!(asked);
        }
    }
}
