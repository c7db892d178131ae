//! Counters hear the house: units sold and refunded, each once, whatever is killed meanwhile.

use serde_json::json;
use testkit::{Client, Installation, Topology, eventually};

use super::value;
use crate::BINARY;
use crate::journey::{hold, order_is, pay};

/// Waits until this much was sold and refunded, in all and of a ticket.
async fn sales_are(client: &Client, ticket: &str, sold: i64, refunded: i64) {
    eventually(&format!("{sold} are sold, {refunded} refunded"), async || {
        let mut found = Vec::new();
        for key in ["marquee:sold", "marquee:refunded"] {
            found.push(value(client, key).await);
            found.push(value(client, &format!("{key}:{ticket}")).await);
        }
        (found == [sold, sold, refunded, refunded]).then_some(())
    })
    .await;
}

async fn buy(buyer: &Client, ticket: &str, quantity: i64) -> String {
    let order = hold(buyer, ticket, quantity).await["id"].as_str().unwrap().to_owned();
    pay(buyer, &order).await;
    order
}

async fn sell_and_take_back(mut house: Installation) {
    let (mut seller, mut buyer) = (house.client(), house.client());
    seller.sign_up("seller@example.com").await;
    buyer.sign_up("buyer@example.com").await;
    let ticket = seller.list_ticket("Metropolis", "10", 100).await;
    let first = buy(&buyer, &ticket, 2).await;
    order_is(&buyer, &first, "complete").await;
    sales_are(&buyer, &ticket, 2, 0).await;

    // Killed before anybody can have heard of it; and one that is given up is none.
    let second = buy(&buyer, &ticket, 3).await;
    house.kill_and_resume().await;
    let buyer = buyer.at(house.base());
    let given_up = hold(&buyer, &ticket, 5).await["id"].as_str().unwrap().to_owned();
    buyer.delete(&format!("/api/orders/{given_up}")).await.expect(204);
    sales_are(&buyer, &ticket, 5, 0).await;

    buyer.delete(&format!("/api/orders/{second}")).await.expect(204);
    house.kill_and_resume().await;
    let (buyer, seller) = (buyer.at(house.base()), seller.at(house.base()));
    sales_are(&buyer, &ticket, 5, 3).await;
    // The seller gives the other one back, and is asked to twice.
    let payments = buyer.get("/api/payments").await.json;
    let payment = payments.as_array().unwrap().iter().find(|payment| payment["orderId"] == first).unwrap();
    let refund = format!("/api/payments/{}/refund", payment["id"].as_str().unwrap());
    for _ in 0..2 {
        seller.post(&refund, json!({})).await.expect(200);
    }
    sales_are(&buyer, &ticket, 5, 5).await;
    house.kill_and_resume().await;
    house.verify().await;
    sales_are(&buyer.at(house.base()), &ticket, 5, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sold_and_refunded_is_counted_once() {
    sell_and_take_back(Installation::start(BINARY, Topology::One, &[]).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_by_two_copies_and_by_a_process_per_service() {
    for topology in [Topology::Copies(2), Topology::Apart] {
        let Some(house) = Installation::start(BINARY, topology, &[]).await else { return };
        sell_and_take_back(house).await;
    }
}
