//! The peer on PostgreSQL: `pgbench`, which sends what an order is to the database and does nothing else.
//!
//! One transaction an order, a connection a buyer, each statement prepared and sent when the one before it was
//! answered. Its database is on the same server as Marquee's and was made by `marquee migrate`; its values are those
//! of one of Marquee's orders, so that rows are as long.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use engines::Database;
use tempfile::TempDir;
use tokio::process::Command;
use tokio_postgres::Client;

use crate::load::Load;
use crate::pgbench::{self, connect};
use crate::{Options, Result};

/// What an order is to the database: services/orders/src/store.rs and crates/db/src/outbox.rs, which write the rows
/// of several orders with one statement where there are several.
const TAKE: &str = "UPDATE stock SET taken = taken + $2
    WHERE ticket_id = $1 AND taken + $2 <= capacity AND NOT withdrawn AND (closes_at IS NULL OR closes_at > $3)
    RETURNING version, seller_id, title, price";
const ORDER: &str = "INSERT INTO orders (id, version, user_id, status, quantity, amount, expires_at, expired,
        ticket_id, ticket_title, ticket_price, ticket_version, seller_id, history)
    VALUES ($1, 0, $2, 'created', $3, $4, $5, FALSE, $6, $7, $8, $9, $10, $11)";
const EVENT: &str = "INSERT INTO outbox (id, subject, aggregate, version, payload, occurred_at, trace)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// What all ids begin with; a number of twelve digits follows.
const PREFIX: &str = "00000000-0000-7000-8000-";
/// The number of the ticket that all want; those of the others follow it.
const HOT: i64 = 100_000_000_000;
/// Transactions of one connection in one run, at most.
const TURNS: i64 = 1_000_000;

/// One of Marquee's orders with its event.
const SAMPLE: &str =
    "SELECT o.quantity, o.amount, o.expires_at, o.ticket_title, o.ticket_price, o.ticket_version,
        o.history, x.payload, x.occurred_at
    FROM orders.orders o JOIN orders.outbox x ON x.aggregate = 'order:' || o.id LIMIT 1";
const STOCK: &str = "INSERT INTO orders.stock
        (ticket_id, version, seller_id, title, price, withdrawn, capacity, taken, clamps)
    SELECT $1 || n, 0, $1 || 300000000000, $2, CAST($3 AS BIGINT), FALSE, CAST($4 AS BIGINT), 0, 0
    FROM generate_series(CAST($5 AS BIGINT), CAST($6 AS BIGINT)) n";
const MADE: &str = "SELECT CAST((SELECT SUM(taken) FROM orders.stock) AS BIGINT),
    (SELECT COUNT(*) FROM orders.orders), (SELECT COUNT(*) FROM orders.outbox)";

/// pgbench and its database.
pub struct Peer {
    database: Database,
    client: Client,
    scripts: TempDir,
    variables: Vec<String>,
    connections: usize,
    /// Runs so far.
    runs: i64,
}

impl Peer {
    /// Makes the tables in `database`, by the marquee at `binary`, and fills in tickets of that capacity.
    /// `house` is the URL of the database that an order to be like is in.
    pub async fn start(
        options: &Options,
        binary: &Path,
        database: Database,
        house: &str,
        capacity: i64,
    ) -> Result<Self> {
        let scripts = TempDir::new()?;
        let migrated = Command::new(binary)
            .args(["migrate", "--database-url", database.url(), "--data"])
            .arg(scripts.path())
            .env("RUST_LOG", "warn")
            .status()
            .await?;
        if !migrated.success() {
            return Err("the peer's tables cannot be made".into());
        }
        let sample = connect(house).await?.query_one(SAMPLE, &[]).await?;
        let (numbers, texts) =
            (|at: usize| sample.get::<_, i64>(at), |at: usize| sample.get::<_, String>(at));
        let variables = vec![
            // A colon in a statement would begin the name of a variable, in quotes too.
            "subject=order:created".to_owned(),
            format!("tickets={}", options.tickets),
            format!("quantity={}", numbers(0)),
            format!("amount={}", numbers(1)),
            format!("expires_at={}", numbers(2)),
            format!("title={}", texts(3)),
            format!("price={}", numbers(4)),
            format!("version={}", numbers(5)),
            format!("history={}", texts(6)),
            format!("payload={}", texts(7)),
            format!("now={}", numbers(8)),
        ];
        let client = connect(database.url()).await?;
        let last = HOT + i64::try_from(options.tickets)?;
        client.execute(STOCK, &[&PREFIX, &texts(3), &numbers(4), &capacity, &HOT, &last]).await?;
        client.batch_execute("ANALYZE orders.stock").await?;
        for (name, ticket) in [("hot", format!("{HOT}")), ("spread", format!("random({}, {last})", HOT + 1))]
        {
            std::fs::write(scripts.path().join(name), script(&ticket))?;
        }
        let connections = options.connections;
        Ok(Self { database, client, scripts, variables, connections, runs: 0 })
    }

    /// Orders for `seconds` from the ticket that all want, or from all the others.
    pub async fn drive(&mut self, name: &str, seconds: Duration) -> Result<Load> {
        let before = self.made().await?;
        let mut command = pgbench::command(self.connections, seconds)?;
        for variable in &self.variables {
            command.arg("-D").arg(variable);
        }
        command.arg("-D").arg(format!("turn={}", self.runs * TURNS));
        command.arg("-f").arg(self.scripts.path().join(name)).arg(self.database.url());
        command.env("PGOPTIONS", "-c search_path=orders");
        self.runs += 1;
        let load = pgbench::run(command).await?;
        let after = self.made().await?;
        if after != before.map(|count| count + load.answers as i64) {
            return Err(
                format!("pgbench counts {} orders; from {before:?} to {after:?}", load.answers).into()
            );
        }
        Ok(load)
    }

    /// Units taken, orders, events.
    async fn made(&self) -> Result<[i64; 3]> {
        let row = self.client.query_one(MADE, &[]).await?;
        Ok([row.get(0), row.get(1), row.get(2)])
    }
}

/// A transaction an order. Ids grow with time, as Marquee's do: who appends has fewer pages to write.
fn script(ticket: &str) -> String {
    let id = |number: &str| format!("'{PREFIX}' || CAST(:{number} AS TEXT)");
    let (order, user, seller) = (id("number"), id("user"), id("seller"));
    let ticket_id = id("ticket");
    let mut script = format!(
        "\\set turn :turn + 1\n\\set ticket {ticket}\n\\set number {HOT} + :turn * 1000 + :client_id\n\
         \\set user 200000000000 + :client_id\n\\set seller 300000000000\nBEGIN;\n"
    );
    let statements: [(&str, &[&str]); 3] = [
        (TAKE, &[&ticket_id, ":quantity", ":now"]),
        (
            ORDER,
            &[
                &order,
                &user,
                ":quantity",
                ":amount",
                ":expires_at",
                &ticket_id,
                ":title",
                ":price",
                ":version",
                &seller,
                ":history",
            ],
        ),
        (EVENT, &[&order, ":subject", &format!("'order:' || {order}"), "0", ":payload", ":now", "''"]),
    ];
    for (sql, values) in statements {
        let _ = writeln!(script, "{};", filled(sql, values));
    }
    script.push_str("COMMIT;\n");
    script
}

/// A statement with `values` for `$1`, `$2`, …
fn filled(sql: &str, values: &[&str]) -> String {
    let numbered = values.iter().enumerate();
    // From behind, for $1 is the beginning of $10.
    numbered.rev().fold(sql.to_owned(), |sql, (place, value)| sql.replace(&format!("${}", place + 1), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One space where there is any.
    fn plain(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_statements_are_those_of_an_order() {
        let orders = plain(include_str!("../../services/orders/src/store.rs"));
        let outbox = plain(include_str!("../../crates/db/src/outbox.rs"));
        assert!(orders.contains(&plain(TAKE)));
        // Marquee writes many rows with one statement; here it is that of one row.
        for (sql, source) in [(ORDER, orders), (EVENT, outbox)] {
            let sql = plain(sql);
            let (head, row) = sql.split_once("VALUES ").unwrap();
            let row = row.split('$').map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()));
            let row = row.collect::<Vec<_>>().join("?");
            let many = format!("\"{head}VALUES\", \"{row}\"");
            assert!(source.contains(&many), "{many}");
        }
    }

    #[test]
    fn every_value_finds_its_place() {
        assert!(!script("1").contains('$'));
        assert_eq!(filled("$1 $2 $10", &["a", "b", "", "", "", "", "", "", "", "j"]), "a b j");
    }
}
