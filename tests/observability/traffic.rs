//! Those who come to a house that is scraped: they buy, are refused, give back, enter, count, upload and watch videos, and
//! watch a live page.

use reqwest::Method;
use serde_json::json;
use testkit::{Client, Installation, eventually};

use crate::journey::{hold, order_is, pay};

/// A seller, a buyer, and what they keep to themselves.
pub struct People {
    seller: Client,
    buyer: Client,
    ids: Vec<String>,
    /// Live pages; open until this is dropped.
    open: Vec<reqwest::Response>,
}

const KEY: &str = "a-key-of-somebodys-own";
const FILM: &[u8] = include_bytes!("../../crates/containers/samples/first.mp4");

impl People {
    pub async fn come_to(house: &Installation) -> Self {
        let (mut seller, mut buyer) = (house.client(), house.client());
        seller.sign_up("seller@scraped.example").await;
        buyer.sign_up("buyer@scraped.example").await;
        Self { seller, buyer, ids: Vec::new(), open: Vec::new() }
    }

    /// What must not be in a scrape.
    pub fn private(&self) -> Vec<String> {
        let known = ["scraped.example", KEY, "no-such-page", "nosferatu"].map(ToOwned::to_owned);
        self.ids.iter().cloned().chain(known).collect()
    }

    /// One round of everything. On copies each request may meet another one, so there are some of each.
    pub async fn visit(&mut self) {
        for _ in 0..4 {
            self.sell().await;
            self.count().await;
            self.watch().await;
        }
    }

    async fn watch(&mut self) {
        let Self { seller, buyer, ids, .. } = self;
        let send = async |bytes: &'static [u8]| {
            let request = seller.request(Method::POST, "/api/videos").header("file-name", "nosferatu.mp4");
            seller.try_send(request.body(bytes)).await.unwrap()
        };
        let id = send(FILM).await.expect(201).text_of("id");
        send(b"no film at all").await.expect(415);
        let request = seller.request(Method::PATCH, &format!("/api/videos/{id}"));
        seller.try_send(request.json(&json!({"visibility": "public"}))).await.unwrap().expect(200);
        let part = buyer.request(Method::GET, &format!("/video?id={id}")).header("range", "bytes=0-999");
        eventually("the film is shown", async || {
            let answer = part.try_clone()?.send().await.unwrap();
            (answer.status() == 206).then_some(answer.bytes().await.unwrap().len() == 1000)
        })
        .await;
        ids.push(id);
    }

    async fn sell(&mut self) {
        let Self { seller, buyer, ids, open } = self;
        let ticket = seller.list_ticket("Metropolis", "19.99", 3).await;
        let order = hold(buyer, &ticket, 2).await["id"].as_str().unwrap().to_owned();
        eventually("the card is declined", async || {
            let body = json!({"orderId": order, "token": "tok_chargeDeclined"});
            let answer = buyer.post("/api/payments", body).await;
            (answer.status != 404).then(|| answer.expect(402))
        })
        .await;
        pay(buyer, &order).await;
        let complete = order_is(buyer, &order, "complete").await;
        let code = complete["admissions"][0]["code"].as_str().unwrap().to_owned();
        seller.post(&format!("/api/admissions/{code}/redeem"), json!({})).await.expect(200);
        // One that is given back.
        let back = hold(buyer, &ticket, 1).await["id"].as_str().unwrap().to_owned();
        pay(buyer, &back).await;
        order_is(buyer, &back, "complete").await;
        buyer.post("/api/orders", json!({"ticketId": ticket})).await.expect(400);
        buyer.delete(&format!("/api/orders/{back}")).await.expect(204);
        eventually("the money is back", async || {
            let payments = buyer.get("/api/payments?order=desc").await.json;
            payments
                .as_array()?
                .iter()
                .any(|p| p["orderId"] == *back && p["status"] == "refunded")
                .then_some(())
        })
        .await;
        for path in
            [format!("/tickets/{ticket}"), format!("/no-such-page/{ticket}"), "/".into(), "/livez".into()]
        {
            buyer.get(&path).await;
        }
        let live = buyer.request(Method::GET, &format!("/tickets/{ticket}/live"));
        open.push(live.send().await.unwrap());
        ids.extend([ticket, order, code, back]);
    }

    async fn count(&self) {
        let one = json!({"key": KEY, "value": 3});
        for path in ["/increment", "/api/increment"] {
            self.buyer.post(path, one.clone()).await.expect(200);
        }
        self.buyer.post("/api/increments", json!([one, one])).await.expect(200);
        self.buyer.get(&format!("/api/counters/{KEY}")).await.expect(200);
        self.buyer.get("/api/counters").await.expect(200);
    }
}
