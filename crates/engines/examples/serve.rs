//! Starts a PostgreSQL for a run of many test processes, prints its URL, and keeps it until standard input
//! ends. However this process goes, the server and its directory go with it.
#![allow(clippy::expect_used, clippy::print_stdout)]

use std::io::Read as _;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Some(postgres) = engines::Postgres::start().await else { std::process::exit(1) };
    println!("{}", postgres.url());
    // Nobody writes; the end comes with the end of whoever started this.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
