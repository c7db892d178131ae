//! The scenario `sale`: a crowd buys, beside the same crowd asking for nothing.

use std::time::Instant;

use serde_json::{Value, json};

use crate::http::{Connection, request};
use crate::load::{Ask, Buyer, ID, drive};
use crate::machine::{Cpu, sync_time};
use crate::report::{Phase, Round, Table};
use crate::server::Server;
use crate::{Options, Result, copies};

/// The most a ticket can have.
const CAPACITY: i64 = 1_000_000;

/// Runs everything and prints what was measured. An error is a broken server or a broken measurement.
pub async fn run(options: &Options) -> Result<()> {
    let mut server = Server::start(options).await?;
    let disk = sync_time(server.data())?;
    let seller = sign_up(server.control(), "seller").await?;
    let mut buyers = Vec::new();
    for number in 0..options.connections {
        let mut connection = Connection::open(server.address).await?;
        let cookie = sign_up(&mut connection, &format!("buyer{number}")).await?;
        buyers.push(Buyer { connection, cookie });
    }
    let mut many = Vec::new();
    for number in 0..options.tickets {
        many.push(create_ticket(server.control(), &seller, &format!("Show {number}"), CAPACITY).await?);
    }
    let warm = create_ticket(server.control(), &seller, "Warming up", CAPACITY).await?;
    server.drained().await?;
    drive(&mut buyers, &buy(vec![warm.clone()]), std::time::Duration::from_secs(1)).await?;
    server.drained().await?;

    println!(
        "{} connections, {} s a phase, 4 KiB synced in {disk:?}",
        buyers.len(),
        options.seconds.as_secs()
    );
    let mut table = Table::default();
    let mut sold = 0;
    for number in 1..=options.rounds {
        let hot = create_ticket(server.control(), &seller, &format!("Hot {number}"), CAPACITY).await?;
        server.drained().await?;
        let phases = [
            ("health", health()),
            ("noop", noop(&hot)),
            ("hot", buy(vec![hot.clone()])),
            ("spread", buy(many.clone())),
        ];
        for (name, ask) in phases {
            let round = measure(&mut server, &mut buyers, &ask, options).await?;
            match name {
                "hot" => all_counted(&mut server, std::slice::from_ref(&hot), round.answers).await?,
                "spread" => {
                    sold += round.answers;
                    all_counted(&mut server, &many, sold).await?;
                }
                _ => {}
            }
            println!("round {number}: {}", table.add(Phase(name), round));
        }
    }
    let buyer = buyers.first_mut().ok_or("no buyers")?;
    let lag = copies::measure(&mut server, &seller, buyer, &warm, options.copies).await?;
    println!("\n{table}");
    println!(
        "copy of a new ticket: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms beyond an order's {:.2} ms ({} tickets)",
        lag.p50, lag.p99, lag.max, lag.known, options.copies
    );
    println!("deliveries of tickets' events, as the server counts them: {}\n", lag.histogram.join(", "));
    server.drained().await?;
    server.stop().await
}

/// Drives one phase; its end is when the events are drained.
async fn measure(
    server: &mut Server,
    buyers: &mut Vec<Buyer>,
    ask: &Ask,
    options: &Options,
) -> Result<Round> {
    let (before, started) = (Cpu::now(server.pid)?, Instant::now());
    let load = drive(buyers, ask, options.seconds).await?;
    server.drained().await?;
    let (whole, after) = (started.elapsed(), Cpu::now(server.pid)?);
    Ok(Round {
        answers: load.answers(),
        driven: load.took,
        whole,
        p50: load.quantile(0.5),
        p99: load.quantile(0.99),
        max: load.quantile(1.0),
        spent: after.since(&before),
    })
}

/// A request that passes the whole stack and does nothing: a GET that answers 200, no session, no body.
fn health() -> Ask {
    Ask { method: "GET", path: "/api/health", field: None, ids: Vec::new(), status: 200 }
}

/// A POST that passes the stack, an authenticated session and a JSON body like an order's, and stops there:
/// a payment without a token. What an answer of 400 costs more than one of 201 is in it.
fn noop(any: &str) -> Ask {
    Ask { method: "POST", path: "/api/payments", field: Some("orderId"), ids: vec![any.into()], status: 400 }
}

/// An order.
fn buy(ids: Vec<String>) -> Ask {
    Ask { method: "POST", path: "/api/orders", field: Some("ticketId"), ids, status: 201 }
}

/// The body of an order.
pub fn order_body(ticket: &str) -> String {
    format!("{{\"ticketId\":\"{ticket}\"}}")
}

/// Signs somebody up; answers their cookie.
async fn sign_up(connection: &mut Connection, name: &str) -> Result<String> {
    let body = json!({ "email": format!("{name}@example.com"), "password": "correct horse" }).to_string();
    let answer = connection.call(&request("POST", "/api/users/signup", None, Some(&body))).await?;
    answer.json(201)?;
    answer.cookie.ok_or_else(|| "a sign-up without a session".into())
}

/// Lists a ticket; answers its id.
pub async fn create_ticket(
    connection: &mut Connection,
    seller: &str,
    title: &str,
    capacity: i64,
) -> Result<String> {
    let body = json!({ "title": title, "price": 20, "capacity": capacity }).to_string();
    let answer = connection.call(&request("POST", "/api/tickets", Some(seller), Some(&body))).await?;
    let id = answer.json(201)?["id"].as_str().map(str::to_owned);
    id.filter(|id| id.len() == ID).ok_or_else(|| "a ticket without an id".into())
}

/// Every 201 has reached the tickets' own count: nothing was lost, nothing was counted twice.
async fn all_counted(server: &mut Server, tickets: &[String], sold: usize) -> Result<()> {
    let mut taken = 0;
    for id in tickets {
        let answer =
            server.control().call(&request("GET", &format!("/api/tickets/{id}"), None, None)).await?;
        let available = answer.json(200)?.get("available").and_then(Value::as_i64);
        taken += CAPACITY - available.ok_or("a ticket without a number of what is available")?;
    }
    if taken == i64::try_from(sold)? {
        Ok(())
    } else {
        Err(format!("{sold} orders were answered 201 and {taken} are counted").into())
    }
}
