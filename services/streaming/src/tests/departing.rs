//! Somebody's account is deleted.

use std::time::Duration;

use contracts::Visibility;
use kernel::{ObjectId, UserId, VideoId};
use serde_json::{Value, json};

use super::{FIRST, House, Person, eventually};
use crate::admission::Admission;
use crate::model::Video;
use crate::store;
use crate::store::sittings::Seat;

#[tokio::test]
async fn whoever_is_gone_leaves_what_was_sold() {
    let house = House::new().await;
    let public = house.video(FIRST, "public").await;
    let sold = house.video(FIRST, "ticket").await;
    let (_, order) = house.sold(&house.owner, &sold).await;
    house.watch(&public, Some(&house.owner)).await.expect(200);
    eventually("they have watched", async || house.plays().await == 1).await;
    let headers = [("tus-resumable", "1.0.0"), ("upload-length", "10")];
    let upload = house.ask("POST", "/api/uploads", Some(&house.owner), &headers, ()).await.expect(201);
    for _ in 0..2 {
        house.deleted(&house.owner).await;
        house.streaming.let_objects_go().await.unwrap();
        assert_eq!(house.catalogue(None).await, std::slice::from_ref(&sold));
        assert_eq!(house.shelf.count(), (1, 0), "uploads end too");
        house.watch(&sold, Some(&house.viewer)).await.expect(200);
    }
    let location = upload.header("location");
    assert_eq!(house.ask("HEAD", location, Some(&house.owner), &[headers[0]], ()).await.status, 404);
    assert_eq!(house.get("/api/history", Some(&house.owner)).await.json(), json!([]));
    // A session that has not heard of it publishes nothing any more.
    let late = house.ask("POST", "/api/videos", Some(&house.owner), &[], FIRST).await;
    assert_eq!(late.status, 401);
    house.streaming.finish_departures().await.unwrap();
    assert_eq!(house.catalogue(None).await, std::slice::from_ref(&sold));
    house.refunded(&order).await;
    house.streaming.finish_departures().await.unwrap();
    assert_eq!(house.catalogue(None).await, Vec::<String>::new());
    eventually("nothing is left", async || {
        house.streaming.let_objects_go().await.unwrap();
        house.shelf.count() == (0, 0)
    })
    .await;
    let versions: Vec<i64> = house
        .announced()
        .await
        .into_iter()
        .filter(|(of, ..)| *of == format!("video:{sold}"))
        .map(|(.., v)| v)
        .collect();
    assert_eq!(versions, [0, 1, 2]);
}

#[tokio::test]
async fn whoever_is_gone_is_not_written_into_history_again() {
    let house = House::new().await;
    let id = house.video(FIRST, "ticket").await;
    house.sold(&house.owner, &id).await;
    let link = async |who| {
        let path = format!("/api/videos/{id}/links");
        let made = house.call("POST", &path, Some(who), json!({})).await.expect(201);
        made.json()["url"].as_str().unwrap().to_owned()
    };
    let (viewers, owners) = (link(&house.viewer).await, link(&house.owner).await);
    house.get(&viewers, None).await.expect(200);
    eventually("they watch", async || house.plays().await == 1).await;
    house.deleted(&house.viewer).await;
    assert_eq!(house.get(&viewers, None).await.status, 401, "a link of theirs ends");
    house.get(&owners, None).await.expect(200);

    // A delivery that is under way, or a session that has not heard of it.
    let seat =
        Seat { viewer: house.viewer.id.to_string(), video: id.parse().unwrap(), user: Some(house.viewer.id) };
    house.streaming.sit(&seat, Admission::Public).await.unwrap();
    assert!(history_of(&house, &house.viewer).await.is_empty());
    let viewer = house.other.id.to_string();
    let seat = Seat { viewer, user: Some(house.other.id), ..seat };
    house.streaming.sit(&seat, Admission::Public).await.unwrap();
    assert_eq!(history_of(&house, &house.other).await.len(), 1, "the control: somebody who is here");

    // What was begun in the very moment goes by itself.
    house.db.write(|tx| async move { store::mark_departed(&tx, seat.user.unwrap()).await }).await.unwrap();
    house.streaming.prune().await.unwrap();
    assert!(history_of(&house, &house.other).await.is_empty());
}

async fn history_of(house: &House, who: &Person) -> Vec<Value> {
    house.get("/api/history", Some(who)).await.expect(200).json().as_array().unwrap().clone()
}

impl House {
    /// A video that somebody sold a ticket to, if it is for holders of tickets.
    async fn film_of(&self, owner: UserId, visibility: Visibility) -> VideoId {
        let id = VideoId::new(&self.clock);
        let video = Video {
            id,
            version: 0,
            owner_id: owner,
            title: "Faust".into(),
            path: id.to_string(),
            visibility,
            size: 1,
            content_type: "video/mp4".into(),
            duration: None,
            object_id: ObjectId::new(&self.clock),
            poster: None,
            created_at: self.clock.now(),
            change: 0,
        };
        let video = &video;
        self.db.write(|tx| async move { store::insert(&tx, video).await.map(drop) }).await.unwrap();
        if visibility == Visibility::Ticket {
            self.sold(&Person { id: owner, ..self.owner.clone() }, &id.to_string()).await;
        }
        id
    }
}

#[tokio::test]
async fn what_was_sold_does_not_keep_what_was_not() {
    let house = House::new().await;
    for _ in 0..51 {
        house.film_of(house.owner.id, Visibility::Ticket).await;
    }
    house.film_of(house.owner.id, Visibility::Public).await;
    assert_eq!(house.catalogue(None).await.len(), 50, "a page");
    house.deleted(&house.owner).await;
    let left = house.get("/api/videos?limit=100", None).await.expect(200).json();
    assert!(left.as_array().unwrap().iter().all(|video| video["visibility"] == "ticket"), "{left}");
    assert_eq!(left.as_array().unwrap().len(), 51);
}

#[tokio::test]
async fn those_who_sold_something_do_not_keep_others() {
    let house = House::new().await;
    let gone = async |user| {
        house.db.write(|tx| async move { store::mark_departed(&tx, user).await }).await.unwrap();
    };
    for _ in 0..100 {
        let user = UserId::new(&house.clock);
        house.film_of(user, Visibility::Ticket).await;
        gone(user).await;
    }
    house.clock.advance(Duration::from_millis(10));
    let last = UserId::new(&house.clock);
    house.film_of(last, Visibility::Public).await;
    gone(last).await;
    house.streaming.finish_departures().await.unwrap();
    assert_eq!(store::of_owner(&house.db, last, &whole()).await.unwrap(), []);
    assert_eq!(store::all(&house.db, &whole()).await.unwrap().len(), 100);
}

fn whole() -> web::Span<VideoId> {
    web::Span { after: None, limit: 1000, descending: false }
}
