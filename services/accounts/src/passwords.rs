//! Hashing passwords: slow on purpose, so it is done off the runtime, a core's worth at a time, and
//! whoever would wait too long is sent away instead.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version};
use kernel::{Error, Result};
use tokio::sync::{Mutex, MutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::model::Password;

/// OWASP's first choice among the lean ones: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// So many may wait for a core; more are sent away.
const MOST_WAITING: usize = 64;
/// When whoever was sent away may come back.
const COME_BACK: Duration = Duration::from_secs(2);

/// Sign-ins to one account go one after the other, by stripes.
const STRIPES: usize = 256;

/// Verified when there is no account, so that it takes as long as when there is one. Of a password that
/// nobody knows, with the parameters above.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$sVpsClZgtcojE8t6QrO29w$nub4OZP3d8rUT8d5bwSREBohIojgX3WK8bfbTDmHAlM";

/// The one place that hashes.
pub(crate) struct Passwords {
    cores: Arc<Semaphore>,
    at_once: usize,
    present: AtomicUsize,
    stripes: Box<[Mutex<()>]>,
    /// Nobody can tell whose turn is whose.
    stripe_of: RandomState,
}

/// A place among those who are being served or wait; given back when dropped.
pub(crate) struct Place<'a>(&'a Passwords);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.present.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Passwords {
    pub(crate) fn new() -> Self {
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let stripes = (0..STRIPES).map(|_| Mutex::new(())).collect();
        Self {
            cores: Arc::new(Semaphore::new(at_once)),
            at_once,
            present: AtomicUsize::new(0),
            stripes,
            stripe_of: RandomState::new(),
        }
    }

    /// Joins the queue.
    ///
    /// # Errors
    /// `Unavailable`, with when to come back, if it is too long.
    pub(crate) fn enter(&self) -> Result<Place<'_>> {
        let place = Place(self);
        // Whoever is over the bound gives the place back as it is dropped.
        if self.present.fetch_add(1, Ordering::AcqRel) >= self.at_once + MOST_WAITING {
            return Err(Error::unavailable("too many passwords wait to be hashed").after(COME_BACK));
        }
        Ok(place)
    }

    /// The turn of an account: while it is held, nobody else tries that account's password.
    pub(crate) async fn turn(&self, key: &str) -> MutexGuard<'_, ()> {
        self.stripes[(self.stripe_of.hash_one(key) % STRIPES as u64) as usize].lock().await
    }

    /// The hash of `password`, with a salt of its own.
    pub(crate) async fn hash(&self, _place: &Place<'_>, password: Password) -> Result<String> {
        self.on_a_core(move || {
            let hash = hasher()?.hash_password(password.into_inner().as_bytes()).map_err(broken)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether `password` is the one of `hash`. Without a hash nobody's is verified, which takes as long.
    pub(crate) async fn verify(
        &self,
        _place: &Place<'_>,
        password: String,
        hash: Option<String>,
    ) -> Result<bool> {
        self.on_a_core(move || {
            let known = hash.is_some();
            let hash = PasswordHash::new(hash.as_deref().unwrap_or(NOBODY)).map_err(broken)?;
            Ok(hasher()?.verify_password(password.as_bytes(), &hash).is_ok() && known)
        })
        .await
    }

    async fn on_a_core<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let core: OwnedSemaphorePermit = Arc::clone(&self.cores)
            .acquire_owned()
            .await
            .map_err(|e| Error::internal("the hashing cores are gone").because(e))?;
        // The permit goes along: a request that is given up does not free the core that still works for it.
        let run = move || {
            let _core = core;
            work()
        };
        tokio::task::spawn_blocking(run).await.map_err(|e| Error::internal("hashing stopped").because(e))?
    }
}

fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|e| Error::internal("argon2 refuses its parameters").because(e))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("argon2: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_verified_and_is_never_the_same_twice() {
        let passwords = Passwords::new();
        let place = passwords.enter().unwrap();
        let password = || Password::parse("correct horse").unwrap();
        let (one, two) = (
            passwords.hash(&place, password()).await.unwrap(),
            passwords.hash(&place, password()).await.unwrap(),
        );
        assert_ne!(one, two);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert!(passwords.verify(&place, "correct horse".into(), Some(one.clone())).await.unwrap());
        assert!(!passwords.verify(&place, "correct Horse".into(), Some(one)).await.unwrap());
        assert!(!passwords.verify(&place, "correct horse".into(), None).await.unwrap());
    }

    #[test]
    fn nobodys_hash_costs_what_anybodys_does() {
        assert!(NOBODY.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let hash = PasswordHash::new(NOBODY).unwrap();
        assert_eq!(hash.hash.unwrap().len(), 32);
        assert_eq!(hash.salt.unwrap().len(), 16);
    }

    #[test]
    fn a_queue_that_is_too_long_sends_away() {
        let passwords = Passwords::new();
        let most = passwords.at_once + MOST_WAITING;
        let mut places: Vec<_> = (0..most).map(|_| passwords.enter().unwrap()).collect();
        let refused = passwords.enter().err().unwrap();
        assert_eq!((refused.kind, refused.retry_after), (kernel::Kind::Unavailable, Some(COME_BACK)));
        places.pop();
        assert!(passwords.enter().is_ok());
    }
}
