//! What becomes of a buyer's orders when their account is deleted: what is not paid is let go; what is bought is bought.

use std::collections::BTreeSet;

use db::Tx;
use kernel::{Result, UserId};

use crate::model::Cause;
use crate::{Orders, store};

/// The most holds that end in one transaction, which has its time.
const MOST: i64 = 1_000;

impl Orders {
    /// Lets go what these users hold and have not paid, as if they had done it: money that is in flight comes back.
    ///
    /// What is more than [`MOST`], and what the last request of theirs holds a moment later, ends with its hold: who
    /// could pay for it is signed out. Remembering all who are gone would cost every reservation a look.
    pub(crate) async fn depart(&self, tx: &Tx, users: BTreeSet<UserId>) -> Result<()> {
        let mut unpaid = Vec::new();
        for user in users {
            let room = MOST - unpaid.len() as i64;
            unpaid.extend(store::unpaid(tx, user, room).await?);
        }
        if unpaid.is_empty() {
            return Ok(());
        }
        let given_up = unpaid.into_iter().map(|order| (order, Cause::GivenUp)).collect();
        for order in store::advance_all(tx, given_up).await? {
            self.announce(tx, order.id);
        }
        Ok(())
    }
}
