//! The crowd's way in. Reservations ride a lane: those that wait share one transaction, and each gets
//! its own answer.

use std::sync::Arc;
use std::time::Duration;

use contracts::OrderStatus;
use db::{Db, IdempotencyKey, Lane, StoredAnswer, Tx};
use kernel::{Error, Kind, OrderId, Result, TicketId, UserId};

use crate::model::Order;
use crate::{Orders, Settings, api, store};

/// How long a ticket that orders has not heard of yet is waited for (contract, Orders).
const WAIT_FOR_COPY: Duration = Duration::from_millis(250);

/// Whether capacity is guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Always, in an installation.
    On,
    /// In the negative control of the race test.
    Off,
}

/// A wish to hold capacity.
#[derive(Debug, Clone)]
pub struct Reserve {
    /// Who.
    pub user: UserId,
    /// Of what.
    pub ticket: TicketId,
    /// How many units, at least 1.
    pub quantity: i64,
    /// Under which key the answer is kept.
    pub key: Option<IdempotencyKey>,
}

/// The lane of one process.
pub(crate) fn lane(db: &Db, settings: &Settings) -> Lane<Reserve, Order> {
    let (hold, guard) = (settings.hold, settings.guard);
    Lane::start(db.clone(), move |tx, wishes: Arc<[Reserve]>| async move {
        let mut answers = Vec::with_capacity(wishes.len());
        for wish in wishes.iter() {
            answers.push(reserve_keyed(&tx, wish, hold, guard).await?);
        }
        Ok(answers)
    })
}

/// One wish of the group. The inner result is that caller's alone and an error in it has changed nothing;
/// the outer error undoes the whole group.
async fn reserve_keyed(tx: &Tx, wish: &Reserve, hold: Duration, guard: Guard) -> Result<Result<Order>> {
    let Some(key) = &wish.key else { return apart(reserve(tx, wish, hold, guard).await) };
    if !tx.remember(key, None).await? {
        // The first request of this key went away without its answer, which is durable by the next try.
        return Ok(Err(Error::unavailable("the first request with this key is still running")));
    }
    let reserved = apart(reserve(tx, wish, hold, guard).await)?;
    match &reserved {
        Ok(order) => {
            let answer = StoredAnswer { status: 201, body: api::body(order, &[])? };
            tx.answer(&key.scope, &key.key, &answer).await?;
        }
        Err(_) => tx.forget(&key.scope, &key.key).await?,
    }
    Ok(reserved)
}

/// Parts a refusal, which has changed nothing, from a failure, which may have.
fn apart(reserved: Result<Order>) -> Result<Result<Order>> {
    match reserved {
        Err(error) if matches!(error.kind, Kind::Internal | Kind::Unavailable) => Err(error),
        answer => Ok(answer),
    }
}

async fn reserve(tx: &Tx, wish: &Reserve, hold: Duration, guard: Guard) -> Result<Order> {
    let ticket = store::take(tx, guard, wish.ticket, wish.quantity).await?;
    let amount =
        ticket.price.times(wish.quantity).ok_or_else(|| Error::internal("an amount out of range"))?;
    let order = Order {
        id: OrderId::new(tx.clock()),
        version: 0,
        user_id: wish.user,
        status: OrderStatus::Created,
        reason: None,
        quantity: wish.quantity,
        amount,
        expires_at: tx.clock().now() + hold,
        expired: false,
        payment_id: None,
        ticket,
    };
    store::insert(tx, &order).await?;
    Ok(order)
}

impl Orders {
    /// Holds capacity; the answer is durable. A ticket that is not known here yet is waited for.
    ///
    /// # Errors
    /// 404 for an unknown ticket; 400 if it is not on sale or has not enough left.
    pub async fn reserve(&self, wish: Reserve) -> Result<Order> {
        let patience = tokio::time::sleep(WAIT_FOR_COPY);
        tokio::pin!(patience);
        loop {
            // Registered before asking, so that a copy that arrives meanwhile is not missed.
            let copied = self.0.copies.notified();
            tokio::pin!(copied);
            copied.as_mut().enable();
            match self.0.lane.submit(wish.clone()).await {
                Err(error) if error.kind == Kind::NotFound => tokio::select! {
                    () = copied => {}
                    () = &mut patience => return Err(error),
                },
                answer => return answer,
            }
        }
    }
}
