//! PostgreSQL and NATS stopped, restarted, and hanging for a minute: what can be answered is, the rest gets 503
//! with `Retry-After` in bounded time, and everything settles afterwards by itself.

use std::time::{Duration, Instant};

use engines::{Nats, Postgres};
use reqwest::Method;
use serde_json::json;
use testkit::{Answer, Client, Installation, Topology, eventually};

use crate::BINARY;
use crate::journey::{hold, left, order_is, pay};

/// How long an engine hangs.
const HANG: Duration = Duration::from_secs(60);
/// The bound of an answer while an engine is away.
const BOUND: Duration = Duration::from_secs(10);

/// And of a scrape.
const SCRAPE: Duration = Duration::from_millis(1_500);

struct House {
    installation: Installation,
    seller: Client,
    ticket: String,
}

async fn house() -> Option<House> {
    let postgres = Postgres::start().await?;
    let installation = Installation::start_on(postgres, BINARY, Topology::Copies(2), &[]).await?;
    let mut seller = installation.client();
    seller.sign_up("seller@example.com").await;
    let ticket = seller.list_ticket("Metropolis", "10", 1_000).await;
    hold(&seller, &ticket, 1).await;
    Some(House { installation, seller, ticket })
}

/// An answer and how long it took, which is never longer than the bound.
async fn timed(person: &Client, method: Method, path: &str) -> Answer {
    let started = Instant::now();
    let request = person.request(method.clone(), path).json(&json!({"ticketId": path}));
    let answer = person.try_send(request).await.expect("an answer");
    assert!(started.elapsed() < BOUND, "{method} {path} took {:?}", started.elapsed());
    answer
}

impl House {
    fn nats(&mut self) -> &mut Nats {
        &mut self.installation.engines.as_mut().unwrap().nats
    }

    async fn order(&self) -> Answer {
        let started = Instant::now();
        let answer = self.seller.post("/api/orders", json!({"ticketId": self.ticket})).await;
        assert!(started.elapsed() < BOUND, "an order took {:?}", started.elapsed());
        answer
    }

    /// While PostgreSQL is away: nothing hangs, nothing is a 500, and what needs no database is answered.
    async fn is_refused_in_time(&self) {
        let paths = ["/api/tickets", "/api/orders", "/api/payments", "/readyz"];
        let asks = paths.map(|path| timed(&self.seller, Method::GET, path));
        let (answers, order) = tokio::join!(futures_util::future::join_all(asks), self.order());
        for answer in answers.into_iter().chain([order]) {
            assert_eq!(answer.status, 503, "{}", answer.text);
            assert!(answer.headers.contains_key("retry-after"), "{}", answer.text);
        }
        assert_eq!(timed(&self.seller, Method::GET, "/api/health").await.status, 200);
        // The metrics of an outage are the ones that are wanted most.
        let scraped = Instant::now();
        let metrics = self.installation.processes[0].client().get("/metrics").await.expect(200).text;
        assert!(scraped.elapsed() < SCRAPE, "a scrape took {:?}", scraped.elapsed());
        for service in ["accounts", "tickets", "orders", "expiration", "payments"] {
            assert!(metrics.contains(&format!("database_up{{service=\"{service}\"}} 0\n")), "{metrics}");
        }
    }

    /// Afterwards everything goes on by itself, to the end of an order.
    async fn settles(&self) {
        eventually("orders are taken again", async || (self.order().await.status == 201).then_some(())).await;
        let order = hold(&self.seller, &self.ticket, 1).await["id"].as_str().unwrap().to_string();
        pay(&self.seller, &order).await;
        order_is(&self.seller, &order, "complete").await;
        self.installation.ready().await;
        self.installation.verify().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_stops_restarts_and_hangs() {
    let Some(mut house) = house().await else { return };
    let mut server = house.installation.engines.as_mut().unwrap().postgres.take().unwrap();

    server.stop().await;
    house.is_refused_in_time().await;
    server.restart().await;
    house.settles().await;

    // Restarted between two requests: nobody need notice.
    server.restart().await;
    house.settles().await;

    let hung = Instant::now();
    server.pause();
    while hung.elapsed() < HANG {
        house.is_refused_in_time().await;
    }
    server.resume();
    house.settles().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_stops_restarts_and_hangs() {
    let Some(mut house) = house().await else { return };
    let mut made = Vec::new();
    for hangs in [false, true] {
        if hangs {
            house.nats().pause();
        } else {
            house.nats().kill().await;
        }
        let away = Instant::now();
        // Holds and lists need no bus; and every copy says that it cannot hear of sessions that end.
        made.push(house.order().await.expect(201).text_of("id"));
        timed(&house.seller, Method::GET, "/api/tickets").await.expect(200);
        eventually("it is said", async || {
            let answer = timed(&house.seller, Method::GET, "/readyz").await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            (answer.json["status"] == "degraded").then_some(())
        })
        .await;
        while hangs && away.elapsed() < HANG {
            made.push(house.order().await.expect(201).text_of("id"));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        if hangs {
            house.nats().resume();
        } else {
            house.nats().restart().await;
        }
        house.settles().await;
    }
    // What was held meanwhile is counted: all of it, each once.
    let held = house.seller.get("/api/orders?limit=200").await.json.as_array().unwrap().len();
    assert!(made.len() > 50, "only {} while it was away", made.len());
    left(&house.seller, &house.ticket, 1_000 - i64::try_from(held).unwrap()).await;
    house.installation.verify().await;
}
