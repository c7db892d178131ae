//! What becomes of a seller's tickets when their account is deleted: none of them stays for sale.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ::events::{Job, every};
use db::Tx;
use kernel::{Result, UserId};

use crate::Tickets;
use crate::store::sellers;

/// What a process left undone that was killed is found again within this time.
const PERIOD: Duration = Duration::from_secs(5);
const NAME: &str = "tickets: withdraw what deleted sellers left";

/// Withdraws what deleted sellers left, as soon as it is heard.
pub(crate) fn withdraw(tickets: &Tickets) -> Job {
    let tickets = tickets.clone();
    Job::new(NAME, move |stop| async move {
        let bell = Arc::clone(&tickets.0.leaving);
        every(NAME, PERIOD, &bell, stop, || tickets.withdraw_all_left()).await;
    })
}

impl Tickets {
    /// Lets sellers depart: from now on they list nothing. What they have for sale may be more than one transaction
    /// takes, so it is the job that withdraws it.
    pub(crate) async fn depart(&self, tx: &Tx, users: BTreeSet<UserId>) -> Result<()> {
        if users.is_empty() {
            return Ok(());
        }
        sellers::depart(tx, &users).await?;
        let leaving = Arc::clone(&self.0.leaving);
        tx.after_commit(move || leaving.notify_one());
        Ok(())
    }

    /// Withdraws what deleted sellers have for sale, as if they had done it, until nothing is left. Each round
    /// withdraws a batch, or ends somebody's leaving.
    pub(crate) async fn withdraw_all_left(&self) -> Result<()> {
        while let Some(user) = sellers::leaving(&self.0.db).await? {
            let withdrawn = self.0.db.write(|tx| async move {
                for ticket in sellers::withdraw_left(&tx, user).await? {
                    self.announce(&tx, ticket);
                }
                self.changed(&tx);
                Ok(())
            });
            withdrawn.await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
