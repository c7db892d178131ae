//! Tickets that admit to videos, by the calls: whose a video has to be, and in which order the news of it may come.

use axum::http::{Request, header};
use contracts::{Event, OrderState, OrderStatus, VideoState, Visibility};
use serde_json::{Value, json};

use super::*;
use crate::testing::{House, Reply, id_of};
use crate::{Settings, verify};

const REFUSED: &str = "VideoId must be the id of one of your videos";

impl House {
    async fn lists_with(&self, video: &str) -> Reply {
        let body = json!({"title": "M", "price": 20, "videoId": video});
        self.call("POST", "/api/tickets", &self.seller, body).await
    }

    async fn copies(&self) -> Vec<Video> {
        verify::video_copies_after(&self.db, None, 10).await.unwrap()
    }
}

fn is_refused(reply: &Reply) {
    assert_eq!(reply.error(), (400, REFUSED.to_owned(), "videoId".to_owned()), "{}", reply.text);
}

#[tokio::test]
async fn a_ticket_admits_to_a_video_of_its_seller_and_of_nobody_else() {
    let house = House::new().await;
    let own = house.published(&house.video("Nosferatu")).await;
    let listed = house.lists_with(&own).await;
    assert_eq!((listed.status, &listed.json()["videoId"]), (201, &json!(own)));

    let anothers = VideoState { owner_id: UserId::new(&house.clock), ..house.video("Faust") };
    let anothers = house.published(&anothers).await;
    is_refused(&house.lists_with(&anothers).await);
    let body = json!({"title": "M", "price": 20, "videoId": own});
    is_refused(&house.call("POST", "/api/tickets", &house.buyer, body).await);
    let gone = house.video("Sunrise");
    let id = house.published(&gone).await;
    house.hears_all(&house.tickets, &[Event::VideoDeleted(VideoState { version: 1, ..gone })]).await;
    is_refused(&house.lists_with(&id).await);

    assert_eq!(house.announced().await.len(), 1, "what was refused is not there");
}

#[tokio::test]
async fn an_edit_is_checked_where_it_names_another_video() {
    let house = House::new().await;
    let (first, second) = (house.video("One"), house.video("Two"));
    let own = house.published(&first).await;
    let path = format!("/api/tickets/{}", id_of(&house.lists_with(&own).await.json()));
    let edit = async |who: &str, video: Value| {
        house.call("PUT", &path, who, json!({"title": "N", "price": 20, "videoId": video})).await
    };
    let anothers = VideoState { owner_id: UserId::new(&house.clock), ..house.video("Faust") };
    let anothers = house.published(&anothers).await;
    is_refused(&edit(&house.seller, json!(anothers)).await);
    assert_eq!(edit(&house.buyer, json!(anothers)).await.status, 401, "another's ticket is another's first");
    let unknown = format!("/api/tickets/{}", kernel::TicketId::new(&house.clock));
    let body = json!({"title": "N", "price": 20, "videoId": anothers});
    assert_eq!(house.call("PUT", &unknown, &house.seller, body).await.status, 404);

    // What the ticket has already stays, though nothing new may have it.
    house.hears_all(&house.tickets, &[Event::VideoDeleted(VideoState { version: 1, ..first })]).await;
    assert_eq!(edit(&house.seller, json!(own)).await.json()["version"], 1);
    assert_eq!(edit(&house.seller, Value::Null).await.json()["videoId"], json!(own), "absent");
    let other = house.published(&second).await;
    let edited = edit(&house.seller, json!(other)).await;
    assert_eq!((&edited.json()["version"], &edited.json()["videoId"]), (&json!(3), &json!(other)));
    is_refused(&edit(&house.seller, json!(own)).await);
}

const HIDDEN: &str = "This video is private: first let whoever has a ticket watch it";

#[tokio::test]
async fn no_ticket_admits_to_a_video_that_is_private() {
    let house = House::new().await;
    let hidden = |video: &VideoState| VideoState {
        version: video.version + 1,
        visibility: Visibility::Private,
        ..video.clone()
    };
    let is_told = |reply: &Reply| {
        assert_eq!(reply.error(), (400, HIDDEN.to_owned(), "videoId".to_owned()), "{}", reply.text);
    };
    let video = VideoState { visibility: Visibility::Private, ..house.video("Metropolis") };
    let private = house.published(&video).await;
    is_told(&house.lists_with(&private).await);
    let own = house.video("Nosferatu");
    let id = house.published(&own).await;
    let path = format!("/api/tickets/{}", id_of(&house.lists_with(&id).await.json()));
    let edit = async |video: Option<&str>| {
        let mut body = json!({"title": "N", "price": 20});
        if let Some(video) = video {
            body["videoId"] = json!(video);
        }
        house.call("PUT", &path, &house.seller, body).await
    };
    is_told(&edit(Some(&private)).await);
    // It may have been hidden while what the ticket admits to was over.
    house.hears_all(&house.tickets, &[Event::VideoUpdated(hidden(&own))]).await;
    is_told(&edit(Some(&id)).await);
    is_told(&edit(None).await);
    assert_eq!(house.announced().await.len(), 1, "what was refused is not there");
    // That it is opened now is waited for.
    let opened = Event::VideoUpdated(VideoState { version: 2, ..own.clone() });
    let opened = [opened];
    let (edited, ()) = tokio::join!(edit(None), house.hears_all(&house.tickets, &opened));
    assert_eq!(edited.status, 200, "{}", edited.text);
}

#[tokio::test]
async fn what_was_sold_admits_to_what_it_did() {
    let house = House::new().await;
    let (first, second) = (house.video("One"), house.video("Two"));
    let (own, other) = (house.published(&first).await, house.published(&second).await);
    let listed = async |video: Value| {
        let body = json!({"title": "M", "price": 20, "capacity": 5, "videoId": video});
        let ticket = id_of(&house.listed(body).await);
        let order = house.held(&ticket, 1).await;
        (format!("/api/tickets/{ticket}"), order)
    };
    let edit = async |path: &str, video: Value| {
        house.call("PUT", path, &house.seller, json!({"title": "N", "price": 20, "videoId": video})).await
    };
    let (path, order) = listed(json!(own)).await;
    let told = "Units of it are taken: what it admits to stays";
    assert_eq!(edit(&path, json!(other)).await.error(), (409, told.to_owned(), "videoId".to_owned()));
    // In the form, which shows it, a blank one means none.
    let form = Request::post(format!("{}/edit", path.trim_start_matches("/api")))
        .header(header::COOKIE, &house.seller)
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let emptied = house.send(form.body("title=N&price=20&capacity=5&videoId=".into()).unwrap()).await;
    assert_eq!(emptied.status, 409);
    assert!(emptied.text.contains(told), "{}", emptied.text);
    assert_eq!(edit(&path, Value::Null).await.json()["videoId"], json!(own));
    house.hears(&OrderState { version: 1, status: OrderStatus::Cancelled, ..order }).await;
    assert_eq!(edit(&path, json!(other)).await.json()["videoId"], json!(other));
    // Whoever has bought may get a video besides.
    let (path, _) = listed(Value::Null).await;
    assert_eq!(edit(&path, json!(other)).await.json()["videoId"], json!(other));
}

#[tokio::test]
async fn a_video_that_is_heard_of_meanwhile_is_waited_for() {
    let house = House::new().await;
    let video = house.video("Nosferatu");
    let id = video.id.to_string();
    let (listed, _) = tokio::join!(house.lists_with(&id), house.published(&video));
    assert_eq!(listed.status, 201, "{}", listed.text);
    let other = house.video("Faust");
    let path = format!("/api/tickets/{}", id_of(&listed.json()));
    let body = json!({"title": "M", "price": 20, "videoId": other.id});
    let edit = house.call("PUT", &path, &house.seller, body);
    let (edited, _) = tokio::join!(edit, house.published(&other));
    assert_eq!(edited.status, 200, "{}", edited.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_another_process_hears_of_is_waited_for_too() {
    let house = House::new().await;
    let another = Tickets::new(house.db.clone(), house.web.clone(), Settings::default());
    let video = house.video("Nosferatu");
    let hear = async {
        // Later than the first look, so that it takes another.
        tokio::time::sleep(Duration::from_millis(30)).await;
        house.hears_all(&another, &[Event::VideoCreated(video.clone())]).await;
    };
    let id = video.id.to_string();
    let (listed, ()) = tokio::join!(house.lists_with(&id), hear);
    assert_eq!(listed.status, 201, "{}", listed.text);
}

#[tokio::test]
async fn what_nobody_hears_of_is_refused_after_a_while_or_may_exist_where_nobody_can_hear() {
    let house = House::new().await;
    let id = VideoId::new(&house.clock).to_string();
    let began = Instant::now();
    is_refused(&house.lists_with(&id).await);
    assert!(began.elapsed() >= WAIT_FOR_COPY);
    house.web.revocations().set_hearing(false);
    assert_eq!(house.lists_with(&id).await.status, 503);
    assert!(house.announced().await.is_empty());
}

#[tokio::test]
async fn a_copy_is_of_the_newest_version_that_was_heard() {
    let house = House::new().await;
    let first = house.video("One");
    let at = |version, title: &str| VideoState { version, title: title.to_owned(), ..first.clone() };
    let copy = |event: &Event| Video::of(event).unwrap();
    let (second, third) = (Event::VideoUpdated(at(1, "Two")), Event::VideoUpdated(at(2, "Three")));
    house.hears_all(&house.tickets, &[Event::VideoCreated(first.clone()), second.clone()]).await;
    assert_eq!(house.copies().await, [copy(&second)], "of a batch the last");
    house.hears_all(&house.tickets, std::slice::from_ref(&third)).await;
    for late in [second, Event::VideoCreated(first.clone())] {
        house.hears_all(&house.tickets, &[late]).await;
        assert_eq!(house.copies().await, [copy(&third)]);
    }
    let deleted = Event::VideoDeleted(at(3, "Three"));
    house.hears_all(&house.tickets, std::slice::from_ref(&deleted)).await;
    house.hears_all(&house.tickets, &[third]).await;
    let copies = house.copies().await;
    assert_eq!(copies, [copy(&deleted)]);
    assert!(copies[0].gone, "an event of before does not bring it back");

    let others = [house.video("A"), house.video("B")];
    house.hears_all(&house.tickets, &others.clone().map(Event::VideoCreated)).await;
    let rest = verify::video_copies_after(&house.db, Some(first.id), 10).await.unwrap();
    assert_eq!(rest.iter().map(|video| video.id).collect::<Vec<_>>(), others.map(|video| video.id));
}

#[tokio::test]
async fn a_seller_is_offered_their_latest_videos_and_the_one_that_is_chosen() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for n in 0..OFFERED + 2 {
        let video = house.video(&n.to_string());
        house.published(&video).await;
        ids.push(video.id);
        house.clock.advance(Duration::from_millis(1));
    }
    house.published(&VideoState { owner_id: UserId::new(&house.clock), ..house.video("another's") }).await;
    ids.reverse();
    let offered = async |chosen| {
        let videos = house.tickets.offered(house.seller_id, chosen).await.unwrap();
        videos.into_iter().map(|video| video.id).collect::<Vec<_>>()
    };
    assert_eq!(offered(None).await, ids[..200]);
    assert_eq!(offered(Some(ids[7])).await, ids[..200]);
    assert_eq!(offered(Some(ids[201])).await, [&ids[..200], &ids[201..]].concat());
    assert_eq!(offered(Some(VideoId::new(&house.clock))).await, ids[..200], "one that nobody has heard of");
}
