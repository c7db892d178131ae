//! What accounts hears: that a session ended, perhaps in another process.

use ::events::Handler;
use contracts::Event;
use db::Tx;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::Result;

use crate::Accounts;

impl Handler for Accounts {
    fn subjects(&self) -> &'static [&'static str] {
        &["session:revoked"]
    }

    fn handle<'a>(&'a self, tx: &'a Tx, events: &'a [&'a Event]) -> BoxFuture<'a, Result<()>> {
        async move {
            for event in events {
                if let Event::SessionRevoked(session) = event {
                    let (web, id, expires_at) = (self.0.web.clone(), session.id, session.expires_at);
                    tx.after_commit(move || web.revocations().revoke(id, expires_at));
                }
            }
            Ok(())
        }
        .boxed()
    }
}
