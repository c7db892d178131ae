//! The catalogue: who sees what, what may be changed, and what is announced of it.

use std::time::Duration;

use crate::Unneeded;
use contracts::{Event, OrderStatus, TicketState};
use kernel::ObjectId;
use serde_json::json;

use super::{FIRST, House, WEBM};

#[tokio::test]
async fn who_sees_what() {
    let house = House::new().await;
    let public = house.video(FIRST, "public").await;
    let ticket = house.video(FIRST, "ticket").await;
    let private = house.video(FIRST, "private").await;
    assert_eq!(house.catalogue(None).await, [public.clone(), ticket.clone()]);
    assert_eq!(house.catalogue(Some(&house.other)).await.len(), 2);
    assert_eq!(house.catalogue(Some(&house.owner)).await, [public.clone(), ticket.clone(), private.clone()]);
    let list = house.get("/api/videos?order=desc&limit=1", Some(&house.owner)).await.expect(200);
    assert_eq!(list.json()[0]["id"], json!(private));
    assert!(list.header("link").contains("rel=\"next\""));
    let one = house.get(&format!("/api/videos/{ticket}"), None).await.expect(200);
    let tag = one.header("etag").to_owned();
    assert_eq!(
        house.ask("GET", &format!("/api/videos/{ticket}"), None, &[("if-none-match", &tag)], ()).await.status,
        304
    );
    assert_eq!(house.get(&format!("/api/videos/{private}"), Some(&house.other)).await.status, 404);
    let span = |descending| web::Span { after: None, limit: 2, descending };
    let own = crate::store::of_owner(&house.db, house.owner.id, &span(false)).await.unwrap();
    assert_eq!(own.iter().map(|video| video.id.to_string()).collect::<Vec<_>>(), [public, ticket.clone()]);
    let own = crate::store::of_owner(&house.db, house.owner.id, &span(true)).await.unwrap();
    assert_eq!(own.iter().map(|video| video.id.to_string()).collect::<Vec<_>>(), [private, ticket]);
}

#[tokio::test]
async fn what_may_be_changed_is_announced_without_gaps() {
    let house = House::new().await;
    let id = house.video(FIRST, "private").await;
    let path = format!("/api/videos/{id}");
    let edit = async |who, body| house.call("PATCH", &path, who, body).await;
    let owner = Some(&house.owner);
    assert_eq!(edit(None, json!({ "title": "x" })).await.status, 401);
    assert_eq!(edit(Some(&house.other), json!({ "title": "x" })).await.status, 404);
    for wrong in
        [json!({ "title": " " }), json!({ "visibility": "secret" }), json!({ "title": "x".repeat(201) })]
    {
        assert_eq!(edit(owner, wrong).await.status, 400);
    }
    assert_eq!(
        edit(owner, json!({ "title": " Metropolis ", "visibility": "public" })).await.expect(200).json()["title"],
        "Metropolis"
    );
    edit(owner, json!({ "title": "Metropolis" })).await.expect(200);
    assert_eq!(edit(Some(&house.other), json!({ "title": "x" })).await.status, 401);
    edit(owner, json!({ "visibility": "ticket" })).await.expect(200);
    let (a, b) = tokio::join!(edit(owner, json!({ "title": "A" })), edit(owner, json!({ "title": "B" })));
    assert_eq!((a.status, b.status), (200, 200));
    assert_eq!(house.ask("DELETE", &path, Some(&house.other), &[], ()).await.status, 401);
    house.ask("DELETE", &path, owner, &[], ()).await.expect(204);
    assert_eq!(house.ask("DELETE", &path, owner, &[], ()).await.status, 404);
    assert_eq!(house.watch(&id, owner).await.status, 404);
    assert_eq!(house.get("/video?path=film.mp4", owner).await.status, 404);
    let announced = house.announced().await;
    let told: Vec<_> = announced.iter().map(|(_, subject, version)| (*subject, *version)).collect();
    let updated = (1..=4).map(|version| ("video:updated", version));
    let all: Vec<_> =
        [("video:created", 0)].into_iter().chain(updated).chain([("video:deleted", 5)]).collect();
    assert_eq!(told, all);
    house.streaming.let_objects_go().await.unwrap();
    assert_eq!(house.shelf.count(), (0, 0));
    // Its path is free again.
    house.video(WEBM, "public").await;
    assert_eq!(house.get("/video?path=film.mp4", None).await.expect(200).bytes, WEBM);
}

#[tokio::test]
async fn what_was_sold_stays() {
    let house = House::new().await;
    let id = house.video(FIRST, "ticket").await;
    let path = format!("/api/videos/{id}");
    let (ticket, order) = house.sold(&house.owner, &id).await;
    let owner = Some(&house.owner);
    let hide = async || house.call("PATCH", &path, owner, json!({ "visibility": "private" })).await.status;
    let delete = async || house.ask("DELETE", &path, owner, &[], ()).await.status;
    assert_eq!((hide().await, delete().await), (409, 409));
    let refused = house.call("PATCH", &path, owner, json!({ "visibility": "private" })).await;
    assert_eq!(refused.error().1, "Tickets were sold for it");
    // A hold is as good as sold; for everybody is no less than for those with a ticket.
    house.refunded(&order).await;
    let held = house.order(&ticket, &house.other, 0, OrderStatus::Created);
    house.hear(&Event::OrderCreated(held.clone())).await;
    assert_eq!((hide().await, delete().await), (409, 409));
    house.call("PATCH", &path, owner, json!({ "visibility": "public", "title": "New" })).await.expect(200);
    assert_eq!(hide().await, 409);
    // Over, or refunded, it may go.
    let closes_at = Some(house.clock.now() + Duration::from_secs(10));
    house.hear(&Event::TicketUpdated(TicketState { version: 1, closes_at, ..ticket })).await;
    assert_eq!(delete().await, 409);
    house.clock.advance(Duration::from_secs(10));
    assert_eq!((hide().await, delete().await), (200, 204));
    let offers =
        crate::store::admissions::offers(&house.db, id.parse().unwrap(), house.owner.id).await.unwrap();
    assert_eq!(offers, []);
}

#[tokio::test]
async fn what_is_on_sale_stays() {
    let house = House::new().await;
    let id = house.video(FIRST, "ticket").await;
    let path = format!("/api/videos/{id}");
    let owner = Some(&house.owner);
    let hide = async || house.call("PATCH", &path, owner, json!({ "visibility": "private" })).await;
    let delete = async || house.ask("DELETE", &path, owner, &[], ()).await;
    // Whoever sells tickets to what is not theirs keeps nothing.
    house.hear(&Event::TicketCreated(house.ticket(&house.other, &id))).await;
    hide().await.expect(200);
    house.call("PATCH", &path, owner, json!({ "visibility": "ticket" })).await.expect(200);
    let ticket = house.ticket(&house.owner, &id);
    house.hear(&Event::TicketCreated(ticket.clone())).await;
    let told = (409, "Tickets for it are on sale: withdraw them first".to_owned());
    assert_eq!((hide().await.error(), delete().await.error()), (told.clone(), told.clone()));
    house.call("PATCH", &path, owner, json!({ "visibility": "public" })).await.expect(200);
    let closes_at = Some(house.clock.now() + Duration::from_secs(10));
    house.hear(&Event::TicketUpdated(TicketState { version: 1, closes_at, ..ticket.clone() })).await;
    assert_eq!(hide().await.error(), told);
    house.hear(&Event::TicketUpdated(TicketState { version: 2, withdrawn: true, ..ticket })).await;
    hide().await.expect(200);
    delete().await.expect(204);
}

/// A seller who is gone sells nothing, whenever that is heard of the tickets.
#[tokio::test]
async fn what_was_on_sale_goes_with_its_seller() {
    let house = House::new().await;
    let id = house.video(FIRST, "ticket").await;
    house.hear(&Event::TicketCreated(house.ticket(&house.owner, &id))).await;
    house.deleted(&house.owner).await;
    assert_eq!(house.catalogue(None).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_nobody_speaks_of_is_collected() {
    let house = House::new().await;
    let id = house.video(FIRST, "public").await;
    let poster = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".as_slice();
    house.ask("PUT", &format!("/api/videos/{id}/poster"), Some(&house.owner), &[], poster).await.expect(200);
    let vtt = "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n";
    house
        .ask("PUT", &format!("/api/videos/{id}/captions/en"), Some(&house.owner), &[], vtt)
        .await
        .expect(200);
    let (needed, last) = crate::verify::needed(&house.db, None, 10).await.unwrap();
    assert_eq!((needed.len(), last.map(|id| id.to_string())), (3, Some(id)));
    assert!(needed.iter().all(|(_, object)| house.shelf.has(*object)));
    let lost: Vec<ObjectId> = (0..5).map(|_| ObjectId::new(&house.clock)).collect();
    lost.iter().for_each(|id| house.shelf.lay(*id));
    let found = house.streaming.collect(true).await.unwrap();
    assert_eq!((found.objects.len(), house.shelf.count().0), (5, 8), "a dry run lets nothing go");
    assert_eq!(house.streaming.collect(false).await.unwrap().objects.len(), 5);
    assert_eq!(house.shelf.count().0, 3);
    assert_eq!(house.streaming.collect(false).await.unwrap(), Unneeded::default());
    // Where most seems to be garbage, it is rather the database that is another one.
    for _ in 0..21 {
        house.shelf.lay(ObjectId::new(&house.clock));
    }
    let found = house.streaming.collect(false).await.unwrap();
    assert!(found.suspicious && found.objects.len() == 21);
    assert_eq!(house.shelf.count().0, 24, "they stay");
}

#[tokio::test]
async fn what_cannot_be_let_go_keeps_nothing_else() {
    let house = House::new().await;
    house.video(FIRST, "public").await;
    let lost: Vec<ObjectId> = (0..3).map(|_| ObjectId::new(&house.clock)).collect();
    lost.iter().for_each(|id| house.shelf.lay(*id));
    *house.shelf.stuck.lock().unwrap() = lost[..2].to_vec();
    let failed = house.streaming.collect(false).await.unwrap_err();
    assert_eq!(failed.kind, kernel::Kind::Unavailable);
    assert_eq!(lost.iter().map(|id| house.shelf.has(*id)).collect::<Vec<_>>(), [true, true, false]);
    house.shelf.stuck.lock().unwrap().clear();
    assert_eq!(house.streaming.collect(false).await.unwrap().objects.len(), 2);
    assert_eq!(house.shelf.count().0, 1);
}

/// An object that cannot be let go now goes to the end of those that leave.
#[tokio::test]
async fn what_stays_lets_others_go_first() {
    let house = House::new().await;
    let [first, second] = [ObjectId::new(&house.clock), ObjectId::new(&house.clock)];
    for object in [first, second] {
        house.db.write(|tx| async move { crate::store::remove(&tx, object).await }).await.unwrap();
        house.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(crate::store::removals(&house.db, 10).await.unwrap(), [first, second]);
    crate::store::stays(&house.db, first).await.unwrap();
    assert_eq!(crate::store::removals(&house.db, 10).await.unwrap(), [second, first]);
}

/// What `marquee verify` compares with their sources; and who finishes an upload that is gone has nothing to hold.
#[tokio::test]
async fn copies_are_read_in_the_order_of_their_ids() {
    let house = House::new().await;
    let id = kernel::VideoId::new(&house.clock);
    crate::store::uploads::hold(&house.db, id, house.clock.now()).await.unwrap();
    assert!(crate::store::uploads::find(&house.db, id).await.unwrap().is_none());
    assert_eq!(crate::verify::ticket_copies_after(&house.db, None, 10).await.unwrap().len(), 0);
    assert_eq!(crate::verify::order_copies_after(&house.db, None, 10).await.unwrap().len(), 0);
}
