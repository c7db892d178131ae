//! On real rows: nothing of a deleted seller stays for sale, whatever was listed at the last moment.

use contracts::{Event, Role, UserState};
use db::Location;
use engines::Home;
use events::Handler as _;
use kernel::{Clock, Instant, Kind, Money, TicketId, UserId};
use serde_json::json;

use crate::model::{Changes, Draft};
use crate::store::sellers::BATCH;
use crate::testing::{House, id_of};
use crate::{MIGRATIONS, Settings, Tickets};

fn draft(n: usize) -> Draft {
    Draft { title: format!("Nº {n}"), price: Money::from_minor(100), changes: Changes::default() }
}

impl House {
    /// Hears that users are deleted, all at once.
    async fn hears_of_deleted(&self, users: &[UserId]) {
        let state = |id: &UserId| UserState {
            id: *id,
            version: 1,
            email: None,
            username: None,
            role: Role::User,
            change: 0,
            former_email: None,
            former_username: None,
        };
        let events: Vec<Event> = users.iter().map(|id| Event::UserDeleted(state(id))).collect();
        let (events, tickets): (&Vec<&Event>, _) = (&events.iter().collect(), &self.tickets);
        self.db.write(|tx| async move { tickets.handle(&tx, events).await }).await.unwrap();
    }

    async fn for_sale(&self, seller: UserId) -> usize {
        let all = crate::verify::tickets_after(&self.db, None, 10_000).await.unwrap();
        all.iter().filter(|ticket| ticket.user_id == seller && !ticket.withdrawn).count()
    }
}

#[tokio::test]
async fn what_a_deleted_seller_has_for_sale_is_withdrawn_as_by_themselves() {
    let house = House::new().await;
    let sold = house.listed(json!({"title": "Metropolis", "price": 20, "capacity": 3})).await;
    let held = house.listed(json!({"title": "Nosferatu", "price": 20})).await;
    let gone = house.listed(json!({"title": "Faust", "price": 20})).await;
    house.call("DELETE", &format!("/api/tickets/{}", id_of(&gone)), &house.seller, json!(null)).await;
    let other =
        house.call("POST", "/api/tickets", &house.buyer, json!({"title": "M", "price": 1})).await.json();
    house.held(&id_of(&sold), 2).await;
    let order = house.held(&id_of(&held), 1).await;
    let seller: UserId = sold["userId"].as_str().unwrap().parse().unwrap();

    house.hears_of_deleted(&[seller]).await;
    house.tickets.withdraw_all_left().await.unwrap();
    for (ticket, version) in [(&sold, 1), (&held, 1), (&gone, 1), (&other, 0)] {
        assert_eq!(house.ticket(&id_of(ticket)).await["version"], version);
    }
    assert_eq!(house.get("/api/tickets", "").await.ids(), [id_of(&other)]);
    assert_eq!(house.ticket(&id_of(&held)).await["orderId"], json!(order.id), "what is held stays held");
    let announced = house.announced().await;
    assert_eq!(announced.iter().filter(|event| **event == ("ticket:updated", 1)).count(), 3);

    house.hears_of_deleted(&[seller]).await;
    house.tickets.withdraw_all_left().await.unwrap();
    assert_eq!(house.announced().await.len(), announced.len(), "heard twice is done once");
    for (method, path) in
        [("POST", "/api/tickets".to_owned()), ("PUT", format!("/api/tickets/{}", id_of(&sold)))]
    {
        let reply = house.call(method, &path, &house.seller, json!({"title": "Again", "price": 1})).await;
        let (status, sentence) =
            if method == "POST" { (401, "Not authorized") } else { (400, "Cannot edit a withdrawn ticket") };
        assert_eq!((reply.status, reply.error().1.as_str()), (status, sentence));
    }
    assert_eq!(house.for_sale(seller).await, 0);
}

#[tokio::test]
async fn whatever_they_left_however_much_is_withdrawn_batch_by_batch() {
    let house = House::new().await;
    let sellers: Vec<UserId> = (0..3).map(|_| UserId::new(&house.clock)).collect();
    for (seller, count) in sellers.iter().zip([BATCH + 1, 0, BATCH]) {
        for n in 0..count {
            house.tickets.list(*seller, draft(n), None).await.unwrap();
        }
    }
    house.hears_of_deleted(&sellers[..2]).await;
    assert_eq!(house.for_sale(sellers[0]).await, BATCH + 1);
    house.tickets.withdraw_all_left().await.unwrap();
    assert_eq!((house.for_sale(sellers[0]).await, house.for_sale(sellers[2]).await), (0, BATCH));
    let refused = house.tickets.list(sellers[1], draft(0), None).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Unauthorized);
    house.hears_of_deleted(&sellers[2..]).await;
    house.tickets.withdraw_all_left().await.unwrap();
    assert_eq!(house.for_sale(sellers[2]).await, 0);
}

/// Listing and the news of the deletion meet in the seller's row, so one of the two waits for the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_listed_while_they_are_deleted_is_refused_or_withdrawn() {
    let house = House::new().await;
    let (mut listed, mut refused) = (0, 0);
    for round in 0..20 {
        let seller = UserId::new(&house.clock);
        let listing = (0..4).map(|n| {
            let tickets = house.tickets.clone();
            tokio::spawn(async move { tickets.list(seller, draft(n), None).await })
        });
        let listing: Vec<_> = listing.collect();
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        house.hears_of_deleted(&[seller]).await;
        house.tickets.withdraw_all_left().await.unwrap();
        for one in listing {
            match one.await.unwrap() {
                Ok(_) => listed += 1,
                Err(error) if error.kind == Kind::Unauthorized => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(house.for_sale(seller).await, 0, "round {round}");
    }
    assert_eq!(listed + refused, 80);
}

#[tokio::test]
async fn sellers_of_an_older_marquee_depart_as_well() {
    const LIST: &str = "INSERT INTO tickets (id, version, user_id, title, price, capacity, withdrawn, taken)
        VALUES ($1, 0, $2, 'Metropolis', 100, 1, FALSE, 0)";
    let home = Home::new().await;
    let clock = Clock::manual(Instant::from_millis(1_800_000_000_000));
    let place = Location::new(home.url(), home.directory(), "tickets");
    let db = &db::Db::open(&place, "tickets", clock.clone()).unwrap();
    db.migrate(&MIGRATIONS[..2]).await.unwrap();
    let (id, seller) = (TicketId::new(&clock), UserId::new(&clock));
    db.write(|tx| async move { tx.execute(LIST, &[&id, &seller]).await.map(drop) }).await.unwrap();
    db.migrate(MIGRATIONS).await.unwrap();

    let web = web::Web::new(web::Config { clock: clock.clone(), ..web::Config::default() });
    let tickets = &Tickets::new(db.clone(), web, Settings::default());
    tickets.list(seller, draft(0), None).await.unwrap();
    let users = [seller].into_iter().collect::<std::collections::BTreeSet<_>>();
    let users = &users;
    db.write(|tx| async move { tickets.depart(&tx, users.clone()).await }).await.unwrap();
    tickets.withdraw_all_left().await.unwrap();
    let all = crate::verify::tickets_after(db, None, 10).await.unwrap();
    assert!(all.len() == 2 && all.iter().all(|ticket| ticket.withdrawn), "{all:?}");
}
