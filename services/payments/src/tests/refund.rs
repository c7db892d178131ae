//! Giving money back, once; and what `verify` makes of the books.

use super::*;
use crate::gateway::Attempt;
use futures_util::future::join_all;

impl House {
    async fn paid(&self) -> (OrderState, PaymentId) {
        let mut order = self.order().await;
        let id = self.pay(order.id, "tok_visa").await.payment();
        self.moved(&mut order, |order| {
            order.status = OrderStatus::Complete;
            order.payment_id = Some(id);
        })
        .await;
        (order, id)
    }

    async fn refunded(&self) -> Money {
        self.test.ledger_totals().await.unwrap().refunded
    }

    async fn listed(&self) -> Value {
        self.get(Some(&self.buyer), "/api/payments").await.body[0]["status"].clone()
    }
}

#[tokio::test]
async fn orders_alone_decides_and_the_money_goes_back_once() {
    let house = House::new().await;
    let (mut order, id) = house.paid().await;
    house
        .moved(&mut order, |order| {
            cancel(CancelReason::Buyer)(order);
            order.refund = Some(id);
        })
        .await;
    assert_eq!(house.listed().await, "captured", "asked back, and not back yet");
    house.assert_books_balance().await;
    house.payments.refund_due().await.unwrap();
    house.another().refund_due().await.unwrap();
    assert_eq!(house.listed().await, "refunded");
    assert_eq!(house.refunded().await, order.amount);
    let states: Vec<_> =
        house.published(id).await.iter().map(|s| (s.version, s.status, s.refund_requested)).collect();
    use PaymentStatus::{Captured, Pending, Refunded};
    assert_eq!(states, [(0, Pending, false), (1, Captured, false), (2, Captured, true), (3, Refunded, true)]);
    // The same event again, as at-least-once delivery has it.
    house.hear(Event::OrderCancelled(order.clone())).await;
    // And a later one that asks again, which orders would not send.
    house.moved(&mut order, |order| order.refund = Some(id)).await;
    house.payments.refund_due().await.unwrap();
    assert_eq!(house.published(id).await.len(), 4);
    assert_eq!(house.pay(order.id, "tok_visa").await.message(), "Cannot pay for a cancelled order");
    house.assert_books_balance().await;
}

#[tokio::test]
async fn what_waits_is_counted_and_the_oldest_is_known() {
    let house = House::new().await;
    let waits = async || {
        house.payments.observe().await.unwrap();
        crate::store::pending(&house.db).await.unwrap()
    };
    assert_eq!(waits().await, (0, None, 0));
    let begun = house.clock.now();
    for _ in 0..2 {
        let order = house.order().await;
        house.payments.begin(PaymentId::new(&house.clock), order.id, None).await.unwrap();
        house.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(waits().await, (2, Some(begun), 0));
    let (mut order, id) = house.paid().await;
    house
        .moved(&mut order, |order| {
            cancel(CancelReason::Buyer)(order);
            order.refund = Some(id);
        })
        .await;
    assert_eq!(waits().await, (2, Some(begun), 1));
    house.payments.refund_due().await.unwrap();
    assert_eq!(waits().await, (2, Some(begun), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_rings_the_job() {
    let hour = Duration::from_secs(3600);
    let house = House::with(Settings { period: hour, ..Settings::default() }).await;
    for job in house.payments.jobs() {
        tokio::spawn((job.run)(house.web.shutdown().clone()));
    }
    let (mut order, id) = house.paid().await;
    house.moved(&mut order, |order| order.refund = Some(id)).await;
    until("refunded", async || house.status(id).await == PaymentStatus::Refunded).await;
    house.web.shutdown().cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_ask_at_once_it_is_refunded_once() {
    let house = House::new().await;
    let (mut order, id) = house.paid().await;
    let path = format!("/api/payments/{id}/refund");
    let operator = house.session(Role::Operator);
    let asking: Vec<_> = (0..20)
        .map(|n| {
            let who = if n % 2 == 0 { &house.seller } else { &operator };
            let key = (n % 4 == 0).then_some("k");
            house.on_its_way(house.request(Some(who), key, &path, &json!({})))
        })
        .collect();
    let another = house.another();
    let (replies, (), job) = futures_util::join!(
        join_all(asking),
        house.moved(&mut order, |order| order.refund = Some(id)),
        another.refund_due()
    );
    job.unwrap();
    for reply in replies.into_iter().map(Result::unwrap) {
        assert_eq!((reply.status, &reply.body["status"]), (200, &json!("refunded")), "{}", reply.body);
        assert_eq!(reply.body["id"], json!(id));
    }
    assert_eq!(house.refunded().await, order.amount);
    assert_eq!(house.published(id).await.len(), 4);
    house.assert_books_balance().await;
}

#[tokio::test]
async fn only_the_seller_and_operators_may() {
    let house = House::new().await;
    let (_, id) = house.paid().await;
    let (other, operator) = (house.session(Role::User), house.session(Role::Operator));
    for (who, status) in [(None, 401), (Some(&house.buyer), 401), (Some(&other), 401)] {
        assert_eq!(house.refund(who, id).await.status, status);
    }
    let unknown = PaymentId::new(&house.clock);
    assert_eq!(house.refund(Some(&operator), unknown).await.status, 404);
    let malformed = house.request(Some(&operator), None, "/api/payments/1/refund", &json!({}));
    assert_eq!(house.send(malformed).await.status, 404);
    assert_eq!(house.refunded().await, Money::from_minor(0));
    // No body is needed.
    let mut bare = house.request(Some(&operator), None, &format!("/api/payments/{id}/refund"), &json!({}));
    bare.headers_mut().remove("content-type");
    *bare.body_mut() = Body::empty();
    let reply = house.send(bare).await;
    assert_eq!((reply.status, &reply.body["status"]), (200, &json!("refunded")));
}

#[tokio::test]
async fn what_was_not_captured_cannot_be_refunded() {
    let house = House::new().await;
    let (failed, pending) = (house.order().await, house.order().await);
    assert_eq!(house.pay(failed.id, "tok_chargeDeclined").await.status, 402);
    house.test.rehearsal().set_away(true);
    assert_eq!(house.pay(pending.id, "tok_visa").await.status, 503);
    for order in [failed, pending] {
        let id = house.payments.payment_of(order.id).await.unwrap().unwrap().id;
        let reply = house.refund(Some(&house.seller), id).await;
        assert_eq!((reply.status, reply.message()), (409, "Payment cannot be refunded"));
    }
}

#[tokio::test]
async fn a_refund_that_meets_no_gateway_is_done_later() {
    let house = House::new().await;
    let (_, id) = house.paid().await;
    house.test.rehearsal().set_away(true);
    let reply = house.refund(Some(&house.seller), id).await;
    assert_eq!(reply.status, 503);
    assert!(house.payments.refund_due().await.is_err());
    assert_eq!(house.listed().await, "captured");
    house.test.rehearsal().set_away(false);
    // The answer of the first is lost after the money went back.
    house.test.rehearsal().lose_answers(true);
    assert!(house.another().refund_due().await.is_err());
    house.assert_books_balance().await;
    house.test.rehearsal().lose_answers(false);
    house.another().refund_due().await.unwrap();
    assert_eq!(house.refund(Some(&house.seller), id).await.body["status"], "refunded");
    assert_eq!(house.refunded().await, Money::from_minor(3998));
    house.assert_books_balance().await;
}

#[tokio::test]
async fn an_order_that_asks_for_money_nobody_has_is_parked() {
    let house = House::new().await;
    let mut order = house.order().await;
    house.moved(&mut order, |order| order.refund = Some(PaymentId::new(&house.clock))).await;
    let letters = house.payments.subscription().dead_letters().await.unwrap();
    assert!(letters[0].reason.contains("is to be refunded"), "{}", letters[0].reason);
}

#[tokio::test]
async fn verify_finds_what_does_not_add_up() {
    let house = House::new().await;
    let (order, id) = house.paid().await;
    let gateway = Gateway::Test(house.test.clone());
    let found = async || verify::money(&house.db, &gateway).await.unwrap();
    assert_eq!(found().await, (1, vec![]));
    let states = verify::payments_after(&house.db, None, 10).await.unwrap();
    assert_eq!(states.iter().map(|s| s.id).collect::<Vec<_>>(), [id]);
    assert_eq!(verify::payments_after(&house.db, Some(id), 10).await.unwrap(), []);
    let copies = verify::order_copies_after(&house.db, None, 10).await.unwrap();
    let copy =
        verify::OrderCopy { id: order.id, version: 1, status: OrderStatus::Complete, amount: order.amount };
    assert_eq!(copies, [copy]);
    assert_eq!(verify::order_copies_after(&house.db, Some(order.id), 10).await.unwrap(), []);

    let stray = PaymentId::new(&house.clock);
    let attempt = Attempt { payment: stray, amount: order.amount, currency: "usd", begun: house.clock.now() };
    house.payments.gateway().charge(attempt, "tok_visa").await.unwrap();
    let known = Attempt { payment: id, ..attempt };
    house.payments.gateway().refund(known).await.unwrap();
    let forged = "INSERT INTO payments
        (id, version, order_id, user_id, amount, status, refund_requested, refusal, created_at)
        VALUES ($1, 2, $2, $3, 1, 'failed', FALSE, 'declined', 0)";
    let (odd, order) = (&PaymentId::new(&house.clock), &order);
    let forge =
        house.db.write(|tx| async move { tx.execute(forged, &[odd, &order.id, &order.user_id]).await });
    forge.await.unwrap();
    let faults = vec![
        format!("payment {id}: given back, and nobody asked for it"),
        format!("payment {stray}: the gateway knows it and payments does not"),
        format!("payment {odd}: failed at version 2"),
    ];
    assert_eq!(found().await, (2, faults));
}
