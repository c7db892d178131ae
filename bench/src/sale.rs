//! The scenario `sale`: a crowd buys, beside the same crowd asking for nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::backing::Backing;
use crate::http::{Connection, request};
use crate::load::{Ask, Background, Body, Buyer, Load, drive};
use crate::machine::{Cpu, Processes, sync_time};
use crate::peer::Peer;
use crate::report::{Phase, Round, Table};
use crate::server::Server;
use crate::{Options, Result, copies};

/// The most a ticket can have.
const CAPACITY: i64 = 1_000_000;

/// Buyers who order in the background while the lag of copies is measured.
const BACKGROUND: usize = 16;

/// Runs everything and prints what was measured. An error is a broken server or a broken measurement.
pub async fn run(options: &Options) -> Result<()> {
    let backing = Backing::start(options).await?;
    let mut server = Server::start(options, &backing).await?;
    let processes = backing.processes(vec![server.pid])?;
    let disk = sync_time(&backing.disk(server.data()))?;
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
    drive(&mut buyers, &buy(vec![warm.clone()]), Duration::from_secs(1)).await?;
    server.drained().await?;
    let mut peer = match backing.database() {
        Some(house) => {
            let beside = backing.beside().await?;
            let mut peer = Peer::start(options, &server.binary, beside, house, CAPACITY).await?;
            peer.drive("spread", Duration::from_secs(1)).await?;
            Some(peer)
        }
        None => None,
    };

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
        for phase in phases(peer.is_some(), number) {
            let clock = Clock::start(&processes)?;
            let load = match (phase.name, &mut peer) {
                ("pgbench hot", Some(peer)) => peer.drive("hot", options.seconds).await?,
                ("pgbench spread", Some(peer)) => peer.drive("spread", options.seconds).await?,
                (name, _) => {
                    let ask = match name {
                        "health" => health(),
                        "noop" => noop(&hot),
                        "hot" => buy(vec![hot.clone()]),
                        _ => buy(many.clone()),
                    };
                    drive(&mut buyers, &ask, options.seconds).await?
                }
            };
            let driven = Cpu::now(&processes)?;
            server.drained().await?;
            let round = clock.stop(&processes, &load, &driven)?;
            match phase.name {
                "hot" => all_counted(&mut server, std::slice::from_ref(&hot), round.answers).await?,
                "spread" => {
                    sold += round.answers;
                    all_counted(&mut server, &many, sold).await?;
                }
                _ => {}
            }
            println!("round {number}: {}", table.add(phase, round));
        }
    }
    drop(peer);
    println!("\n{table}");
    lags(options, &mut server, &seller, &mut buyers, &warm, many).await?;
    server.drained().await?;
    server.stop().await.map(drop)
}

/// What is measured in one round. A phase and its peer follow each other, in turn which comes first.
fn phases(on_postgres: bool, round: usize) -> Vec<Phase> {
    let phase = |name, peer| Phase { name, peer };
    if !on_postgres {
        let noop = Some("noop");
        return vec![phase("health", noop), phase("noop", None), phase("hot", noop), phase("spread", noop)];
    }
    let mut pairs = [
        [phase("hot", Some("pgbench hot")), phase("pgbench hot", None)],
        [phase("spread", Some("pgbench spread")), phase("pgbench spread", None)],
    ];
    if round.is_multiple_of(2) {
        pairs.iter_mut().for_each(|pair| pair.reverse());
    }
    pairs.concat()
}

/// Measures how soon a new ticket can be bought, while nothing else happens and while others order.
async fn lags(
    options: &Options,
    server: &mut Server,
    seller: &str,
    buyers: &mut Vec<Buyer>,
    warm: &str,
    many: Vec<String>,
) -> Result<()> {
    let mut buyer = buyers.pop().ok_or("no buyers")?;
    let lag = copies::measure(server, seller, &mut buyer, warm, options.copies).await?;
    println!("copy of a new ticket, idle: {lag} ({} tickets)", options.copies);
    let mut wrong = lag.wrong;
    let some = buyers.split_off(buyers.len().saturating_sub(BACKGROUND));
    if !some.is_empty() {
        let background = Background::start(some, &buy(many), options.load);
        let lag = copies::measure(server, seller, &mut buyer, warm, options.copies).await?;
        let load = background.stop(buyers).await?;
        let rate = load.answers as f64 / load.took.as_secs_f64();
        println!("copy of a new ticket, {rate:.0} other orders/s: {lag} ({} tickets)", options.copies);
        wrong.extend(lag.wrong);
    }
    let histogram = copies::deliveries(&server.metrics().await?);
    println!("deliveries of tickets' events, as the server counts them: {}\n", histogram.join(", "));
    match wrong.first() {
        None => Ok(()),
        Some(first) => {
            Err(format!("{} orders of new tickets were wrongly refused: {first}", wrong.len()).into())
        }
    }
}

/// Times a phase.
struct Clock {
    started: Instant,
    before: Cpu,
}

impl Clock {
    fn start(processes: &Processes) -> Result<Self> {
        Ok(Self { before: Cpu::now(processes)?, started: Instant::now() })
    }

    /// The phase is over: its events are drained. `driven` is of the moment when the load ended.
    fn stop(self, processes: &Processes, load: &Load, driven: &Cpu) -> Result<Round> {
        let after = Cpu::now(processes)?;
        Ok(Round {
            answers: load.answers,
            driven: load.took,
            // A peer has nothing to drain, and its time is its own: without its start.
            whole: if load.latencies.is_empty() { load.took } else { self.started.elapsed() },
            p50: load.quantile(0.5),
            p99: load.quantile(0.99),
            max: load.quantile(1.0),
            driving: driven.since(&self.before),
            spent: after.since(&self.before),
        })
    }
}

/// A request that passes the whole stack and does nothing: a GET that answers 200, no session, no body.
pub fn health() -> Ask {
    Ask { method: "GET", path: "/api/health", body: None, values: Vec::new(), status: 200, expected: None }
}

/// A POST that passes the stack, an authenticated session and a JSON body like an order's, and stops there:
/// a payment without a token. What an answer of 400 costs more than one of 201 is in it.
fn noop(any: &str) -> Ask {
    let body = Some(Body::json("{\"orderId\":\"", "\"}"));
    Ask { method: "POST", path: "/api/payments", body, values: vec![any.into()], status: 400, expected: None }
}

/// An order.
fn buy(ids: Vec<String>) -> Ask {
    let body = Some(Body::json("{\"ticketId\":\"", "\"}"));
    Ask { method: "POST", path: "/api/orders", body, values: ids, status: 201, expected: None }
}

/// The body of an order.
pub fn order_body(ticket: &str) -> String {
    format!("{{\"ticketId\":\"{ticket}\"}}")
}

/// Signs somebody up; answers their cookie.
pub async fn sign_up(connection: &mut Connection, name: &str) -> Result<String> {
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
    id.ok_or_else(|| "a ticket without an id".into())
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
