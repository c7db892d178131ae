//! Taking money: pending in one transaction, the gateway outside any, the outcome in another. Each of
//! the two may be the last thing that this process does; `jobs.rs` takes it up from there.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use contracts::PaymentStatus;
use db::{IdempotencyKey, StoredAnswer};
use kernel::{Error, OrderId, PaymentId, Result, UserId};
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;
use web::{FirstAtWork, Problem};

use crate::gateway::Outcome;
use crate::model::{Order, Payment, Refusal, in_progress};
use crate::{Payments, store};

impl Payments {
    /// Pays for `order` with what `token` stands for. With a `key`, the answer is kept with the outcome.
    ///
    /// # Errors
    /// In this order: `NotFound`; `Unauthorized` unless `buyer` holds the order; `Invalid` or `Conflict`
    /// if it cannot be paid; `Declined`; `Unavailable` if nobody knows yet what became of it.
    pub async fn pay(
        &self,
        buyer: UserId,
        order: OrderId,
        token: &str,
        key: Option<IdempotencyKey>,
    ) -> Result<Payment> {
        let known = self.order(order).await?.ok_or_else(|| self.0.web.unheard_of())?;
        if known.user_id != buyer {
            return Err(Error::unauthorized());
        }
        let (this, token) = (self.clone(), token.to_owned());
        // On a task of its own: a client that goes away does not leave its money in mid-air.
        let taking = async move { this.take_money(order, &token, key.as_ref()).await };
        let taken = tokio::spawn(traces::carry(taking).in_current_span()).await;
        taken.map_err(|e| Error::internal("a payment stopped half-way").because(e))?
    }

    async fn take_money(&self, order: OrderId, token: &str, key: Option<&IdempotencyKey>) -> Result<Payment> {
        let id = PaymentId::new(self.0.web.clock());
        let _in_flight = self.0.in_flight.enter(id);
        let payment = self.begin(id, order, key).await?;
        let asked = self.0.gateway.charge(self.attempt(id, payment.amount, payment.created_at), token);
        let outcome = self.bounded(asked).await?;
        self.conclude(id, outcome).await?.outcome()
    }

    /// Stores a pending payment, before the gateway hears of it.
    pub(crate) async fn begin(
        &self,
        id: PaymentId,
        order_id: OrderId,
        key: Option<&IdempotencyKey>,
    ) -> Result<Payment> {
        let begun = self.0.db.write(|tx| async move {
            if let Some(key) = key
                && !tx.remember(key, None).await?
            {
                return Err(Error::unavailable("this idempotency key is taken").because(FirstAtWork));
            }
            let order = store::order_in(&tx, order_id).await?.ok_or_else(Error::not_found)?;
            let now = tx.clock().now();
            order.payable(store::standing(&tx, order_id).await?, now)?;
            let payment = Payment::begin(id, &order, now);
            if !store::insert(&tx, &payment, key).await? {
                // Another process was faster.
                order.payable(store::standing(&tx, order_id).await?, now)?;
                return Err(in_progress());
            }
            self.announce(&tx, id);
            Ok(payment)
        });
        begun.await
    }

    /// Stores what became of a pending payment, and the answer that its request waits for. The first
    /// outcome stays; whoever comes second learns it.
    pub(crate) async fn conclude(&self, id: PaymentId, outcome: Outcome) -> Result<Payment> {
        let concluded = self.0.db.write(|tx| async move {
            let stepped = store::step(&tx, id, outcome.into()).await?;
            let stepped = stepped.ok_or_else(|| Error::internal(format!("no payment {id} to conclude")))?;
            if !stepped.changed {
                return Ok(stepped.payment);
            }
            self.announce(&tx, id);
            if let Some((scope, key)) = store::waiting(&tx, id).await? {
                match answer(&stepped.payment) {
                    Some(answer) => tx.answer(&scope, &key, &answer).await?,
                    None => tx.forget(&scope, &key).await?,
                }
            }
            Ok(stepped.payment)
        });
        let payment = concluded.await?;
        let charged = outcome == Outcome::Charged;
        let has_money = matches!(payment.status, PaymentStatus::Captured | PaymentStatus::Refunded);
        if charged != has_money {
            tracing::error!(payment = %id, ?outcome, status = %payment.status, "the gateway changed its mind");
        }
        Ok(payment)
    }

    /// The copy of an order. One that is not there yet is waited for, a little.
    ///
    /// # Errors
    /// As the database says.
    pub async fn order(&self, id: OrderId) -> Result<Option<Order>> {
        let deadline = Instant::now() + self.0.settings.copy_patience;
        loop {
            // Listening before looking, so that no change is missed.
            let mut changed = pin!(self.0.copies.notified());
            changed.as_mut().enable();
            if let Some(order) = store::order(&self.0.db, id).await? {
                return Ok(Some(order));
            }
            if timeout_at(deadline, changed).await.is_err() {
                // Another process may have heard of it: its bell does not ring here.
                return store::order(&self.0.db, id).await;
            }
        }
    }
}

/// What the request that began `payment` is answered from now on. One that never came to anything is
/// not answered: sent again, it is tried again.
fn answer(payment: &Payment) -> Option<StoredAnswer> {
    match payment.refusal {
        None => Some(StoredAnswer { status: 201, body: json!({ "id": payment.id }).to_string() }),
        Some(Refusal::Void) => None,
        Some(refusal) => {
            let problem = Problem::of(&refusal.error());
            Some(StoredAnswer { status: problem.status().as_u16(), body: problem.to_json() })
        }
    }
}

/// The charges that this process waits for. Recovery leaves them alone as long as it may.
#[derive(Default)]
pub(crate) struct InFlight(Arc<Mutex<HashSet<PaymentId>>>);

/// A charge in flight; it ends when this is dropped.
pub(crate) struct Flight(Arc<Mutex<HashSet<PaymentId>>>, PaymentId);

impl InFlight {
    fn enter(&self, id: PaymentId) -> Flight {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Flight(Arc::clone(&self.0), id)
    }

    pub(crate) fn has(&self, id: PaymentId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}
