//! kill -9 under a mixed load: nothing that was acknowledged is lost, nothing is oversold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use testkit::{Client, Process, eventually};

use crate::BINARY;

const KILLS: usize = 10;
const BUYERS: usize = 8;
/// Orders that are load, before each kill.
const ORDERS: usize = 20;
/// How long it runs at least, in milliseconds.
const LOAD: [u64; 5] = [120, 350, 60, 500, 210];

/// What a buyer was told.
#[derive(Default)]
pub struct Told {
    pub orders: Vec<String>,
    pub payments: Vec<(String, String)>,
    pub cancelled: Vec<String>,
}

/// Buys, pays and cancels until the server goes away or `stop`.
async fn shop(
    buyer: Client,
    tickets: Vec<String>,
    round: usize,
    sold: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> Told {
    let mut told = Told::default();
    for n in round.. {
        let before = told.orders.len();
        if stop.load(Ordering::SeqCst)
            || deal(&buyer, &tickets[n % tickets.len()], n, &mut told).await.is_none()
        {
            break;
        }
        sold.fetch_add(told.orders.len() - before, Ordering::SeqCst);
    }
    told
}

/// A seller with a scarce ticket, a sought-after one and one for everybody, and so many buyers.
pub async fn market(anyone: Client, buyers: usize) -> (Vec<String>, Vec<Client>) {
    let sign_up = async |name: String| {
        let mut client = anyone.at(anyone.base().to_string());
        client.sign_up(&format!("{name}@example.com")).await;
        client
    };
    let seller = sign_up("seller".into()).await;
    let mut tickets = Vec::new();
    for capacity in [1, 50, 100_000] {
        tickets.push(seller.list_ticket("Sunrise", "12.50", capacity).await);
    }
    let mut people = Vec::new();
    for n in 0..buyers {
        people.push(sign_up(format!("buyer{n}")).await);
    }
    (tickets, people)
}

/// One order and what becomes of it; `None` if no answer came.
pub async fn deal(buyer: &Client, ticket: &str, n: usize, told: &mut Told) -> Option<()> {
    let send =
        async |method, path: &str, body| buyer.try_send(buyer.request(method, path).json(&body)).await.ok();
    let answer = send(reqwest::Method::POST, "/api/orders", json!({"ticketId": ticket})).await?;
    // Or 502 from a proxy whose process is gone.
    if [502, 503].contains(&answer.status.as_u16()) {
        return None;
    }
    if answer.status != 201 {
        assert_eq!(answer.message(), "Ticket is already reserved", "{}", answer.text);
        return Some(());
    }
    let order = answer.text_of("id");
    told.orders.push(order.clone());
    if n % 3 < 2 {
        let token = if n.is_multiple_of(5) { "tok_chargeDeclined" } else { "tok_visa" };
        let paid =
            send(reqwest::Method::POST, "/api/payments", json!({"orderId": order, "token": token})).await?;
        if paid.status == 201 {
            told.payments.push((order.clone(), paid.text_of("id")));
        }
    }
    if n % 4 == 1 {
        let gone = send(reqwest::Method::DELETE, &format!("/api/orders/{order}"), json!({})).await?;
        if gone.status == 204 {
            told.cancelled.push(order);
        }
    }
    Some(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_under_load_lose_nothing_that_was_acknowledged() {
    let mut process = Process::start(BINARY, &[]).await;
    let (tickets, buyers) = market(process.client(), BUYERS).await;
    let mut buyers: Vec<_> = buyers.into_iter().map(|buyer| (buyer, Told::default())).collect();
    for kill in 0..KILLS {
        let (sold, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let base = process.base().to_string();
        let shops: Vec<_> = (buyers.iter().enumerate())
            .map(|(n, (buyer, _))| {
                let buyer = buyer.at(base.clone());
                tokio::spawn(shop(buyer, tickets.clone(), n + kill, sold.clone(), stop.clone()))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(LOAD[kill % LOAD.len()])).await;
        eventually("there is load", async || (sold.load(Ordering::SeqCst) >= ORDERS).then_some(())).await;
        process.kill().await;
        stop.store(true, Ordering::SeqCst);
        for (shop, (_, told)) in shops.into_iter().zip(&mut buyers) {
            let more = shop.await.unwrap();
            told.orders.extend(more.orders);
            told.payments.extend(more.payments);
            told.cancelled.extend(more.cancelled);
        }
        process.resume().await;
        process.verify().await;
    }
    for (buyer, told) in &buyers {
        kept(&buyer.at(process.base().to_string()), told).await;
    }
    process.verify().await;
}

/// Everything that a buyer was told is so.
pub async fn kept(buyer: &Client, told: &Told) {
    for order in &told.orders {
        buyer.get(&format!("/api/orders/{order}")).await.expect(200);
    }
    for order in &told.cancelled {
        assert_eq!(buyer.get(&format!("/api/orders/{order}")).await.json["status"], "cancelled");
    }
    for (order, payment) in &told.payments {
        settled(buyer, order, payment, told.cancelled.contains(order)).await;
    }
}

/// A payment that was acknowledged completes its order, or is refunded where the order was cancelled.
pub async fn settled(buyer: &Client, order: &str, payment: &str, cancelled: bool) {
    eventually(&format!("payment {payment} is settled"), async || {
        let status = buyer.get(&format!("/api/orders/{order}")).await.json["status"].clone();
        if status == "complete" && !cancelled {
            return Some(());
        }
        if status != "cancelled" {
            return None;
        }
        let mut after = String::new();
        loop {
            let page = buyer.get(&format!("/api/payments?limit=200{after}")).await.json;
            let page = page.as_array().unwrap().clone();
            if let Some(found) = page.iter().find(|p| p["id"] == payment) {
                return (found["status"] == "refunded").then_some(());
            }
            after = format!("&after={}", page.last()?["id"].as_str().unwrap());
        }
    })
    .await;
}
