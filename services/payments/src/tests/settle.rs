//! Between the two transactions anything may stop: crashes, a gateway that is away, and holds that end.

use super::*;
use crate::gateway::test::Moment;
use crate::gateway::{Attempt, Outcome};
use crate::model::Refusal;
use db::Recall;

const LATER: Duration = Duration::from_secs(16);

impl House {
    /// A payment as a process left it that died after the first transaction.
    async fn begun(&self, order: &OrderState, name: &str) -> (PaymentId, IdempotencyKey) {
        let (id, key) = (PaymentId::new(&self.clock), key(self, name));
        self.payments.begin(id, order.id, Some(&key)).await.unwrap();
        (id, key)
    }

    async fn charge(&self, id: PaymentId, order: &OrderState, token: &str) -> Outcome {
        let attempt = Attempt { payment: id, amount: order.amount, currency: "usd", begun: self.clock.now() };
        self.payments.gateway().charge(attempt, token).await.unwrap()
    }

    async fn recall(&self, key: &IdempotencyKey) -> Recall {
        self.db.recall(key).await.unwrap()
    }
}

#[tokio::test]
async fn a_crash_before_the_gateway_voids_the_payment_for_ever() {
    let house = House::new().await;
    let order = house.order().await;
    let (id, key) = house.begun(&order, "k").await;
    assert_eq!(house.recall(&key).await, Recall::Running);
    let restarted = house.another();
    restarted.settle_due().await.unwrap();
    assert_eq!(house.status(id).await, PaymentStatus::Pending, "somebody may be at work on it");
    house.clock.advance(LATER);
    restarted.settle_due().await.unwrap();
    assert_eq!(house.status(id).await, PaymentStatus::Failed);
    assert_eq!(house.recall(&key).await, Recall::Unknown, "sent again, it is tried again");
    // The request of the dead process arrives at the gateway after all.
    assert_eq!(house.charge(id, &order, "tok_visa").await, Outcome::Refused(Refusal::Void));
    assert_eq!(house.test.ledger_totals().await.unwrap().charges, 0);
    house.pay(order.id, "tok_visa").await.payment();
    house.assert_books_balance().await;
}

#[tokio::test]
async fn a_crash_after_the_gateway_keeps_what_it_did() {
    let house = House::new().await;
    for (name, token, status) in
        [("a", "tok_visa", PaymentStatus::Captured), ("b", "tok_chargeDeclined", PaymentStatus::Failed)]
    {
        let order = house.order().await;
        let (id, key) = house.begun(&order, name).await;
        house.charge(id, &order, token).await;
        house.clock.advance(LATER);
        house.another().settle_due().await.unwrap();
        house.another().settle_due().await.unwrap();
        assert_eq!(house.status(id).await, status);
        assert_eq!(house.published(id).await.len(), 2, "once");
        let Recall::Answer(answer) = house.recall(&key).await else { panic!("the request has its answer") };
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        match status {
            PaymentStatus::Captured => assert_eq!((answer.status, body), (201, json!({ "id": id }))),
            _ => assert_eq!((answer.status, &body["detail"]), (402, &json!("Your card was declined"))),
        }
    }
    assert_eq!(house.test.ledger_totals().await.unwrap().charges, 1);
    house.assert_books_balance().await;
}

#[tokio::test]
async fn a_request_whose_process_died_finds_its_answer() {
    let house = House::new().await;
    let order = house.order().await;
    house.test.rehearsal().lose_answers(true);
    let lost = house.pay_once(order.id, "tok_visa", "k").await;
    assert_eq!(lost.status, 503);
    assert!(lost.headers.contains_key("retry-after"));
    house.test.rehearsal().lose_answers(false);
    let waiting = house.on_its_way(house.paying(order.id, "tok_visa", Some("k")));
    house.clock.advance(LATER);
    house.payments.settle_due().await.unwrap();
    let id = waiting.await.unwrap().payment();
    assert_eq!(house.status(id).await, PaymentStatus::Captured);
    assert_eq!(house.entries().await.len(), 1);
}

#[tokio::test]
async fn while_the_gateway_is_away_nothing_is_decided() {
    let house = House::new().await;
    let order = house.order().await;
    house.test.rehearsal().set_away(true);
    let reply = house.pay_once(order.id, "tok_visa", "k").await;
    assert_eq!(reply.status, 503);
    assert!(reply.headers.contains_key("retry-after"));
    assert!(!reply.body.to_string().contains("gateway"), "{}", reply.body);
    house.clock.advance(LATER);
    assert!(house.payments.settle_due().await.unwrap_err().is_transient());
    let id = house.payments.payment_of(order.id).await.unwrap().unwrap().id;
    assert_eq!(house.status(id).await, PaymentStatus::Pending);
    assert_eq!(house.pay(order.id, "tok_visa").await.status, 409);
    house.test.rehearsal().set_away(false);
    house.payments.settle_due().await.unwrap();
    assert_eq!(house.status(id).await, PaymentStatus::Failed);
    let again = house.pay_once(order.id, "tok_visa", "k").await;
    assert_ne!(again.payment(), id, "the key is free for another try");
    house.assert_books_balance().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_takes_too_long_is_settled_later() {
    let bound = Duration::from_millis(300);
    for (moment, end) in [(Moment::Asked, PaymentStatus::Failed), (Moment::Charged, PaymentStatus::Captured)]
    {
        let house = House::with(Settings { gateway_bound: bound, ..Settings::default() }).await;
        let order = house.order().await;
        let gate = house.test.rehearsal().hold(moment);
        assert_eq!(house.pay(order.id, "tok_visa").await.status, 503);
        house.clock.advance(LATER);
        house.payments.settle_due().await.unwrap();
        let payment = house.payments.payment_of(order.id).await.unwrap().unwrap();
        assert_eq!(payment.status, end);
        drop(gate);
        let charged = house.charge(payment.id, &order, "tok_visa").await;
        assert_eq!(charged == Outcome::Charged, end == PaymentStatus::Captured);
        house.assert_books_balance().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery_leaves_a_live_charge_alone_until_its_hold_ends() {
    let house = House::new().await;
    let order = house.order().await;
    let gate = house.test.rehearsal().hold(Moment::Asked);
    let paying = house.on_its_way(house.paying(order.id, "tok_visa", None));
    gate.arrived().await;
    let id = house.payments.payment_of(order.id).await.unwrap().unwrap().id;
    house.clock.advance(LATER);
    house.payments.settle_due().await.unwrap();
    assert_eq!(house.status(id).await, PaymentStatus::Pending);
    house.hold_ends(&order).await;
    house.payments.settle_due().await.unwrap();
    assert_eq!(house.status(id).await, PaymentStatus::Failed);
    gate.open();
    let reply = paying.await.unwrap();
    assert_eq!((reply.status, reply.message()), (402, Refusal::Void.sentence()));
    assert_eq!(house.test.ledger_totals().await.unwrap().charges, 0);
    house.assert_books_balance().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_ends_after_the_charge_finds_the_money() {
    let house = House::new().await;
    let order = house.order().await;
    let gate = house.test.rehearsal().hold(Moment::Charged);
    let paying = house.on_its_way(house.paying(order.id, "tok_visa", Some("k")));
    gate.arrived().await;
    house.hold_ends(&order).await;
    house.payments.settle_due().await.unwrap();
    let payment = house.payments.payment_of(order.id).await.unwrap().unwrap();
    assert_eq!(payment.status, PaymentStatus::Captured);
    gate.open();
    assert_eq!(paying.await.unwrap().payment(), payment.id, "who comes second learns the outcome");
    assert_eq!(house.published(payment.id).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_hold_wakes_the_job() {
    let hour = Duration::from_secs(3600);
    let house = House::with(Settings { period: hour, ..Settings::default() }).await;
    let (order, waiting) = (house.order().await, house.order().await);
    for job in house.payments.jobs() {
        tokio::spawn((job.run)(house.web.shutdown().clone()));
    }
    let (stuck, _) = house.begun(&order, "a").await;
    let (young, _) = house.begun(&waiting, "b").await;
    house.hold_ends(&order).await;
    until("settled", async || house.status(stuck).await == PaymentStatus::Failed).await;
    assert_eq!(house.status(young).await, PaymentStatus::Pending);
    house.web.shutdown().cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_charges_and_settlements_race_the_books_balance() {
    const CROWD: usize = 60;
    let house = House::new().await;
    let gate = house.test.rehearsal().hold(Moment::Asked);
    let mut crowd = Vec::new();
    for n in 0..CROWD {
        let order = house.order().await;
        let token = if n % 5 == 0 { "tok_chargeDeclined" } else { "tok_visa" };
        let paying = house.on_its_way(house.paying(order.id, token, Some(&format!("k{n}"))));
        gate.arrived().await;
        house.hold_ends(&order).await;
        crowd.push((order.id, paying));
    }
    // Two processes settle from the front, and in the midst of it the charges go through.
    let settling = [house.another(), house.another()]
        .map(|process| tokio::spawn(async move { process.settle_due().await.unwrap() }));
    until("settling", async || house.entries().await.len() > CROWD / 6).await;
    gate.open();
    for settled in settling {
        settled.await.unwrap();
    }
    let mut paid = 0;
    for (order, paying) in crowd {
        let reply = paying.await.unwrap();
        let payment = house.payments.payment_of(order).await.unwrap().unwrap();
        let expected = if reply.status == 201 { PaymentStatus::Captured } else { PaymentStatus::Failed };
        assert!(matches!(reply.status, 201 | 402), "{} {}", reply.status, reply.body);
        assert_eq!((payment.status, payment.version), (expected, 1), "the client was told what is so");
        assert_eq!(house.published(payment.id).await.len(), 2);
        paid += i64::from(reply.status == 201);
    }
    let totals = house.test.ledger_totals().await.unwrap();
    assert_eq!((totals.charges, totals.charged), (paid, Money::from_minor(paid * 3998)));
    assert!(paid < 48, "some came too late");
    house.assert_books_balance().await;
}
