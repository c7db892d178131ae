//! Background work: settles what was left pending, and gives back what was asked back. Both look for
//! rows, so what a crash interrupted is found again at the next start.

use events::{Job, every};
use kernel::{PaymentId, Result};

use crate::gateway::Attempt;
use crate::{Payments, store};

/// Payments looked at in one go.
const BATCH: i64 = 100;

impl Payments {
    /// The background work, for the binary to run.
    pub fn jobs(&self) -> Vec<Job> {
        let (settling, refunding, period) = (self.clone(), self.clone(), self.0.settings.period);
        vec![
            Job::new("settle payments", move |stop| async move {
                every("settle payments", period, &settling.0.settle, stop, || settling.settle_due()).await;
            }),
            Job::new("refund payments", move |stop| async move {
                every("refund payments", period, &refunding.0.refund, stop, || refunding.refund_due()).await;
            }),
        ]
    }

    /// Settles the pending payments that nobody can be waiting for any more, and those whose hold has
    /// ended even if somebody is.
    ///
    /// # Errors
    /// The first that came up; a transient one ends the round, for it would meet all others as well.
    pub async fn settle_due(&self) -> Result<()> {
        let since = self.0.web.clock().now() - self.0.settings.settle_after;
        let (mut after, mut outcome) = (None, Ok(()));
        loop {
            let due = store::to_settle(&self.0.db, since, after, BATCH).await?;
            let Some(last) = due.last() else { return outcome };
            after = Some(last.id);
            for payment in due {
                if self.0.in_flight.has(payment.id) && !payment.expired {
                    continue;
                }
                let settled = self.settle(self.attempt(payment.id, payment.amount, payment.created_at)).await;
                if keep_first(&mut outcome, settled) {
                    return outcome;
                }
            }
        }
    }

    async fn settle(&self, attempt: Attempt<'_>) -> Result<()> {
        let outcome = self.bounded(self.0.gateway.settle(attempt)).await?;
        let payment = self.conclude(attempt.payment, outcome).await?;
        tracing::info!(payment = %payment.id, status = %payment.status, "a pending payment was settled");
        Ok(())
    }

    /// Settles one payment now, if it is pending: the gateway called about it.
    ///
    /// # Errors
    /// As the gateway or the database says.
    pub async fn settle_now(&self, id: PaymentId) -> Result<()> {
        match self.payment(id).await? {
            Some(payment) if payment.status == contracts::PaymentStatus::Pending => {
                self.settle(self.attempt(id, payment.amount, payment.created_at)).await
            }
            _ => Ok(()),
        }
    }

    /// Gives back what was asked back.
    ///
    /// # Errors
    /// As [`Payments::settle_due`].
    pub async fn refund_due(&self) -> Result<()> {
        let (mut after, mut outcome) = (None, Ok(()));
        loop {
            let due = store::to_refund(&self.0.db, after, BATCH).await?;
            let Some(last) = due.last() else { return outcome };
            after = Some(last.id);
            for payment in due {
                let refunded = self.give_back(&payment).await.map(drop);
                if keep_first(&mut outcome, refunded) {
                    return outcome;
                }
            }
        }
    }
}

/// Keeps the first error of a round. Whether the round is over.
fn keep_first(outcome: &mut Result<()>, next: Result<()>) -> bool {
    let over = next.as_ref().is_err_and(kernel::Error::is_transient);
    if outcome.is_ok() {
        *outcome = next;
    } else if let Err(error) = next {
        tracing::warn!(%error, "another payment failed in the same round");
    }
    over
}
