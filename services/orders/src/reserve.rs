//! The crowd's way in. Reservations ride a lane: those that wait share one transaction, and each gets
//! its own answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contracts::{OrderStatus, OrderTicket};
use db::{Db, IdempotencyKey, Lane, StoredAnswer, Tx};
use futures_util::future::try_join_all;
use kernel::{Error, Kind, OrderId, Result, TicketId, Trace, UserId};
use tokio::time::{Instant, timeout_at};
use traces::{About, Span};

use crate::model::Order;
use crate::{Orders, Settings, api, store};

/// How long a ticket that orders has not heard of yet is waited for (contract, Orders), and how long at
/// most between looks.
const WAIT_FOR_COPY: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_millis(20);

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

/// A wish in the lane, and the work that it is a part of.
#[derive(Debug)]
pub(crate) struct Waiting {
    wish: Reserve,
    trace: Trace,
}

/// The lane of one process.
pub(crate) fn lane(db: &Db, settings: &Settings) -> Lane<Waiting, Order> {
    let (hold, guard) = (settings.hold, settings.guard);
    Lane::start(db.clone(), move |tx, waiting: Arc<[Waiting]>| async move {
        let group = Group { tx: &tx, waiting: &waiting, hold, guard };
        group.reserve().await
    })
}

/// Wishes that share a transaction. An inner result is one caller's alone and an error in it has changed
/// nothing; an outer error undoes the whole group. What is joined travels together.
struct Group<'a> {
    tx: &'a Tx,
    waiting: &'a [Waiting],
    hold: Duration,
    guard: Guard,
}

impl Group<'_> {
    async fn reserve(&self) -> Result<Vec<Result<Order>>> {
        let keys = try_join_all(self.wishes().map(|wish| self.begin(wish))).await?;
        // In the order of their ids, in which all groups take tickets, so that none waits for another in a circle.
        let mut by_ticket: BTreeMap<TicketId, Vec<usize>> = BTreeMap::new();
        for (place, wish) in self.wishes().enumerate().filter(|(place, _)| keys[*place]) {
            by_ticket.entry(wish.ticket).or_default().push(place);
        }
        let taken = try_join_all(by_ticket.iter().map(|(ticket, places)| self.take(*ticket, places))).await?;
        // The first request of a key may have gone away without its answer, which is durable by the next try.
        let running = || Error::unavailable("the first request with this key is still running");
        let mut tickets: Vec<Result<OrderTicket>> = self.wishes().map(|_| Err(running())).collect();
        for (place, ticket) in taken.into_iter().flatten() {
            tickets[place] = ticket;
        }
        let mut answers = Vec::with_capacity(tickets.len());
        for (wish, ticket) in self.wishes().zip(tickets) {
            answers.push(match ticket {
                Ok(ticket) => Ok(self.order(wish, ticket)?),
                Err(refusal) => Err(refusal),
            });
        }
        for (waiting, answer) in self.waiting.iter().zip(&answers) {
            let order = answer.iter().map(|order| order.id.as_uuid().as_u128());
            self.tx.caused_by(order, waiting.trace);
        }
        let orders: Vec<&Order> = answers.iter().flatten().collect();
        store::insert(self.tx, &orders).await?;
        let begun = self.wishes().zip(&answers).zip(keys).filter(|(_, begun)| *begun);
        try_join_all(begun.map(|((wish, answer), _)| self.keep(wish, answer))).await?;
        Ok(answers)
    }

    fn wishes(&self) -> impl ExactSizeIterator<Item = &Reserve> {
        self.waiting.iter().map(|waiting| &waiting.wish)
    }

    /// Notes that the work under a wish's key has begun. False if it had begun before.
    async fn begin(&self, wish: &Reserve) -> Result<bool> {
        match &wish.key {
            Some(key) => self.tx.remember(key, None).await,
            None => Ok(true),
        }
    }

    /// Takes capacity of one ticket for the wishes at `places`: all at once, and where that is too much, one
    /// by one in the order in which they came.
    async fn take(&self, ticket: TicketId, places: &[usize]) -> Result<Vec<(usize, Result<OrderTicket>)>> {
        let all = places.iter().map(|place| self.waiting[*place].wish.quantity).sum();
        match apart(store::take(self.tx, self.guard, ticket, all).await)? {
            Err(_) if places.len() > 1 => {}
            answer => return Ok(places.iter().map(|place| (*place, answer.clone())).collect()),
        }
        let mut taken = Vec::with_capacity(places.len());
        for place in places {
            let answer = store::take(self.tx, self.guard, ticket, self.waiting[*place].wish.quantity).await;
            taken.push((*place, apart(answer)?));
        }
        Ok(taken)
    }

    /// Keeps the answer under a wish's key; a refusal is not kept.
    async fn keep(&self, wish: &Reserve, answer: &Result<Order>) -> Result<()> {
        let Some(key) = &wish.key else { return Ok(()) };
        let Ok(order) = answer else { return self.tx.forget(&key.scope, &key.key).await };
        let answer = StoredAnswer { status: 201, body: api::body(order, &[])? };
        self.tx.answer(&key.scope, &key.key, &answer).await
    }

    fn order(&self, wish: &Reserve, ticket: OrderTicket) -> Result<Order> {
        let amount =
            ticket.price.times(wish.quantity).ok_or_else(|| Error::internal("an amount out of range"))?;
        Ok(Order {
            id: OrderId::new(self.tx.clock()),
            version: 0,
            user_id: wish.user,
            status: OrderStatus::Created,
            reason: None,
            quantity: wish.quantity,
            amount,
            expires_at: self.tx.clock().now() + self.hold,
            expired: false,
            payment_id: None,
            ticket,
        })
    }
}

/// Parts a refusal, which has changed nothing, from a failure, which may have.
fn apart(taken: Result<OrderTicket>) -> Result<Result<OrderTicket>> {
    match taken {
        Err(error) if matches!(error.kind, Kind::Internal | Kind::Unavailable) => Err(error),
        answer => Ok(answer),
    }
}

impl Orders {
    /// Holds capacity; the answer is durable. A ticket that is not known here yet is waited for.
    ///
    /// # Errors
    /// 404 for an unknown ticket; 400 if it is not on sale or has not enough left.
    pub async fn reserve(&self, wish: Reserve) -> Result<Order> {
        let span = Span::here(|| About::named("reserve"));
        let reserved = span.around(self.ride(wish)).await;
        if reserved.as_ref().is_err_and(|error| matches!(error.kind, Kind::Internal | Kind::Unavailable)) {
            span.fail();
        }
        reserved
    }

    /// Rides the lane, again and again until the ticket is known here or was waited for long enough.
    async fn ride(&self, wish: Reserve) -> Result<Order> {
        let deadline = Instant::now() + WAIT_FOR_COPY;
        loop {
            let last = Instant::now() >= deadline;
            // Registered before asking, so that a copy that arrives meanwhile is not missed.
            let copied = self.0.copies.notified();
            tokio::pin!(copied);
            copied.as_mut().enable();
            let waiting = Waiting { wish: wish.clone(), trace: traces::current() };
            match self.0.lane.submit(waiting).await {
                Err(error) if error.kind == Kind::NotFound && !last => {
                    // Or it is another process that hears of it, whose bell does not ring here.
                    let _ = timeout_at(deadline.min(Instant::now() + LOOK), copied).await;
                }
                Err(error) if error.kind == Kind::NotFound => return Err(self.0.web.unheard_of()),
                answer => return answer,
            }
        }
    }
}
