//! Limits that a normal client never meets: on failed sign-ins and on sign-ups.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{Clock, Error, Instant, Kind};

/// At most so many hits per key in a window of time. The window of a key opens with its first hit.
pub struct Limiter {
    limit: u32,
    per: Duration,
    clock: Clock,
    windows: Mutex<HashMap<String, Window>>,
}

struct Window {
    opened: Instant,
    hits: u32,
}

/// So many keys are counted at once. An attacker with more of them has the oldest forgotten, which
/// bounds what the limiter takes and not what the attacker gets: each of those keys had its own limit.
const MOST_KEYS: usize = 100_000;

impl Limiter {
    /// At most `limit` hits per key within `per`.
    pub fn new(limit: u32, per: Duration, clock: Clock) -> Self {
        Self { limit, per, clock, windows: Mutex::default() }
    }

    /// Whether `key` is still below its limit.
    ///
    /// # Errors
    /// `TooMany`, with the time until its window closes.
    pub fn check(&self, key: &str) -> kernel::Result<()> {
        let now = self.clock.now();
        match self.lock().get(key) {
            Some(window) if window.hits >= self.limit && now < window.opened + self.per => {
                let wait = now.until(window.opened + self.per);
                Err(Error::new(Kind::TooMany, "Too many attempts, please try again later").after(wait))
            }
            _ => Ok(()),
        }
    }

    /// Counts one.
    pub fn hit(&self, key: &str) {
        let now = self.clock.now();
        let mut windows = self.lock();
        if let Some(window) = windows.get_mut(key) {
            if now < window.opened + self.per {
                window.hits = window.hits.saturating_add(1);
            } else {
                *window = Window { opened: now, hits: 1 };
            }
            return;
        }
        if windows.len() >= MOST_KEYS {
            self.make_room(&mut windows, now);
        }
        windows.insert(key.to_owned(), Window { opened: now, hits: 1 });
    }

    /// Forgets the hits of a key: what follows shows that they were honest mistakes.
    pub fn forget(&self, key: &str) {
        self.lock().remove(key);
    }

    /// Forgets the windows that have closed, and if that does not make room, the oldest tenth as well, so
    /// that this is done rarely.
    fn make_room(&self, windows: &mut HashMap<String, Window>, now: Instant) {
        windows.retain(|_, window| now < window.opened + self.per);
        if windows.len() <= MOST_KEYS * 9 / 10 {
            return;
        }
        let mut opened: Vec<Instant> = windows.values().map(|window| window.opened).collect();
        let (older, last, _) = opened.select_nth_unstable(MOST_KEYS / 10);
        // Many may have opened in the same millisecond as the last of them; a tenth is enough.
        let last = *last;
        let mut spare = older.iter().filter(|opened| **opened == last).count();
        windows.retain(|_, window| {
            let goes = window.opened < last || (window.opened == last && spare > 0);
            spare -= usize::from(goes && window.opened == last);
            !goes
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(limit: u32) -> (Limiter, Clock) {
        let clock = Clock::manual(Instant::from_millis(1_000_000));
        (Limiter::new(limit, Duration::from_secs(60), clock.clone()), clock)
    }

    #[test]
    fn refuses_above_the_limit_until_the_window_closes() {
        let (limiter, clock) = limiter(3);
        for _ in 0..3 {
            assert!(limiter.check("a").is_ok());
            limiter.hit("a");
            clock.advance(Duration::from_secs(10));
        }
        let refused = limiter.check("a").unwrap_err();
        assert_eq!((refused.kind, refused.retry_after), (Kind::TooMany, Some(Duration::from_secs(30))));
        assert!(limiter.check("b").is_ok(), "another key has its own count");
        clock.advance(Duration::from_secs(30));
        assert!(limiter.check("a").is_ok());
        limiter.hit("a");
        assert!(limiter.check("a").is_ok(), "a new window counts anew");
    }

    #[test]
    fn forgets_when_told() {
        let (limiter, _) = limiter(1);
        limiter.hit("a");
        assert!(limiter.check("a").is_err());
        limiter.forget("a");
        assert!(limiter.check("a").is_ok());
    }

    #[test]
    fn its_memory_is_bounded_and_the_newest_stay() {
        let (limiter, clock) = limiter(1);
        limiter.hit("old");
        clock.advance(Duration::from_secs(1));
        for n in 0..MOST_KEYS + 10 {
            limiter.hit(&n.to_string());
        }
        assert!(limiter.lock().len() <= MOST_KEYS);
        assert!(limiter.check("old").is_ok(), "the oldest went");
        assert!(limiter.check(&(MOST_KEYS + 9).to_string()).is_err(), "the newest is there");
        clock.advance(Duration::from_secs(61));
        for n in 0..MOST_KEYS {
            limiter.hit(&format!("x{n}"));
        }
        assert!(limiter.lock().len() <= MOST_KEYS);
    }
}
