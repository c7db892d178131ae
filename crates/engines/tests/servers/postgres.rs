//! PostgreSQL servers and databases.

use std::time::Instant;

use engines::{DEADLINE, Database, Home, Postgres};
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};

use crate::MOMENT;

/// A connection that ends with its client.
async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn exists(server: &str, database: &Database) -> bool {
    let name = database.url().rsplit('/').next().unwrap();
    let sql = format!("SELECT COUNT(*) FROM pg_database WHERE datname = '{name}'");
    number(&connect(server).await, &sql).await == 1
}

#[tokio::test]
async fn a_server_is_what_the_code_under_test_expects() {
    let begun = Instant::now();
    let Some(server) = Postgres::start().await else { return };
    println!("started in {:?}", begun.elapsed());
    let begun = Instant::now();
    let database = server.database().await;
    println!("a database in {:?}", begun.elapsed());
    let client = connect(database.url()).await;
    for (setting, value) in [
        ("server_encoding", "UTF8"),
        ("max_connections", "400"),
        ("synchronous_commit", "on"),
        ("TimeZone", "UTC"),
    ] {
        let row = client.query_one("SELECT current_setting($1)", &[&setting]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), value, "{setting}");
    }
    assert!(server.log().contains("ready to accept connections"));
}

#[tokio::test]
async fn two_servers_have_nothing_in_common() {
    let (one, two) = tokio::join!(Postgres::start(), Postgres::start());
    let (Some(one), Some(two)) = (one, two) else { return };
    assert_ne!(one.url(), two.url());
    connect(one.url()).await.batch_execute("CREATE TABLE here (x INT)").await.unwrap();
    assert!(connect(two.url()).await.batch_execute("SELECT * FROM here").await.is_err());
}

#[tokio::test]
async fn a_database_comes_empty_and_goes_although_somebody_is_in_it() {
    let Some(server) = Postgres::shared().await else { return };
    let (one, two) = tokio::join!(server.database(), server.database());
    let client = connect(one.url()).await;
    client.batch_execute("CREATE TABLE here (x INT)").await.unwrap();
    assert!(connect(two.url()).await.batch_execute("SELECT * FROM here").await.is_err());
    assert!(exists(server.url(), &one).await);

    let name = one.url().rsplit('/').next().unwrap().to_owned();
    let begun = Instant::now();
    drop(one);
    println!("dropped in {:?}", begun.elapsed());
    let sql = format!("SELECT COUNT(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(number(&connect(server.url()).await, &sql).await, 0);
    assert!(client.batch_execute("SELECT 1").await.is_err(), "its connection ended with it");
    assert!(exists(server.url(), &two).await, "the other one stays");
}

/// Each test has a runtime of its own, on a thread of its own; the server is the same.
#[test]
fn the_shared_server_serves_runtimes_that_come_and_go() {
    let url = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Postgres::shared().await?;
            let database = server.database().await;
            connect(database.url()).await.batch_execute("CREATE TABLE here (x INT)").await.unwrap();
            Some(server.url().to_owned())
        })
    };
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(url)).collect();
    let urls: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(urls.windows(2).all(|pair| pair[0] == pair[1]), "{urls:?}");
}

#[tokio::test]
#[should_panic(expected = "the shared server stays as it is")]
async fn nobody_pauses_the_shared_server() {
    match Postgres::shared().await {
        Some(server) => server.pause(),
        None => panic!("skipped, though the shared server stays as it is"),
    }
}

#[tokio::test]
async fn a_paused_server_answers_nobody_until_it_goes_on() {
    let Some(server) = Postgres::start().await else { return };
    let (database, spare) = (server.database().await, server.database().await);
    let client = connect(database.url()).await;
    client.batch_execute("SELECT 1").await.unwrap();

    server.pause();
    let mut answer = std::pin::pin!(client.batch_execute("SELECT 1"));
    assert!(timeout(MOMENT, &mut answer).await.is_err(), "an old connection");
    assert!(timeout(MOMENT, tokio_postgres::connect(database.url(), NoTls)).await.is_err(), "a new one");
    let begun = Instant::now();
    drop(spare);
    assert!(begun.elapsed() < MOMENT, "to drop a database is not waited for");

    server.resume();
    timeout(DEADLINE, answer).await.expect("the same query is answered").unwrap();
    connect(database.url()).await.batch_execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn what_was_committed_survives_kill_and_stop() {
    let Some(mut server) = Postgres::start().await else { return };
    let database = server.database().await;
    let url = server.url().to_owned();
    let client = connect(database.url()).await;
    client.batch_execute("CREATE TABLE kept (x BIGINT); INSERT INTO kept VALUES (1)").await.unwrap();
    client.batch_execute("BEGIN; INSERT INTO kept VALUES (100)").await.unwrap();

    server.kill().await;
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err(), "it is dead when kill returns");
    assert!(client.batch_execute("COMMIT").await.is_err());
    let begun = Instant::now();
    server.restart().await;
    println!("started again after kill -9 in {:?}", begun.elapsed());
    assert_eq!(server.url(), url);
    let client = connect(database.url()).await;
    assert_eq!(number(&client, "SELECT CAST(SUM(x) AS BIGINT) FROM kept").await, 1);
    client.batch_execute("INSERT INTO kept VALUES (2)").await.unwrap();

    // A paused one is stopped and killed like any other.
    server.pause();
    server.stop().await;
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
    server.restart().await;
    server.pause();
    server.kill().await;
    server.restart().await;
    server.restart().await;
    assert_eq!(number(&connect(database.url()).await, "SELECT CAST(SUM(x) AS BIGINT) FROM kept").await, 3);
}

#[tokio::test]
async fn a_home_is_on_the_engine_that_was_chosen() {
    let home = Home::new().await;
    let postgres = std::env::var("MARQUEE_TEST_ENGINE").is_ok_and(|engine| engine == "postgres");
    assert_eq!(home.is_postgres(), postgres);
    assert_eq!(home.url().is_some(), postgres);
    assert!(home.directory().is_dir());

    let Some(home) = Home::postgres().await else { return };
    connect(home.url().unwrap()).await.batch_execute("CREATE TABLE here (x INT)").await.unwrap();
}
