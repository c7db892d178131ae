//! What orders hears, and what `marquee verify` asks of it afterwards.

use super::*;
use crate::Guard;
use contracts::{OrderStatus, StockState, UserState};

impl House {
    async fn standing(&self, order: OrderId) -> (OrderStatus, Option<PaymentId>) {
        verify::standing(&self.db, order).await.unwrap().unwrap()
    }

    /// What was published last of this subject.
    async fn published(&self, subject: &str) -> Option<Event> {
        let all = self.db.outbox_waiting(1000).await.unwrap();
        let last = all.iter().rfind(|recorded| recorded.subject == subject)?;
        Some(serde_json::from_str(&last.payload).unwrap())
    }
}

#[tokio::test]
async fn late_money_takes_free_seats_again_and_goes_back_where_there_are_none() {
    let house = House::new().await;
    let ticket = house.ticket(1).await;
    let late_for = async |order| {
        let mut payment = house.payment(order);
        house.hear(Event::PaymentCreated(payment.clone())).await;
        house.settle(&mut payment, PaymentStatus::Captured).await;
        payment.id
    };
    let mut expired = Vec::new();
    for _ in 0..2 {
        let order = house.reserve(ticket, 1).await.order();
        house.hold_ends(order).await;
        expired.push(order);
    }
    let payment = late_for(expired[0]).await;
    assert_eq!(house.standing(expired[0]).await, (OrderStatus::Complete, Some(payment)));
    let payment = late_for(expired[1]).await;
    assert_eq!(house.standing(expired[1]).await.0, OrderStatus::Cancelled);
    let Some(Event::OrderUpdated(order)) = house.published("order:updated").await else { panic!() };
    assert_eq!((order.id, order.refund), (expired[1], Some(payment)));
    house.assert_capacity_adds_up().await;
}

#[tokio::test]
async fn capacity_that_is_taken_stays_and_says_so() {
    let house = House::new().await;
    let ticket = house.ticket_of(5);
    house.hear(Event::TicketCreated(ticket.clone())).await;
    let order = house.reserve(ticket.id, 3).await.order();
    house.hear(Event::TicketUpdated(TicketState { version: 1, capacity: 2, ..ticket.clone() })).await;
    let kept = StockState { ticket_id: ticket.id, version: 0, ticket_version: 1, capacity: 3 };
    assert_eq!(house.published("stock:updated").await, Some(Event::StockUpdated(kept)));

    let copies = verify::ticket_copies_after(&house.db, None, 10).await.unwrap();
    let [copy] = &copies[..] else { panic!("{copies:?}") };
    assert_eq!((copy.id, copy.version, copy.capacity, copy.taken), (ticket.id, 1, 3, 3));
    assert_eq!(verify::ticket_copies_after(&house.db, Some(ticket.id), 10).await.unwrap(), []);

    let orders = verify::orders_after(&house.db, None, 10).await.unwrap();
    let [checked] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!((checked.id, checked.quantity, checked.admissions, checked.fault()), (order, 3, 0, None));
}

/// The statement's guard is what makes the answer good; the table's is what decides.
#[tokio::test]
async fn without_the_guard_of_its_statement_the_table_still_refuses() {
    let house = House::new().await;
    let unguarded = Settings { guard: Guard::Off, ..Settings::default() };
    let orders = Orders::new(house.db.clone(), house.web.clone(), unguarded);
    let (ticket, user) = (house.ticket(1).await, house.buyer.user);
    let wish = || crate::Reserve { user, ticket, quantity: 1, key: None };
    orders.reserve(wish()).await.unwrap();
    assert_eq!(orders.reserve(wish()).await.unwrap_err().kind, kernel::Kind::Internal);
    house.assert_capacity_adds_up().await;
}

/// What somebody has not paid when they are deleted is let go as if they had done it; what they bought stays.
#[tokio::test]
async fn a_deleted_buyer_lets_go_what_is_not_paid_and_keeps_what_is() {
    let house = House::new().await;
    let ticket = house.ticket(10).await;
    let (paid, _) = house.paid(ticket, 1).await;
    let held = house.reserve(ticket, 2).await.order();
    let paying = house.reserve(ticket, 3).await.order();
    let mut payment = house.begin_payment(paying).await;
    let stranger = house.stranger();
    let other = house.post(Some(&stranger), "/api/orders", &json!({ "ticketId": ticket })).await.order();
    house.hear(deleted(house.buyer.user)).await;
    house.hear(deleted(house.buyer.user)).await;
    house.hear(deleted(house.seller.user)).await;

    for (order, status) in [
        (paid, OrderStatus::Complete),
        (held, OrderStatus::Cancelled),
        (paying, OrderStatus::Cancelled),
        (other, OrderStatus::Created),
    ] {
        assert_eq!(house.standing(order).await.0, status);
    }
    let Some(Event::OrderCancelled(last)) = house.published("order:cancelled").await else { panic!() };
    assert_eq!((last.id, last.reason), (paying, Some(contracts::CancelReason::Buyer)));
    let copy = &verify::ticket_copies_after(&house.db, None, 1).await.unwrap()[0];
    assert_eq!(copy.taken, 2, "what was bought, and what somebody else holds");

    house.settle(&mut payment, PaymentStatus::Captured).await;
    assert_eq!(house.standing(paying).await.0, OrderStatus::Cancelled);
    let Some(Event::OrderUpdated(order)) = house.published("order:updated").await else { panic!() };
    assert_eq!((order.id, order.refund), (paying, Some(payment.id)), "money that was in flight goes back");

    // Who runs the house does for both what neither of them can any more.
    let code = &house.codes(paid).await[0];
    assert_eq!(house.redeem(Some(&house.operator()), code).await.status, 200);
    house.assert_capacity_adds_up().await;
}

/// A transaction has its time: of a great many holds the last end by themselves.
fn deleted(user: UserId) -> Event {
    Event::UserDeleted(UserState {
        id: user,
        version: 1,
        email: None,
        username: None,
        role: Role::User,
        change: 0,
        former_email: None,
        former_username: None,
    })
}

#[tokio::test]
async fn a_deleted_buyer_s_holds_end_a_thousand_at_once() {
    let house = House::new().await;
    let ticket = house.ticket(1_010).await;
    let mut orders = Vec::new();
    for _ in 0..1_005 {
        orders.push(house.reserve(ticket, 1).await.order());
    }
    house.hear(deleted(house.buyer.user)).await;
    assert_eq!(house.standing(orders[999]).await.0, OrderStatus::Cancelled);
    assert_eq!(house.standing(orders[1_000]).await.0, OrderStatus::Created);
    house.hold_ends(orders[1_000]).await;
    assert_eq!(house.standing(orders[1_000]).await.0, OrderStatus::Cancelled);
    house.assert_capacity_adds_up().await;
}
