//! A crowd at the door: sixty people, three hundred tries, fifty seats and a single one.

use orders::Guard;
use serde_json::json;
use testkit::{App, Client};

const PEOPLE: usize = 60;
pub const TRIES: usize = 300;

/// Answers how many of the tries at `ticket` were answered 201; the others must be 400.
pub async fn crowd(people: &[Client], ticket: &str) -> usize {
    let tasks: Vec<_> = people
        .iter()
        .map(|person| {
            let (person, ticket) = (person.clone(), ticket.to_string());
            tokio::spawn(async move {
                let mut held = 0;
                for _ in 0..TRIES / PEOPLE {
                    let answer = person.post("/api/orders", json!({"ticketId": ticket})).await;
                    match answer.status.as_u16() {
                        201 => held += 1,
                        400 => assert_eq!(answer.message(), "Ticket is already reserved"),
                        other => panic!("{other}: {}", answer.text),
                    }
                }
                held
            })
        })
        .collect();
    let mut held = 0;
    for task in tasks {
        held += task.await.unwrap();
    }
    held
}

/// The seller's tickets of 50 and of 1, and sixty people at the door of `app`.
pub async fn door(app: &App) -> (String, String, Vec<Client>) {
    let mut seller = app.client();
    seller.sign_up("seller@example.com").await;
    let (fifty, one) =
        (seller.list_ticket("Fifty seats", "10", 50).await, seller.list_ticket("The box", "100", 1).await);
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        let mut person = app.client();
        person.sign_up(&format!("person{n}@example.com")).await;
        people.push(person);
    }
    (fifty, one, people)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_seats_are_sold_fifty_times_and_one_once() {
    let app = App::start().await;
    let (fifty, one, people) = door(&app).await;
    assert_eq!(tokio::join!(crowd(&people, &fifty), crowd(&people, &one)), (50, 1));
    let orders = app.running.house.databases().iter().find(|db| db.name() == "orders").unwrap();
    assert_eq!(orders::verify::capacity(orders).await.unwrap().1, Vec::<String>::new());
}

/// The negative control: with every guard of capacity off, the same crowd oversells, and both the count
/// of answers and `verify` see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_guards_the_same_crowd_oversells() {
    let app = App::with(|settings| settings.orders.guard = Guard::Off).await;
    drop_constraint(&app).await;
    let (fifty, one, people) = door(&app).await;
    assert_eq!(tokio::join!(crowd(&people, &fifty), crowd(&people, &one)), (TRIES, TRIES));
    let orders = app.running.house.databases().iter().find(|db| db.name() == "orders").unwrap();
    assert_eq!(orders::verify::capacity(orders).await.unwrap().1.len(), 2);
}

/// Takes the database's own guard away, as if the table had been made without it.
async fn drop_constraint(app: &App) {
    let orders = app.running.house.databases().iter().find(|db| db.name() == "orders").unwrap();
    for sql in [
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = REPLACE(sql, 'taken >= 0 AND taken <= capacity', '1') WHERE name = 'stock'",
        "PRAGMA schema_version = 1000",
        "PRAGMA writable_schema = RESET",
    ] {
        orders.write(|tx| async move { tx.execute(sql, &[]).await }).await.unwrap();
    }
}
