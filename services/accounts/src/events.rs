//! What accounts hears: that a session ended or a user changed, perhaps in another process.

use ::events::Handler;
use contracts::Event;
use db::Tx;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::Result;
use tokio::runtime::Handle;

use crate::Accounts;

impl Handler for Accounts {
    fn subjects(&self) -> &'static [&'static str] {
        &["session:revoked", "user:created", "user:updated", "user:deleted"]
    }

    fn handle<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>> {
        async move {
            let mut users = Vec::new();
            for event in events {
                if let Event::SessionRevoked(session) = event {
                    let (web, id, expires_at) = (self.0.web.clone(), session.id, session.expires_at);
                    tx.after_commit(move || web.revocations().revoke(id, expires_at));
                } else {
                    users.push((*event).clone());
                }
            }
            if !users.is_empty() {
                let (accounts, runtime) = (self.clone(), Handle::current());
                // Whoever wrote has told the cache, unless they were killed in that moment.
                tx.after_commit(move || accounts.hear_soon(users, &runtime));
            }
            Ok(())
        }
        .boxed()
    }
}
