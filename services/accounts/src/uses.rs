//! The last use of sessions. Any service verifies a token alone, so each process remembers which it was shown
//! ([`web::Sessions::used`]), and now and then tells the one that keeps the list.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::events::Job;
use kernel::{Instant, Result, SessionId};
use web::Web;

use crate::{Accounts, store};

/// How often it is written down which sessions were used.
const USES: Duration = Duration::from_secs(60);

/// Which sessions this process was shown since it was last asked.
#[derive(Clone)]
pub struct Uses {
    web: Web,
    noted: Arc<Mutex<Instant>>,
}

impl Uses {
    /// Those from now on.
    pub fn new(web: &Web) -> Self {
        Self { web: web.clone(), noted: Arc::new(Mutex::new(web.clock().now())) }
    }

    /// Hands them to `note`, a thousand at a time, now and then; for as long as the job runs.
    pub fn job<F, Fut>(self, note: F) -> Job
    where
        F: Fn(Vec<(SessionId, Instant)>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        Job::periodic("sessions: note their use", USES, move || {
            let (uses, note) = (self.clone(), note.clone());
            async move { uses.note(note).await }
        })
    }

    /// Hands over what was used since the last time. What could not be noted is tried again with the next.
    ///
    /// # Errors
    /// Those of `note`.
    pub async fn note<F, Fut>(&self, note: F) -> Result<()>
    where
        F: Fn(Vec<(SessionId, Instant)>) -> Fut,
        Fut: Future<Output = Result<()>>,
    {
        let now = self.web.clock().now();
        let since = *self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut used = self.web.sessions().used(since);
        // In one order in all processes, lest they wait for each other.
        used.sort_unstable();
        for some in used.chunks(store::BATCH.unsigned_abs() as usize) {
            note(some.to_vec()).await?;
        }
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(())
    }
}

/// Writes down which sessions were used in this process, whatever for.
pub(crate) fn note_uses(accounts: &Accounts) -> Job {
    let accounts = accounts.clone();
    Uses::new(&accounts.0.web).job(move |used| {
        let accounts = accounts.clone();
        async move { accounts.note_uses(&used).await }
    })
}

impl Accounts {
    /// Writes down when sessions were last used, in this process or another.
    ///
    /// # Errors
    /// As the database says.
    pub async fn note_uses(&self, used: &[(SessionId, Instant)]) -> Result<()> {
        store::note_uses(&self.0.db, used).await
    }
}
