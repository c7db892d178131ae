//! Somebody's account is deleted.

use serde_json::json;

use super::{FIRST, House, eventually};

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
