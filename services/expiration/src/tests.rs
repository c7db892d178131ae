//! Holds and their ends on a real database.

use std::time::Duration;

use contracts::OrderTicket;
use db::Location;
use engines::Home;
use kernel::{Clock, Instant, Money, OrderId, TicketId, UserId};
use tokio_util::sync::CancellationToken;

use super::*;

struct House {
    _home: Home,
    clock: Clock,
    db: Db,
    expiration: Expiration,
}

impl House {
    async fn new() -> Self {
        let home = Home::new().await;
        let clock = Clock::manual(Instant::from_millis(1_760_000_000_000));
        let location = Location::new(home.url(), home.directory(), "expiration");
        let db = Db::open(&location, "expiration", clock.clone()).unwrap();
        db.migrate(MIGRATIONS).await.unwrap();
        Self { _home: home, clock, expiration: Expiration::new(db.clone()), db }
    }

    /// Hears of a new hold that lasts for so many seconds.
    async fn held(&self, seconds: u64) -> OrderState {
        let ticket = OrderTicket {
            id: TicketId::new(&self.clock),
            title: "Metropolis".into(),
            price: Money::from_minor(1999),
            version: 0,
            seller_id: UserId::new(&self.clock),
        };
        let order = OrderState {
            id: OrderId::new(&self.clock),
            version: 0,
            user_id: UserId::new(&self.clock),
            status: OrderStatus::Created,
            reason: None,
            quantity: 1,
            amount: ticket.price,
            expires_at: self.clock.now() + Duration::from_secs(seconds),
            ticket,
            payment_id: None,
            refund: None,
        };
        self.hear(&order).await;
        order
    }

    async fn hear(&self, order: &OrderState) {
        let (expiration, event) = (&self.expiration, &Event::OrderUpdated(order.clone()));
        self.db.write(|tx| async move { expiration.handle(&tx, &[event]).await }).await.unwrap();
    }

    async fn holds(&self) -> Vec<(OrderId, Instant)> {
        verify::holds_after(&self.db, None, 10).await.unwrap()
    }

    /// The orders whose ends were announced, once there are `count`.
    async fn ended(&self, count: usize) -> Vec<String> {
        let started = std::time::Instant::now();
        loop {
            let recorded = self.db.outbox_waiting(10).await.unwrap();
            if recorded.len() >= count {
                return recorded.into_iter().map(|event| event.aggregate).collect();
            }
            assert!(started.elapsed() < Duration::from_secs(30), "never announced");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_hold_is_remembered_once_and_forgotten_with_its_order() {
    let house = House::new().await;
    let (kept, over) = (house.held(60).await, house.held(30).await);
    house.hear(&kept).await;
    house.hear(&OrderState { version: 1, status: OrderStatus::AwaitingPayment, ..kept.clone() }).await;
    house.hear(&OrderState { version: 1, status: OrderStatus::Complete, ..over }).await;
    assert_eq!(house.holds().await, [(kept.id, kept.expires_at)]);
    assert_eq!(verify::holds_after(&house.db, Some(kept.id), 10).await.unwrap(), []);
}

#[tokio::test]
async fn holds_are_counted_and_the_first_end_is_known() {
    let house = House::new().await;
    assert_eq!(store::active(&house.db).await.unwrap(), (0, None));
    house.held(60).await;
    let first = house.held(30).await;
    assert_eq!(store::active(&house.db).await.unwrap(), (2, Some(first.expires_at)));
    house.expiration.observe().await.unwrap();
}

#[tokio::test]
async fn the_end_of_a_hold_is_announced_once_even_if_nobody_ran_when_it_came() {
    let house = House::new().await;
    let (first, second, later) = (house.held(10).await, house.held(20).await, house.held(600).await);
    house.clock.advance(Duration::from_secs(30));
    let stop = CancellationToken::new();
    let timers: Vec<_> =
        house.expiration.jobs().into_iter().map(|job| tokio::spawn((job.run)(stop.clone()))).collect();
    let mut ended = house.ended(2).await;
    ended.sort();
    assert_eq!(ended, [first.id, second.id].map(|id| format!("expiration:{id}")));
    assert_eq!(house.holds().await, [(later.id, later.expires_at)]);
    house.clock.advance(Duration::from_secs(600));
    assert_eq!(house.ended(3).await.len(), 3);
    assert!(house.holds().await.is_empty());
    stop.cancel();
    for timer in timers {
        timer.await.unwrap();
    }
}
