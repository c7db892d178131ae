//! The path that a seller and a buyer walk, by API, from an empty installation, and again with kill -9 after
//! every step; in three topologies.

use serde_json::json;
use testkit::{Client, Installation, Topology, eventually};

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

/// The whole path, once as it is, and once with kill -9 to every process between two steps.
async fn walk(mut house: Installation) {
    let (mut seller, mut buyer) = (house.client(), house.client());
    seller.sign_up("seller@example.com").await;
    buyer.sign_up("buyer@example.com").await;
    for kill in [false, true] {
        let step = async |house: &mut Installation, seller: &mut Client, buyer: &mut Client| {
            if kill {
                house.kill_and_resume().await;
                *seller = seller.at(house.base());
                *buyer = buyer.at(house.base());
            }
        };
        step(&mut house, &mut seller, &mut buyer).await;
        let ticket = seller.list_ticket("Metropolis", "19.99", 3).await;
        step(&mut house, &mut seller, &mut buyer).await;
        let order = hold(&buyer, &ticket, 2).await;
        assert_eq!((&order["amount"], &order["status"]), (&json!(39.98), &json!("created")));
        let order = order["id"].as_str().unwrap().to_string();
        step(&mut house, &mut seller, &mut buyer).await;
        left(&buyer, &ticket, 1).await;
        pay(&buyer, &order).await;
        step(&mut house, &mut seller, &mut buyer).await;
        let complete = order_is(&buyer, &order, "complete").await;
        let codes: Vec<&str> =
            complete["admissions"].as_array().unwrap().iter().map(|a| a["code"].as_str().unwrap()).collect();
        assert_eq!(codes.len(), 2);
        step(&mut house, &mut seller, &mut buyer).await;
        let redeem = format!("/api/admissions/{}/redeem", codes[0]);
        buyer.post(&redeem, json!({})).await.expect(401);
        assert_eq!(seller.post(&redeem, json!({})).await.expect(200).json["title"], "Metropolis");
        step(&mut house, &mut seller, &mut buyer).await;
        assert!(
            seller.post(&redeem, json!({})).await.expect(409).message().starts_with("Already redeemed at")
        );
        buyer.delete(&format!("/api/orders/{order}")).await.expect(409);
        let sales = seller.get("/api/sales?order=desc&limit=1").await.expect(200);
        assert_eq!((&sales.json[0]["orderId"], &sales.json[0]["amount"]), (&json!(order), &json!(39.98)));
        house.verify().await;
    }
    for process in &mut house.processes {
        assert!(process.terminate().await.success());
    }
}

/// Holds a ticket that orders may not have heard of yet: over a bus that was killed with everything else it
/// may take longer than the quarter of a second for which a request waits.
pub async fn hold(buyer: &Client, ticket: &str, quantity: i64) -> serde_json::Value {
    eventually("the ticket can be held", async || {
        let answer = buyer.post("/api/orders", json!({"ticketId": ticket, "quantity": quantity})).await;
        (answer.status != 404).then(|| answer.expect(201).json)
    })
    .await
}

/// Pays for an order that payments may not have heard of yet.
pub async fn pay(buyer: &Client, order: &str) {
    eventually("the order can be paid", async || {
        let answer = buyer.post("/api/payments", json!({"orderId": order, "token": "tok_visa"})).await;
        (answer.status != 404).then(|| answer.expect(201))
    })
    .await;
}

/// A session that one process ends is over in all of them, within a second.
async fn sign_out_is_heard_everywhere(house: &Installation) {
    let mut person = house.client();
    person.sign_up("leaving@example.com").await;
    let ask = async |process: &testkit::Process| {
        // An unknown ticket: whose session is known gets as far as that.
        let asked = json!({"ticketId": "01980000-0000-7000-8000-000000000000"});
        person.at(process.base().into()).post("/api/orders", asked).await.status.as_u16()
    };
    let orders: Vec<_> = match house.processes.len() {
        8 => house.processes.iter().skip(2).take(1).collect(),
        _ => house.processes.iter().collect(),
    };
    for process in &orders {
        assert_eq!(ask(process).await, 404);
    }
    person.post("/api/users/signout", json!({})).await.expect(200);
    let started = std::time::Instant::now();
    for process in &orders {
        eventually("the session is over", async || (ask(process).await == 401).then_some(())).await;
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_one_process_on_embedded_engines() {
    walk(Installation::start(BINARY, Topology::One, &[]).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_three_copies_of_the_whole() {
    let Some(house) = Installation::start(BINARY, Topology::Copies(3), &[]).await else { return };
    sign_out_is_heard_everywhere(&house).await;
    walk(house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_process_per_service() {
    let Some(house) = Installation::start(BINARY, Topology::Apart, &[]).await else { return };
    sign_out_is_heard_everywhere(&house).await;
    walk(house).await;
}

/// A hold outlives a restart of everything, and ends in time.
async fn end_a_hold(mut house: Installation) {
    let mut seller = house.client();
    seller.sign_up("seller@example.com").await;
    let ticket = seller.list_ticket("Nosferatu", "5", 1).await;
    let order = hold(&seller, &ticket, 1).await["id"].as_str().unwrap().to_string();
    house.kill_and_resume().await;
    let seller = seller.at(house.base());
    order_is(&seller, &order, "cancelled").await;
    left(&seller, &ticket, 1).await;
    let late = seller.post("/api/payments", json!({"orderId": order, "token": "tok_visa"})).await;
    assert_eq!(late.expect(400).message(), "Order has expired");
    house.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_outlives_a_restart_and_ends_in_time() {
    for topology in [Topology::One, Topology::Copies(3), Topology::Apart] {
        if let Some(house) = Installation::start(BINARY, topology, &["--hold-seconds", "3"]).await {
            end_a_hold(house).await;
        }
    }
}
