//! The path that a seller and a buyer walk, by API, from an empty data directory, and again after kill -9.

use serde_json::json;
use testkit::{Client, Process, eventually};

use crate::BINARY;

/// Waits until an order stands at `status`.
pub async fn order_is(buyer: &Client, order: &str, status: &str) -> serde_json::Value {
    eventually(&format!("order {order} is {status}"), async || {
        let answer = buyer.get(&format!("/api/orders/{order}")).await;
        (answer.json["status"] == status).then_some(answer.json)
    })
    .await
}

/// Waits until a ticket has `available` units left.
pub async fn left(anyone: &Client, ticket: &str, available: i64) {
    eventually(&format!("{available} of {ticket} are left"), async || {
        (anyone.get(&format!("/api/tickets/{ticket}")).await.json["available"] == available).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_sign_up_to_admission_with_a_kill_after_every_step() {
    let mut process = Process::start(BINARY, &[]).await;
    let (mut seller, mut buyer) = (process.client(), process.client());
    seller.sign_up("seller@example.com").await;
    buyer.sign_up("buyer@example.com").await;
    for kill in [false, true] {
        let step = async |process: &mut Process, seller: &mut Client, buyer: &mut Client| {
            if kill {
                process.kill().await;
                process.resume().await;
                *seller = seller.at(process.base().to_string());
                *buyer = buyer.at(process.base().to_string());
            }
        };
        step(&mut process, &mut seller, &mut buyer).await;
        let ticket = seller.list_ticket("Metropolis", "19.99", 3).await;
        step(&mut process, &mut seller, &mut buyer).await;
        let order = buyer.post("/api/orders", json!({"ticketId": ticket, "quantity": 2})).await.expect(201);
        assert_eq!((&order.json["amount"], &order.json["status"]), (&json!(39.98), &json!("created")));
        let order = order.text_of("id");
        step(&mut process, &mut seller, &mut buyer).await;
        left(&buyer, &ticket, 1).await;
        buyer.post("/api/payments", json!({"orderId": order, "token": "tok_visa"})).await.expect(201);
        step(&mut process, &mut seller, &mut buyer).await;
        let complete = order_is(&buyer, &order, "complete").await;
        let codes: Vec<&str> =
            complete["admissions"].as_array().unwrap().iter().map(|a| a["code"].as_str().unwrap()).collect();
        assert_eq!(codes.len(), 2);
        step(&mut process, &mut seller, &mut buyer).await;
        let redeem = format!("/api/admissions/{}/redeem", codes[0]);
        buyer.post(&redeem, json!({})).await.expect(401);
        assert_eq!(seller.post(&redeem, json!({})).await.expect(200).json["title"], "Metropolis");
        step(&mut process, &mut seller, &mut buyer).await;
        assert!(
            seller.post(&redeem, json!({})).await.expect(409).message().starts_with("Already redeemed at")
        );
        buyer.delete(&format!("/api/orders/{order}")).await.expect(409);
        let sales = seller.get("/api/sales?order=desc&limit=1").await.expect(200);
        assert_eq!((&sales.json[0]["orderId"], &sales.json[0]["amount"]), (&json!(order), &json!(39.98)));
        process.verify().await;
    }
    assert!(process.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_outlives_a_restart_and_ends_in_time() {
    let mut process = Process::start(BINARY, &["--hold-seconds", "2"]).await;
    let mut seller = process.client();
    seller.sign_up("seller@example.com").await;
    let ticket = seller.list_ticket("Nosferatu", "5", 1).await;
    let order = seller.post("/api/orders", json!({"ticketId": ticket})).await.expect(201).text_of("id");
    process.kill().await;
    process.resume().await;
    let seller = seller.at(process.base().to_string());
    order_is(&seller, &order, "cancelled").await;
    left(&seller, &ticket, 1).await;
    assert_eq!(
        seller
            .post("/api/payments", json!({"orderId": order, "token": "tok_visa"}))
            .await
            .expect(400)
            .message(),
        "Order has expired"
    );
    process.verify().await;
}
