//! Work in the background.

use std::time::Duration;

use ::events::Job;
use kernel::Result;

use crate::{Accounts, store};

/// How often expired sessions are swept out.
const PERIOD: Duration = Duration::from_secs(3600);

/// Deletes the rows of sessions and mailed codes that have expired; they are worthless, revoked or not.
pub(crate) fn prune(accounts: &Accounts) -> Job {
    let accounts = accounts.clone();
    Job::periodic("accounts: prune", PERIOD, move || {
        let accounts = accounts.clone();
        async move {
            accounts.prune_sessions().await?;
            accounts.prune_codes().await
        }
    })
}

impl Accounts {
    async fn prune_sessions(&self) -> Result<()> {
        // In batches, so that the writer is never held for long.
        while store::prune(&self.0.db, self.0.web.clock().now()).await? >= store::BATCH.unsigned_abs() {}
        Ok(())
    }
}
