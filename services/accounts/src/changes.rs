//! What becomes known of a user's change: to other services by its event, and to whoever looks users up by the cache.

use std::sync::Arc;

use contracts::{Event, UserState};
use db::Tx;
use kernel::Result;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::Accounts;
use crate::known::{Known, LookUp};
use crate::model::Account;

/// Above every change; Redis compares doubles, which count as far as this.
const UNCOUNTED: i64 = (1 << 53) - 1;

/// What a transaction makes of a user. Clones share it.
#[derive(Clone)]
pub(crate) struct Changed {
    event: Event,
    /// What is now found by what: the user by all that is theirs, nobody by what no longer is.
    rows: Arc<[(LookUp, Option<Known>)]>,
    /// The number of the change.
    pub number: i64,
    /// From before its commit.
    at: Instant,
}

impl Changed {
    /// Somebody is new.
    pub(crate) fn created(new: &Account) -> Self {
        Self::of(Event::UserCreated(new.state()), None, Some(new), new.change)
    }

    /// Somebody is different.
    pub(crate) fn updated(old: &Account, new: &Account) -> Self {
        let given_up = |before: &Option<String>, after: Option<String>, now: Option<String>| {
            before.clone().filter(|_| after != now)
        };
        let former_email = given_up(&old.email, old.email_key(), new.email_key());
        let former_username = given_up(&old.username, old.username_key(), new.username_key());
        let state = UserState { former_email, former_username, ..new.state() };
        Self::of(Event::UserUpdated(state), Some(old), Some(new), new.change)
    }

    /// Somebody is gone; `last` is the version that says so.
    pub(crate) fn deleted(last: &Account) -> Self {
        Self::of(Event::UserDeleted(last.state()), Some(last), None, last.change)
    }

    fn of(event: Event, old: Option<&Account>, new: Option<&Account>, number: i64) -> Self {
        let known = new.map(Known::from);
        let mut rows: Vec<(LookUp, Option<Known>)> =
            new.into_iter().flat_map(LookUp::all).map(|key| (key, known.clone())).collect();
        for key in old.into_iter().flat_map(LookUp::all) {
            if rows.iter().all(|(taken, _)| *taken != key) {
                rows.push((key, None));
            }
        }
        Self { event, rows: rows.into(), number, at: Instant::now() }
    }
}

impl Accounts {
    /// Publishes a change; once it is durable, nobody who looks up here is told what was before.
    pub(crate) async fn announce(&self, tx: &Tx, changed: &Changed) -> Result<()> {
        tx.emit(&changed.event).await?;
        let (users, changed) = (self.0.users.clone(), changed.clone());
        tx.after_commit(move || {
            for (key, known) in changed.rows.iter() {
                users.wrote_here(key, known.clone(), changed.number, changed.at);
            }
        });
        Ok(())
    }

    /// Tells what processes remember together, before whoever made the change is answered. If this is left out, the
    /// event does it.
    pub(crate) async fn share(&self, changed: &Changed) {
        self.0.users.wrote(&changed.rows, changed.number, changed.at).await;
    }

    /// Has whoever looks users up forget what was before an event, if it is of a user.
    pub async fn heard(&self, event: &Event) {
        if let Event::UserCreated(user) | Event::UserUpdated(user) | Event::UserDeleted(user) = event {
            self.forget(user).await;
        }
    }

    /// [`Accounts::heard`] in the background, one event after the other. `runtime` is said, for what follows a commit may
    /// run on a thread that has none. Of many that lag, some are left out: what they would have had forgotten ends with
    /// its time.
    pub(crate) fn hear_soon(&self, events: Vec<Event>, runtime: &Handle) {
        let Ok(turn) = Arc::clone(&self.0.hearing).try_acquire_owned() else { return };
        let accounts = self.clone();
        runtime.spawn(async move {
            for event in &events {
                accounts.heard(event).await;
            }
            drop(turn);
        });
    }

    /// Forgets what was before a change that another process may have made.
    async fn forget(&self, user: &UserState) {
        let email = |text: &String| LookUp::email(text);
        let username = |text: &String| LookUp::username(text);
        let keys = [
            Some(LookUp::Id(user.id)),
            user.email.as_ref().map(email),
            user.username.as_ref().map(username),
            user.former_email.as_ref().map(email),
            user.former_username.as_ref().map(username),
        ];
        let keys: Vec<LookUp> = keys.into_iter().flatten().collect();
        // A Marquee that does not count yet may run beside this one: whatever is remembered is from before its change.
        let change = if user.change == 0 { UNCOUNTED } else { user.change };
        self.0.users.forget(&keys, change).await;
    }
}
