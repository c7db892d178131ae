//! What counts as watched, and how far.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{FIRST, House, Person, eventually, long};

async fn history(house: &House, who: &Person) -> Vec<Value> {
    house.get("/api/history", Some(who)).await.expect(200).json().as_array().unwrap().clone()
}

async fn range(house: &House, id: &str, who: Option<&Person>, range: &str) {
    house.ask("GET", &format!("/video?id={id}"), who, &[("range", range)], ()).await.expect(206);
}

#[tokio::test]
async fn a_sitting_is_one_play_however_many_ranges() {
    let house = House::new().await;
    let id = house.video(&long(100_000), "public").await;
    let begun = Instant::now();
    range(&house, &id, Some(&house.viewer), "bytes=0-999").await;
    eventually("it is in the history", async || history(&house, &house.viewer).await.len() == 1).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "within a second: {:?}", begun.elapsed());
    for n in 1..20 {
        range(&house, &id, Some(&house.viewer), &format!("bytes={}-{}", n * 1000, n * 1000 + 999)).await;
    }
    range(&house, &id, Some(&house.owner), "bytes=0-9").await;
    range(&house, &id, None, "bytes=0-9").await;
    eventually("three have watched", async || house.plays().await == 3).await;
    assert_eq!(history(&house, &house.other).await, Vec::<Value>::new());

    // Half an hour later it is another sitting.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(30 * 60)).await;
    tokio::time::resume();
    house.clock.advance(Duration::from_secs(30 * 60));
    range(&house, &id, Some(&house.viewer), "bytes=0-9").await;
    eventually("they came back", async || house.plays().await == 4).await;
    assert_eq!(history(&house, &house.viewer).await.len(), 1);
}

/// Two processes that deliver to the same viewer know nothing of each other.
#[tokio::test]
async fn two_processes_agree_on_one_sitting() {
    use crate::store::sittings::{Seat, sit};
    let house = House::new().await;
    let id = house.video(FIRST, "public").await;
    let seat =
        Seat { viewer: house.viewer.id.to_string(), video: id.parse().unwrap(), user: Some(house.viewer.id) };
    let play = || sit(&house.db, &seat, kernel::PlayId::new(&house.clock), None, Duration::from_secs(1));
    let sat = tokio::join!(play(), play(), play(), play());
    let sat = [sat.0, sat.1, sat.2, sat.3].map(Result::unwrap);
    assert_eq!(sat.iter().filter(|is_new| **is_new).count(), 1, "{sat:?}");
    house.clock.advance(Duration::from_millis(999));
    assert!(!play().await.unwrap());
    house.clock.advance(Duration::from_millis(999));
    assert!(!play().await.unwrap(), "it goes on from when they last watched");
    house.clock.advance(Duration::from_secs(1));
    assert!(play().await.unwrap());
}

#[tokio::test]
async fn what_delivers_nothing_counts_for_nothing() {
    let house = House::new().await;
    let id = house.video(FIRST, "public").await;
    let path = format!("/video?id={id}");
    let viewer = Some(&house.viewer);
    let head = house.ask("HEAD", &path, viewer, &[], ()).await.expect(200);
    let tag = head.header("etag").to_owned();
    house.ask("GET", &path, viewer, &[("if-none-match", &tag)], ()).await.expect(304);
    house.ask("GET", &path, viewer, &[("if-match", "\"x\"")], ()).await.expect(412);
    house.ask("GET", &path, viewer, &[("range", "bytes=99999-")], ()).await.expect(416);
    house.streaming.note_seats().await.unwrap();
    // The first that counts shows that the others did not.
    range(&house, &id, Some(&house.other), "bytes=0-0").await;
    eventually("one has watched", async || house.plays().await == 1).await;
    assert_eq!(history(&house, &house.viewer).await, Vec::<Value>::new());
}

#[tokio::test]
async fn position_and_seconds_are_of_what_was_delivered() {
    let house = House::new().await;
    let film = long(FIRST.len() * 9 - 8);
    let id = house.video(&film, "public").await;
    let viewer = Some(&house.viewer);
    let half = film.len() / 2;
    range(&house, &id, viewer, &format!("bytes=0-{}", half - 1)).await;
    eventually("it is in the history", async || history(&house, &house.viewer).await.len() == 1).await;
    house.streaming.note_seats().await.unwrap();
    let entry = history(&house, &house.viewer).await.remove(0);
    let lasts = house.get(&format!("/api/videos/{id}"), None).await.json()["duration"].as_f64().unwrap();
    let near = |value: &Value, wanted: f64| (value.as_f64().unwrap() - wanted).abs() < 0.01;
    assert!(near(&entry["position"], lasts / 2.0) && near(&entry["seconds"], lasts / 2.0), "{entry}");
    assert_eq!((&entry["videoId"], &entry["title"]), (&json!(id), &json!("film")));
    // Seen again, it was not longer than it is.
    for _ in 0..3 {
        range(&house, &id, viewer, "bytes=0-").await;
    }
    house.streaming.note_seats().await.unwrap();
    let entry = history(&house, &house.viewer).await.remove(0);
    assert!(near(&entry["seconds"], lasts) && near(&entry["position"], lasts), "{entry}");
}

/// What is delivered runs ahead of what is seen: once a player says where it is, that counts.
#[tokio::test]
async fn a_player_says_where_it_is() {
    let house = House::new().await;
    let id = house.video(&long(50_000), "public").await;
    let path = format!("/api/history/{id}");
    let tell = async |body: Value| house.call("PUT", &path, Some(&house.viewer), body).await.status;
    assert_eq!(tell(json!({ "position": 0 })).await, 404, "they never watched it");
    range(&house, &id, Some(&house.viewer), "bytes=0-").await;
    eventually("it is in the history", async || history(&house, &house.viewer).await.len() == 1).await;
    for wrong in
        [json!({}), json!({ "position": -1 }), json!({ "position": 0.5 }), json!({ "position": 1_000_001 })]
    {
        assert_eq!(tell(wrong).await, 400);
    }
    assert_eq!(house.call("PUT", &path, None, json!({ "position": 0 })).await.status, 401);
    assert_eq!(tell(json!({ "position": 0 })).await, 204);
    range(&house, &id, Some(&house.viewer), "bytes=900-").await;
    house.streaming.note_seats().await.unwrap();
    let entry = history(&house, &house.viewer).await.remove(0);
    assert_eq!(entry["position"], json!(0.0));
    assert!(entry["seconds"].as_f64().unwrap() > 0.5, "{entry}");
    // No further than it goes.
    assert_eq!(tell(json!({ "position": 500 })).await, 204);
    assert!(history(&house, &house.viewer).await[0]["position"].as_f64().unwrap() < 2.0);
}

/// Forgetting is for one's history, not for the numbers.
#[tokio::test]
async fn what_is_forgotten_and_watched_again_is_one_play() {
    let house = House::new().await;
    let id = house.video(FIRST, "public").await;
    let path = format!("/api/history/{id}");
    let viewer = Some(&house.viewer);
    let rows = async || {
        let none: &[&dyn db::Param] = &[];
        house.db.all::<(String,)>("SELECT viewer FROM sittings", none).await.unwrap().len()
    };
    for _ in 0..3 {
        range(&house, &id, viewer, "bytes=0-999").await;
        eventually("it is in the history", async || history(&house, &house.viewer).await.len() == 1).await;
        house.streaming.note_seats().await.unwrap();
        house.clock.advance(Duration::from_secs(1));
        house.ask("DELETE", &path, viewer, &[], ()).await.expect(204);
        house.ask("DELETE", &path, viewer, &[], ()).await.expect(404);
        assert_eq!(history(&house, &house.viewer).await, Vec::<Value>::new());
        assert_eq!(house.call("PUT", &path, viewer, json!({ "position": 0 })).await.status, 404);
        assert_eq!(house.get(&format!("/api/history?after={id}"), viewer).await.status, 404);
    }
    assert_eq!(house.plays().await, 1);
    range(&house, &id, viewer, "bytes=0-0").await;
    eventually("it is in the history", async || history(&house, &house.viewer).await.len() == 1).await;
    let entry = history(&house, &house.viewer).await.remove(0);
    assert_eq!(
        (&entry["position"], &entry["seconds"]),
        (&json!(0.0), &json!(0.0)),
        "as if for the first time"
    );
    assert_eq!(house.plays().await, 1);

    // Once the pause is over nothing is left of it.
    house.ask("DELETE", &path, viewer, &[], ()).await.expect(204);
    house.streaming.prune().await.unwrap();
    assert_eq!(rows().await, 1);
    house.clock.advance(Duration::from_secs(31 * 60));
    house.streaming.prune().await.unwrap();
    assert_eq!(rows().await, 0);
}

#[tokio::test]
async fn history_is_listed_and_forgotten() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let id = house.video(FIRST, "public").await;
        house.watch(&id, Some(&house.viewer)).await.expect(200);
        house.watch(&id, None).await.expect(200);
        ids.push(id);
        eventually("it is in the history", async || history(&house, &house.viewer).await.len() == ids.len())
            .await;
        house.clock.advance(Duration::from_secs(1));
    }
    let list = async |query: String| {
        let reply = house.get(&format!("/api/history{query}"), Some(&house.viewer)).await.expect(200).json();
        let ids = reply.as_array().unwrap().iter().map(|entry| entry["videoId"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(list(String::new()).await, ids);
    assert_eq!(list(format!("?after={}&limit=1", ids[0])).await, ids[1..2]);
    assert_eq!(list("?order=desc&limit=2".to_owned()).await, [ids[2].clone(), ids[1].clone()]);
    assert_eq!(list(format!("?order=desc&after={}", ids[1])).await, [ids[0].clone()]);
    let recent = crate::store::sittings::recent(&house.db, house.viewer.id, None, 2).await.unwrap();
    assert_eq!(
        recent.iter().map(|entry| entry.video_id.to_string()).collect::<Vec<_>>(),
        [&*ids[2], &*ids[1]]
    );

    let path = format!("/api/history/{}", ids[1]);
    house.ask("DELETE", &path, Some(&house.viewer), &[], ()).await.expect(204);
    house.ask("DELETE", &path, Some(&house.viewer), &[], ()).await.expect(404);
    assert_eq!(list(String::new()).await, [ids[0].clone(), ids[2].clone()]);
    // Watched again, it is there again, and at once.
    house.watch(&ids[1], Some(&house.viewer)).await.expect(200);
    eventually("it is back", async || history(&house, &house.viewer).await.len() == 3).await;

    // What is private now is not told of, but to its owner.
    let path = format!("/api/videos/{}", ids[0]);
    house.watch(&ids[0], Some(&house.owner)).await.expect(200);
    eventually("the owner has watched", async || history(&house, &house.owner).await.len() == 1).await;
    let show = async |visibility: &str| {
        house.call("PATCH", &path, Some(&house.owner), json!({ "visibility": visibility })).await.expect(200);
    };
    show("private").await;
    assert_eq!(list(String::new()).await, [ids[2].clone(), ids[1].clone()]);
    assert_eq!(list("?order=desc".to_owned()).await, ids[1..]);
    let recent = crate::store::sittings::recent(&house.db, house.viewer.id, None, 9).await.unwrap();
    assert_eq!(recent.len(), 2);
    assert_eq!(history(&house, &house.owner).await.len(), 1);
    show("public").await;
    assert_eq!(list(String::new()).await.len(), 3);

    // Those without a name are forgotten after a day.
    let rows = async || {
        let none: &[&dyn db::Param] = &[];
        house.db.all::<(String,)>("SELECT viewer FROM sittings", none).await.unwrap().len()
    };
    eventually("all have watched", async || rows().await == 7).await;
    house.clock.advance(Duration::from_secs(25 * 3600));
    house.streaming.prune().await.unwrap();
    assert_eq!(rows().await, 4);
}
