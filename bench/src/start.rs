//! The scenario `start`: how soon a server with a past is ready, and what it takes while nobody asks, beside the
//! same server without one.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::backing::Backing;
use crate::http::{Connection, request};
use crate::load::Buyer;
use crate::machine::sync_time;
use crate::process::{Activity, Memory};
use crate::sale::{create_ticket, order_body, sign_up};
use crate::server::Server;
use crate::{Options, Result};

/// How often to ask whether it is ready.
const LOOK: Duration = Duration::from_millis(1);
/// How long nothing happens before memory is looked at, and for how long activity is.
const IDLE: Duration = Duration::from_secs(5);
/// How long a start, or a stop, may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// One order in so many is paid.
const PAID: usize = 2;
/// So many orders are made before those among them are paid: no connection is idle for so long that it is closed.
const PORTION: usize = 5000;
const CAPACITY: i64 = 1_000_000;

/// Runs everything and prints what was measured.
pub async fn run(options: &Options) -> Result<()> {
    let mut server = Server::start(options, &Backing::none()).await?;
    let binary = server.binary.clone();
    let disk = sync_time(server.data())?;
    let began = Instant::now();
    fill(&mut server, options).await?;
    println!(
        "{} orders, one in {PAID} paid, in {:.0} s; 4 KiB synced in {disk:?}",
        options.orders,
        began.elapsed().as_secs_f64()
    );
    let full = server.stop().await?;
    println!("{:.0} MiB of data, {:.1} MiB of binary", size(full.path())? / MIB, file(&binary)? / MIB);

    let mut table = Table::default();
    for number in 1..=options.runs {
        let empty = TempDir::with_prefix_in("bench-", full.path().parent().unwrap_or(Path::new(".")))?;
        table.full.push(start(&binary, full.path()).await?);
        table.empty.push(start(&binary, empty.path()).await?);
        table.again.push(start(&binary, empty.path()).await?);
        println!("run {number}: {}", table.last());
    }
    println!("\n{table}");
    Ok(())
}

const MIB: f64 = 1024.0 * 1024.0;

/// Orders and pays as buyers do, over HTTP.
async fn fill(server: &mut Server, options: &Options) -> Result<()> {
    let seller = sign_up(server.control(), "seller").await?;
    let mut tickets = Vec::new();
    for number in 0..options.tickets {
        tickets.push(create_ticket(server.control(), &seller, &format!("Show {number}"), CAPACITY).await?);
    }
    server.drained().await?;
    let (tickets, turn) = (Arc::new(tickets), Arc::new(AtomicUsize::new(0)));
    let mut buyers = Vec::new();
    for number in 0..options.connections {
        let mut connection = Connection::open(server.address).await?;
        let cookie = sign_up(&mut connection, &format!("buyer{number}")).await?;
        buyers.push(Buyer { connection, cookie });
    }
    for begin in (0..options.orders).step_by(PORTION) {
        let enough = (begin + PORTION).min(options.orders);
        // Each buyer who came too late has turned it on by one.
        turn.store(begin, Ordering::Relaxed);
        let buy = |buyer| buy(buyer, Arc::clone(&tickets), Arc::clone(&turn), enough);
        let bought = together(buyers.drain(..).map(buy)).await?;
        // A payment waits a quarter of a second for an order that payments has not heard of, not longer.
        server.drained().await?;
        buyers = together(bought.into_iter().map(pay)).await?;
        server.drained().await?;
    }
    Ok(())
}

/// Lets all of them do their work at once.
async fn together<T: Send + 'static>(
    work: impl Iterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    let mut running: JoinSet<Result<T>> = work.collect();
    let mut done = Vec::new();
    while let Some(ended) = running.join_next().await {
        done.push(ended??);
    }
    Ok(done)
}

/// Orders until there are enough; answers those to pay.
async fn buy(
    mut buyer: Buyer,
    tickets: Arc<Vec<String>>,
    turn: Arc<AtomicUsize>,
    enough: usize,
) -> Result<(Buyer, Vec<String>)> {
    let mut to_pay = Vec::new();
    loop {
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        if turn >= enough {
            return Ok((buyer, to_pay));
        }
        let body = order_body(&tickets[turn % tickets.len()]);
        let order = post(&mut buyer, "/api/orders", &body).await?;
        if turn.is_multiple_of(PAID) {
            to_pay.push(order);
        }
    }
}

async fn pay((mut buyer, orders): (Buyer, Vec<String>)) -> Result<Buyer> {
    for order in orders {
        let body = json!({ "orderId": order, "token": "tok_visa" }).to_string();
        post(&mut buyer, "/api/payments", &body).await?;
    }
    Ok(buyer)
}

/// Creates something; answers its id.
async fn post(buyer: &mut Buyer, path: &str, body: &str) -> Result<String> {
    let made = buyer.connection.call(&request("POST", path, Some(&buyer.cookie), Some(body))).await?;
    let id = made.json(201)?["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| format!("{path} made something without an id").into())
}

/// One start, and the idle time after it.
struct Start {
    /// From `exec` until `/readyz` answered 200, in milliseconds.
    ready: f64,
    /// Until the server said so itself, on standard output.
    told: f64,
    memory: Memory,
    idle: Activity,
}

async fn start(binary: &Path, data: &Path) -> Result<Start> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let began = Instant::now();
    let mut child = Command::new(binary)
        .args(["serve", "--port", &address.port().to_string(), "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut output = BufReader::new(child.stdout.take().ok_or("the server has no output")?);
    let mut line = String::new();
    let told = async {
        output.read_line(&mut line).await?;
        Ok(milliseconds(began))
    };
    let both = async { tokio::try_join!(ready(address, began), told) };
    let (ready, told) = timeout(PATIENCE, both).await.map_err(|_| "the server does not get ready")??;
    let pid = child.id().ok_or("the server ended")?;
    sleep(IDLE).await;
    let memory = Memory::of(pid)?;
    let before = Activity::of(pid)?;
    sleep(IDLE).await;
    let idle = Activity::of(pid)?.since(&before);
    stop(child, pid).await?;
    Ok(Start { ready, told, memory, idle })
}

/// Asks until the answer is 200.
async fn ready(address: SocketAddr, began: Instant) -> Result<f64> {
    let asked = request("GET", "/readyz", None, None);
    loop {
        if let Ok(mut connection) = Connection::open(address).await
            && connection.status(&asked).await? == 200
        {
            return Ok(milliseconds(began));
        }
        sleep(LOOK).await;
    }
}

async fn stop(mut child: Child, pid: u32) -> Result<()> {
    Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
    let ended = timeout(PATIENCE, child.wait()).await.map_err(|_| "the server does not stop")??;
    if ended.success() { Ok(()) } else { Err(format!("the server ended with {ended}").into()) }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// The bytes of a file.
fn file(path: &Path) -> Result<f64> {
    Ok(std::fs::metadata(path)?.len() as f64)
}

/// The bytes of a directory's files.
fn size(directory: &Path) -> Result<f64> {
    let mut bytes = 0.0;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        bytes += if path.is_dir() { size(&path)? } else { file(&path)? };
    }
    Ok(bytes)
}

/// All runs.
#[derive(Default)]
struct Table {
    /// On the data of many orders.
    full: Vec<Start>,
    /// On an empty directory, which takes databases to be made.
    empty: Vec<Start>,
    /// On the same directory once more.
    again: Vec<Start>,
}

impl Table {
    fn last(&self) -> String {
        let show = |name: &str, starts: &[Start]| {
            let last = starts.last();
            last.map(|s| format!("{name} {:.0} ms {:.1} MiB", s.ready, s.memory.resident / 1024.0))
                .unwrap_or_default()
        };
        [show("full", &self.full), show("empty", &self.empty), show("again", &self.again)].join(", ")
    }
}

/// Median, and the least and the most.
fn spread(starts: &[Start], value: impl Fn(&Start) -> f64) -> String {
    let mut values: Vec<f64> = starts.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    match (values.first(), values.get(values.len() / 2), values.last()) {
        (Some(least), Some(median), Some(most)) => format!("{median:.1} ({least:.1}–{most:.1})"),
        _ => "–".to_owned(),
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "| start | ready ms | says so ms | resident MiB | proportional MiB | anonymous MiB | threads | \
             idle: cpu ms/s | wake-ups/s |\n|{}",
            "---|".repeat(9)
        )?;
        let seconds = IDLE.as_secs_f64();
        let rows = [("of many orders", &self.full), ("empty", &self.empty), ("empty, again", &self.again)];
        for (name, starts) in rows {
            let columns: [&dyn Fn(&Start) -> f64; 8] = [
                &|s| s.ready,
                &|s| s.told,
                &|s| s.memory.resident / 1024.0,
                &|s| s.memory.proportional / 1024.0,
                &|s| s.memory.anonymous / 1024.0,
                &|s| s.idle.threads as f64,
                &|s| s.idle.cpu / seconds,
                &|s| s.idle.sleeps / seconds,
            ];
            let columns: Vec<String> = columns.iter().map(|column| spread(starts, column)).collect();
            writeln!(f, "| {name} | {} |", columns.join(" | "))?;
        }
        Ok(())
    }
}
