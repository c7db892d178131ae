//! Who is sending what. Storage has places for so many appends at once, and knows no users: nobody takes all of them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{Error, Kind, ObjectId, Result, UserId};

/// Uploads that one user may send at the same time.
const MOST: usize = 3;
/// When whoever sends too many may ask again.
const LATER: Duration = Duration::from_secs(5);

/// Uploads that are sent here, by their owners.
#[derive(Default)]
pub(crate) struct Senders(Mutex<HashMap<UserId, HashMap<ObjectId, usize>>>);

/// As long as it is there, its upload is being sent.
pub(crate) struct Sending<'a> {
    senders: &'a Senders,
    user: UserId,
    upload: ObjectId,
}

impl Senders {
    /// Somebody sends an upload. Whoever comes again to one that is being sent takes no further place, for storage has
    /// the one before give up.
    ///
    /// # Errors
    /// 429 if they send too many others.
    pub(crate) fn send(&self, user: UserId, upload: ObjectId) -> Result<Sending<'_>> {
        let mut senders = self.lock();
        let uploads = senders.entry(user).or_default();
        if uploads.len() >= MOST && !uploads.contains_key(&upload) {
            let told = "You send too many videos at once: wait until one of them is through";
            return Err(Error::new(Kind::TooMany, told).after(LATER));
        }
        *uploads.entry(upload).or_default() += 1;
        Ok(Sending { senders: self, user, upload })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, HashMap<ObjectId, usize>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        let mut senders = self.senders.lock();
        let Some(uploads) = senders.get_mut(&self.user) else { return };
        if let Some(times) = uploads.get_mut(&self.upload) {
            *times -= 1;
            if *times == 0 {
                uploads.remove(&self.upload);
            }
        }
        if uploads.is_empty() {
            senders.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Clock;

    #[test]
    fn nobody_sends_too_many_at_once() {
        let (senders, clock) = (Senders::default(), Clock::system());
        let (one, other) = (UserId::new(&clock), UserId::new(&clock));
        let ids: Vec<ObjectId> = (0..=MOST).map(|_| ObjectId::new(&clock)).collect();
        let mut sending: Vec<_> = ids[..MOST].iter().map(|id| senders.send(one, *id).unwrap()).collect();
        let refused = senders.send(one, ids[MOST]).err().unwrap();
        assert_eq!((refused.kind, refused.retry_after), (Kind::TooMany, Some(LATER)));
        drop(senders.send(other, ids[MOST]).unwrap());
        // Come again, and gone again: it is still being sent.
        drop(senders.send(one, ids[0]).unwrap());
        assert!(senders.send(one, ids[MOST]).is_err());
        sending.pop();
        sending.push(senders.send(one, ids[MOST]).unwrap());
        drop(sending);
        assert!(senders.lock().is_empty());
    }
}
