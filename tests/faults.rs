//! The faults of the public course's code, each with the test that would have caught it. Two buyers at
//! once are in `race.rs`, a crash between save and publish in `crates/events` and `crashes.rs`.

use std::time::Duration;

use kernel::{Clock, Instant};
use serde_json::json;
use testkit::{App, Client, eventually};

use crate::journey::{left, order_is};

const HOLD: Duration = Duration::from_secs(900);

/// An app whose clock the test drives, with a seller, and two buyers.
async fn house() -> (App, Clock, Client, Client, Client) {
    let clock = Clock::manual(Instant::parse("2026-11-21T12:00:00Z").unwrap());
    let app = App::with(|settings| settings.clock = clock.clone()).await;
    let mut people = [app.client(), app.client(), app.client()];
    for (person, email) in people.iter_mut().zip(["seller@example.com", "a@example.com", "b@example.com"]) {
        person.sign_up(email).await;
    }
    let [seller, a, b] = people;
    (app, clock, seller, a, b)
}

async fn hold(buyer: &Client, ticket: &str) -> String {
    buyer.post("/api/orders", json!({"ticketId": ticket})).await.expect(201).text_of("id")
}

async fn payment_is(buyer: &Client, order: &str, status: &str) {
    eventually(&format!("the payment of {order} is {status}"), async || {
        let payments = buyer.get("/api/payments?order=desc").await.json;
        let found = payments.as_array()?.iter().find(|p| p["orderId"] == order)?.clone();
        (found["status"] == status).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_expiry_does_not_clear_somebody_elses_hold() {
    let (_app, clock, seller, a, b) = house().await;
    let ticket = seller.list_ticket("The box", "100", 1).await;
    let first = hold(&a, &ticket).await;
    a.delete(&format!("/api/orders/{first}")).await.expect(204);
    clock.advance(HOLD - Duration::from_secs(10));
    let second = hold(&b, &ticket).await;
    clock.advance(Duration::from_secs(20)); // the first hold would have ended; the second has not
    let third = hold(&a, &seller.list_ticket("Another", "1", 1).await).await;
    order_is(&a, &third, "created").await;
    assert_eq!(b.get(&format!("/api/orders/{second}")).await.json["status"], "created");
    clock.advance(HOLD);
    order_is(&b, &second, "cancelled").await;
    left(&a, &ticket, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_paid_order_gives_the_money_back_once_and_frees_the_ticket() {
    let (app, _clock, seller, a, b) = house().await;
    let ticket = seller.list_ticket("The box", "100", 1).await;
    let order = hold(&a, &ticket).await;
    let payment = a
        .post("/api/payments", json!({"orderId": order, "token": "tok_visa"}))
        .await
        .expect(201)
        .text_of("id");
    order_is(&a, &order, "complete").await;
    for _ in 0..3 {
        a.delete(&format!("/api/orders/{order}")).await.expect(204);
    }
    payment_is(&a, &order, "refunded").await;
    for _ in 0..2 {
        assert_eq!(
            seller.post(&format!("/api/payments/{payment}/refund"), json!({})).await.expect(200).json["status"],
            "refunded"
        );
    }
    hold(&b, &ticket).await;
    let gateway = app.running.house.payments().unwrap().gateway();
    let totals = gateway.as_test().unwrap().ledger_totals().await.unwrap();
    assert_eq!(format!("{totals:?}").matches("10000").count(), 2, "charged once, refunded once: {totals:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_paid_once_and_a_cancelled_one_never() {
    let (_app, _clock, seller, a, b) = house().await;
    let ticket = seller.list_ticket("Sunrise", "20", 5).await;
    let order = hold(&a, &ticket).await;
    let pay = json!({"orderId": order, "token": "tok_visa"});
    b.post("/api/payments", pay.clone()).await.expect(401);
    a.post("/api/payments", pay.clone()).await.expect(201);
    assert_eq!(a.post("/api/payments", pay).await.expect(400).message(), "Order is already paid");
    let other = hold(&a, &ticket).await;
    a.delete(&format!("/api/orders/{other}")).await.expect(204);
    eventually("payments has heard of it", async || {
        let answer = a.post("/api/payments", json!({"orderId": other, "token": "tok_visa"})).await;
        (answer.status == 400 && answer.message() == "Cannot pay for a cancelled order").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declined_card_keeps_the_hold_and_allows_another_try() {
    let (_app, _clock, seller, a, _) = house().await;
    let ticket = seller.list_ticket("Sunrise", "20", 5).await;
    let order = hold(&a, &ticket).await;
    a.post("/api/payments", json!({"orderId": order, "token": "tok_chargeDeclined"})).await.expect(402);
    a.post("/api/payments", json!({"orderId": order, "token": "tok_visa"})).await.expect(201);
    order_is(&a, &order, "complete").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_is_exact() {
    let (_app, _clock, seller, a, _) = house().await;
    let ticket = seller.list_ticket("Cents", "0.07", 10).await;
    let order = a.post("/api/orders", json!({"ticketId": ticket, "quantity": 7})).await.expect(201);
    assert_eq!(order.json["amount"], json!(0.49));
    assert!(order.text.contains("\"amount\":0.49"), "{}", order.text);
    for price in
        [json!(-1), json!(0), json!(19.999), json!("NaN"), json!(1_000_001), json!(null), json!("1e3")]
    {
        seller.post("/api/tickets", json!({"title": "x", "price": price})).await.expect(400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_is_one_account_whatever_its_case_and_sign_in_tells_nobody() {
    let (app, ..) = house().await;
    let anyone = app.client();
    let again = json!({"email": "A@Example.COM", "password": "a long password"});
    assert_eq!(anyone.post("/api/users/signup", again.clone()).await.expect(400).message(), "Email in use");
    anyone.post("/api/users/signin", again).await.expect(200);
    let wrong = async |email: &str| {
        anyone
            .post("/api/users/signin", json!({"email": email, "password": "not my password"}))
            .await
            .expect(400)
            .json["errors"]
            .clone()
    };
    assert_eq!(wrong("a@example.com").await, wrong("nobody@example.com").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_used_again_gets_the_first_answer_and_acts_once() {
    let (_app, _clock, seller, a, _) = house().await;
    let ticket = seller.list_ticket("Sunrise", "20", 100).await;
    let send = async |quantity: i64| {
        let request = a.request(reqwest::Method::POST, "/api/orders").header("idempotency-key", "k1");
        a.try_send(request.json(&json!({"ticketId": ticket, "quantity": quantity}))).await.unwrap()
    };
    let (one, two, three) = tokio::join!(send(2), send(2), send(2));
    assert_eq!((one.expect(201).text, three.expect(201).text), (two.clone().expect(201).text, two.text));
    send(3).await.expect(422);
    left(&a, &ticket, 98).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_ends_the_session_at_once_and_for_good() {
    let (_app, _clock, _seller, a, _) = house().await;
    a.get("/api/orders").await.expect(200);
    a.post("/api/users/signout", json!({})).await.expect(200);
    a.get("/api/orders").await.expect(401);
}
