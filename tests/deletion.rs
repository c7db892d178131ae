//! What a deletion does, over all services: the account ends at once, and within moments nothing of a seller is for
//! sale and nothing that a buyer did not pay is held; what was bought is bought.

use serde_json::{Value, json};
use testkit::{Client, Installation, Topology, eventually};

use crate::BINARY;
use crate::journey::{hold, left, order_is, pay};

async fn operator(house: &Installation) -> Client {
    let arguments = ["user", "create", "--email", "boss@example.com", "--operator"];
    let created = house.processes[0].command(&arguments, "a long password\n").await;
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    let mut boss = house.client();
    boss.sign_in("boss@example.com").await;
    boss
}

fn id_of(order: &Value) -> String {
    order["id"].as_str().unwrap().to_owned()
}

/// A complete order; answers its id and its code.
async fn bought(buyer: &Client, ticket: &str) -> (String, String) {
    let order = id_of(&hold(buyer, ticket, 1).await);
    pay(buyer, &order).await;
    let complete = order_is(buyer, &order, "complete").await;
    (order, complete["admissions"][0]["code"].as_str().unwrap().to_owned())
}

/// Waits until nobody can buy a ticket any more, wherever they ask.
async fn is_withdrawn(anyone: &Client, ticket: &str) {
    left(anyone, ticket, 0).await;
    let listed = anyone.get("/api/tickets").await.expect(200).json;
    assert!(listed.as_array().unwrap().iter().all(|one| one["id"] != *ticket), "{listed}");
    eventually("orders sells it no more", async || {
        let answer = anyone.post("/api/orders", json!({"ticketId": ticket})).await;
        if answer.status == 201 {
            anyone.delete(&format!("/api/orders/{}", answer.text_of("id"))).await.expect(204);
        }
        (answer.message() == "Ticket is no longer on sale").then_some(())
    })
    .await;
}

async fn delete_a_seller_and_a_buyer(topology: Topology) {
    let Some(house) = Installation::start(BINARY, topology, &[]).await else { return };
    let boss = operator(&house).await;
    let [mut seller, mut other, mut buyer, mut friend] = [(); 4].map(|()| house.client());
    let leaving = seller.sign_up("seller@example.com").await.text_of("id");
    other.sign_up("other@example.com").await;
    let gone = buyer.sign_up("buyer@example.com").await.text_of("id");
    friend.sign_up("friend@example.com").await;
    let show = seller.list_ticket("Metropolis", "20", 5).await;
    let second = seller.list_ticket("Nosferatu", "20", 1).await;
    let stays = other.list_ticket("Faust", "20", 5).await;
    let (order, code) = bought(&friend, &show).await;
    let (regretted, _) = bought(&friend, &show).await;

    boss.delete(&format!("/api/users/{leaving}")).await.expect(204);
    // Until the last process has heard of it, they may list what is withdrawn a moment later.
    let mut withdrawn = vec![show, second];
    eventually("their session is over everywhere", async || {
        let answer = seller.post("/api/tickets", json!({"title": "At last", "price": 1})).await;
        if answer.status == 201 {
            withdrawn.push(answer.text_of("id"));
        }
        (answer.status == 401).then_some(())
    })
    .await;
    for ticket in &withdrawn {
        is_withdrawn(&friend, ticket).await;
    }
    left(&friend, &stays, 5).await;
    // The operators do for their buyers what they cannot any more: refund, and admit.
    let payments = friend.get("/api/payments").await.expect(200).json;
    let of = |payment: &&Value| payment["orderId"] == *regretted;
    let payment = payments.as_array().unwrap().iter().find(of).unwrap()["id"].as_str().unwrap().to_owned();
    boss.post(&format!("/api/payments/{payment}/refund"), json!({})).await.expect(200);
    order_is(&friend, &regretted, "cancelled").await;
    boss.post(&format!("/api/admissions/{code}/redeem"), json!({})).await.expect(200);
    assert_eq!(friend.get(&format!("/api/orders/{order}")).await.json["status"], "complete");

    let (_, code) = bought(&buyer, &stays).await;
    hold(&buyer, &stays, 3).await;
    left(&friend, &stays, 1).await;
    boss.delete(&format!("/api/users/{gone}")).await.expect(204);
    left(&friend, &stays, 4).await;
    hold(&friend, &stays, 4).await;
    other.post(&format!("/api/admissions/{code}/redeem"), json!({})).await.expect(200);

    // Nothing of theirs is in the way of who comes after them.
    for email in ["seller@example.com", "buyer@example.com"] {
        let wrong = json!({"email": email, "password": "a long password"});
        house.client().post("/api/users/signin", wrong).await.expect(400);
        house.client().sign_up(email).await;
    }
    house.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_one_process() {
    delete_a_seller_and_a_buyer(Topology::One).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_process_per_service() {
    delete_a_seller_and_a_buyer(Topology::Apart).await;
}
