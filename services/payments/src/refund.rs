//! Giving money back: asked for in one transaction, done by the gateway, noted in another. Orders asks
//! by its events, sellers and operators by a call; it is done once however often it is asked.

use contracts::PaymentStatus;
use db::Tx;
use kernel::{Error, PaymentId, Result};
use web::Session;

use crate::model::{Cause, Payment};
use crate::{Payments, store};

impl Payments {
    /// Gives the money of a captured payment back, for its seller or an operator.
    ///
    /// # Errors
    /// `NotFound`; `Unauthorized`; `Conflict` if no money was captured; `Unavailable` if the gateway is
    /// away: it is asked for then, and will be done.
    pub async fn refund(&self, session: &Session, id: PaymentId) -> Result<Payment> {
        let payment = self.payment(id).await?.ok_or_else(Error::not_found)?;
        if !session.is_operator() {
            let order = store::order(&self.0.db, payment.order_id).await?;
            session.require_owner(order.ok_or_else(Error::unauthorized)?.seller_id)?;
        }
        let asked = self.0.db.write(|tx| async move { self.ask_back(&tx, id).await });
        let payment = asked.await?.ok_or_else(Error::not_found)?;
        match payment.status {
            PaymentStatus::Refunded => Ok(payment),
            PaymentStatus::Captured => self.give_back(&payment).await,
            PaymentStatus::Pending | PaymentStatus::Failed => {
                Err(Error::conflict("Payment cannot be refunded"))
            }
        }
    }

    /// Notes that the money shall go back, if there is any, and rings for it to be done.
    pub(crate) async fn ask_back(&self, tx: &Tx, id: PaymentId) -> Result<Option<Payment>> {
        let Some(stepped) = store::step(tx, id, Cause::RefundRequested).await? else { return Ok(None) };
        if stepped.changed {
            self.announce(tx, id);
            self.ring(tx, |inner| &inner.refund);
        }
        Ok(Some(stepped.payment))
    }

    /// Gives back what was asked back.
    pub(crate) async fn give_back(&self, payment: &Payment) -> Result<Payment> {
        let id = payment.id;
        let attempt = self.attempt(id, payment.amount, payment.created_at);
        self.bounded(self.0.gateway.refund(attempt)).await?;
        let noted = self.0.db.write(|tx| async move {
            let stepped = store::step(&tx, id, Cause::Refunded).await?;
            let stepped = stepped.ok_or_else(|| Error::internal(format!("no payment {id} to refund")))?;
            if stepped.changed {
                self.announce(&tx, id);
            }
            Ok(stepped.payment)
        });
        noted.await
    }
}
