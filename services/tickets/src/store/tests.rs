//! Searching on real rows: every order, read in parts of every size, has each ticket once; and titles that an older
//! Marquee wrote are found.

use std::cmp::Reverse;
use std::time::Duration;

use db::Location;
use engines::Home;
use kernel::{Clock, Money};
use serde_json::json;
use web::{Config, Web};

use super::*;
use crate::fold::words;
use crate::model::{Changes, Draft};
use crate::search::{Place, Query, Search, Sort};
use crate::testing::House;
use crate::{MIGRATIONS, Settings, Tickets};

const HOUR: u64 = 3600;

fn looked_for(q: &str, sort: Sort) -> Search {
    let query = json!({"q": q, "sort": sort.as_str()});
    Search::read(serde_json::from_value::<Query>(query).unwrap()).unwrap()
}

fn draft(title: &str, cents: i64, changes: Changes) -> Draft {
    Draft { title: title.into(), price: Money::from_minor(cents), changes }
}

/// Tickets with few prices, few dates and few titles, so that what they are sorted by is mostly equal.
async fn a_full_house(house: &House) -> (UserId, Vec<Ticket>) {
    let (seller, other) = (UserId::new(&house.clock), UserId::new(&house.clock));
    let titles = ["Élégie", "ELEGIE für Anna", "Ärger im Haus", "Metropolis", "100% Metropolis_live", "Élan"];
    let mut tickets = Vec::new();
    for n in 0..90u64 {
        let starts = [None, Some(HOUR), Some(2 * HOUR), Some(30 * HOUR), None][n as usize % 5];
        let starts_at = match starts {
            // Some have begun already.
            None if n % 2 == 0 => Some(house.clock.now() - Duration::from_secs(n * 60)),
            None => None,
            Some(seconds) => Some(house.clock.now() + Duration::from_secs(seconds)),
        };
        let closes_at = (n % 11 == 0).then_some(house.clock.now());
        let changes = Changes {
            capacity: Some(2),
            starts_at: Some(starts_at),
            closes_at: Some(closes_at),
            ..Changes::default()
        };
        let draft = draft(titles[n as usize % titles.len()], 500 + (n as i64 % 3) * 250, changes);
        let ticket = draft.create(TicketId::new(&house.clock), if n % 4 == 0 { other } else { seller });
        tickets.push(ticket);
        if n % 7 == 0 {
            house.clock.advance(Duration::from_millis(1));
        }
    }
    let rows = &tickets;
    house
        .db
        .write(|tx| async move {
            for ticket in rows {
                insert(&tx, ticket).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    for n in [3, 20, 41, 62] {
        house.held(&tickets[n].id.to_string(), 2).await;
        tickets[n].taken = 2;
        let next = &tickets[n + 1].withdrawn().unwrap();
        house.db.write(|tx| async move { update(&tx, next).await }).await.unwrap();
        tickets[n + 1] = next.clone();
    }
    (seller, tickets)
}

fn is_like(ticket: &Ticket, q: &str) -> bool {
    let key = fold(&ticket.title);
    words(q).iter().all(|word| key.contains(word.as_str()))
}

/// What a list should be, worked out from all tickets.
fn expected(tickets: &[Ticket], q: &str, sort: Sort, now: Instant) -> Vec<TicketId> {
    let can_be_bought = |ticket: &&Ticket| {
        !ticket.withdrawn && ticket.taken < ticket.capacity && ticket.closes_at.is_none_or(|at| at > now)
    };
    let mut found: Vec<&Ticket> =
        tickets.iter().filter(can_be_bought).filter(|ticket| is_like(ticket, q)).collect();
    match sort {
        Sort::Newest => found.sort_by_key(|ticket| Reverse(ticket.id)),
        Sort::Cheapest => found.sort_by_key(|ticket| (ticket.price.minor(), ticket.id)),
        Sort::Dearest => found.sort_by_key(|ticket| Reverse((ticket.price.minor(), ticket.id))),
        Sort::Soonest => found.sort_by_key(|ticket| match ticket.starts_at.filter(|at| *at > now) {
            Some(at) => (at.as_millis(), Some(ticket.id), None),
            None => (i64::MAX, None, Some(Reverse(ticket.id))),
        }),
    }
    found.into_iter().map(|ticket| ticket.id).collect()
}

#[tokio::test]
async fn every_order_has_each_ticket_once_in_parts_of_any_size() {
    let house = House::new().await;
    let (seller, tickets) = a_full_house(&house).await;
    let now = house.clock.now();
    for sort in Sort::ALL {
        for q in ["", "elegie", "élé anna", "metropolis 100%", "a", "nothing like it"] {
            let expected = expected(&tickets, q, sort, now);
            assert_eq!(expected.is_empty(), q.starts_with("nothing"));
            for size in [1, 7, 50, 200] {
                let (mut search, mut read, mut later) = (looked_for(q, sort), Vec::new(), now);
                loop {
                    let found = search::on_sale(&house.db, &search, size, later).await.unwrap();
                    let Some(last) = found.last() else { break };
                    // As the address of the next part carries it; and meanwhile a show may have begun.
                    search.place = Some(Place::after(last, sort, search.place, later));
                    read.extend(found.iter().map(|ticket| ticket.id));
                    later = later + Duration::from_secs(HOUR / 2);
                }
                assert_eq!(read, expected, "{sort:?} “{q}” by {size}");
            }
            let search = looked_for(q, sort);
            let counted = search::count_on_sale(&house.db, &search, now).await.unwrap();
            assert_eq!(counted, expected.len() as i64, "{q}");
        }
    }
    for q in ["", "elegie", "metropolis live"] {
        let mut search = looked_for(q, Sort::Newest);
        let mut own: Vec<TicketId> =
            tickets.iter().filter(|t| t.user_id == seller && is_like(t, q)).map(|t| t.id).collect();
        own.sort_by_key(|id| Reverse(*id));
        assert_eq!(search::count_of_user(&house.db, seller, &search).await.unwrap(), own.len() as i64);
        let mut read = Vec::new();
        while let found = search::of_user(&house.db, seller, &search, 4).await.unwrap()
            && let Some(last) = found.last()
        {
            search.place = Some(Place::Listed(last.id));
            read.extend(found.iter().map(|ticket| ticket.id));
        }
        assert_eq!(read, own, "{q}");
    }
}

#[tokio::test]
async fn what_is_listed_or_sold_between_two_parts_moves_nothing_else() {
    let house = House::new().await;
    let (seller, mut tickets) = a_full_house(&house).await;
    let now = house.clock.now();
    for sort in Sort::ALL {
        let expected = expected(&tickets, "", sort, now);
        let mut search = looked_for("", sort);
        let first = search::on_sale(&house.db, &search, 10, now).await.unwrap();
        search.place = Some(Place::after(&first[9], sort, None, now));
        // The last one shown is gone, and another one comes that belongs before it.
        let cheap = if sort == Sort::Cheapest { 1 } else { 1_000_000 };
        let soon = Changes { starts_at: Some(Some(now + Duration::from_millis(1))), ..Changes::default() };
        house.clock.advance(Duration::from_secs(1));
        let listed = house.tickets.list(seller, draft("New", cheap, soon), None).await.unwrap();
        house.held(&first[9].id.to_string(), 2).await;
        tickets.retain(|ticket| ticket.id != first[9].id);
        let rest = search::on_sale(&house.db, &search, 200, now).await.unwrap();
        let rest: Vec<TicketId> = rest.iter().map(|ticket| ticket.id).collect();
        assert_eq!(rest, expected[10..], "{sort:?}");
        let gone = listed.withdrawn().unwrap();
        let gone = &gone;
        house.db.write(|tx| async move { update(&tx, gone).await }).await.unwrap();
    }
}

#[tokio::test]
async fn an_edit_is_found_by_its_new_title() {
    let house = House::new().await;
    let id = crate::testing::id_of(&house.listed(json!({"title": "Nosferatu", "price": 1})).await);
    let path = format!("/api/tickets/{id}");
    house.call("PUT", &path, &house.seller, json!({"title": "Œuvre au noir", "price": 1})).await;
    for (q, n) in [("nosferatu", 0), ("oeuvre", 1), ("œUVRE noir", 1)] {
        let found =
            search::on_sale(&house.db, &looked_for(q, Sort::Newest), 10, house.clock.now()).await.unwrap();
        assert_eq!(found.len(), n, "{q}");
    }
}

#[tokio::test]
async fn titles_that_an_older_marquee_wrote_are_found() {
    const LIST: &str = "INSERT INTO tickets (id, version, user_id, title, price, capacity, withdrawn, taken)
        VALUES ($1, 0, $2, $3, 100, 1, FALSE, 0)";
    const RENAME: &str = "UPDATE tickets SET version = version + 1, title = $2 WHERE id = $1";
    let home = Home::new().await;
    let clock = Clock::manual(Instant::from_millis(1_800_000_000_000));
    let place = Location::new(home.url(), home.directory(), "tickets");
    let db = &Db::open(&place, "tickets", clock.clone()).unwrap();
    db.migrate(&MIGRATIONS[..1]).await.unwrap();
    let (id, user) = (&TicketId::new(&clock), &UserId::new(&clock));
    let written = db
        .write(|tx| async move {
            for n in 0..600 {
                let (other, title) = (TicketId::new(tx.clock()), format!("Nº {n}"));
                tx.execute(LIST, &[if n == 0 { id } else { &other }, user, &title]).await?;
            }
            Ok(())
        })
        .await;
    written.unwrap();
    db.migrate(MIGRATIONS).await.unwrap();

    let web = Web::new(Config { clock: clock.clone(), ..Config::default() });
    let tickets = Tickets::new(db.clone(), web, Settings::default());
    let count =
        async |q: &str| search::count_on_sale(db, &looked_for(q, Sort::Newest), clock.now()).await.unwrap();
    assert_eq!(count("no").await, 0);
    tickets.fold_titles().await.unwrap();
    assert_eq!((count("no").await, count("NO 599").await), (600, 1), "in more than one batch");
    db.write(|tx| async move { tx.execute(RENAME, &[id, &"Élégie"]).await.map(drop) }).await.unwrap();
    assert_eq!(count("elegie").await, 0);
    tickets.fold_titles().await.unwrap();
    assert_eq!(count("elegie").await, 1);
    assert_eq!(fold_titles(db, 10).await.unwrap(), 0, "what is folded is left alone");
}
