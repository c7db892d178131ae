//! The JSON calls behind the real stack, on a real database: each line of the contract.

use std::time::Duration;

use axum::http::{Request, header};
use contracts::{Event, OrderState, OrderStatus, StockState};
use events::Handler as _;
use kernel::TicketId;
use serde_json::{Value, json};

use crate::testing::{House, id_of};
use crate::verify;

fn unknown(house: &House) -> String {
    format!("/api/tickets/{}", TicketId::new(&house.clock))
}

#[tokio::test]
async fn a_ticket_is_listed_and_shown_to_anyone() {
    let house = House::new().await;
    let ticket = house.listed(json!({"title": "  Metropolis ", "price": 19.99})).await;
    assert_eq!(ticket["title"], "Metropolis");
    assert_eq!((&ticket["price"], &ticket["version"]), (&json!(19.99), &json!(0)));
    assert_eq!((&ticket["capacity"], &ticket["available"]), (&json!(1), &json!(1)));
    assert!(ticket["userId"].is_string());
    for absent in ["orderId", "startsAt", "videoId", "opensAt", "closesAt"] {
        assert!(ticket.get(absent).is_none(), "{absent}");
    }
    assert_eq!(house.ticket(&id_of(&ticket)).await, ticket);

    let times = json!({"title": "M", "price": 20, "capacity": 50, "startsAt": "2027-02-01T20:00:00+01:00",
        "opensAt": "2027-02-01T18:00:00Z", "closesAt": "2027-02-02T18:00:00Z"});
    let ticket = house.listed(times).await;
    assert_eq!((&ticket["price"], &ticket["available"]), (&json!(20), &json!(50)));
    assert_eq!(ticket["startsAt"], "2027-02-01T19:00:00.000Z");
    assert_eq!(house.announced().await, [("ticket:created", 0), ("ticket:created", 0)]);
}

#[tokio::test]
async fn what_is_wrong_with_a_ticket_is_said_per_field() {
    let house = House::new().await;
    let good = json!({"title": "M", "price": 20});
    for (field, value, message) in [
        ("title", json!(""), "Title is required"),
        ("title", json!("   "), "Title is required"),
        ("title", json!("x".repeat(201)), "Title is required"),
        ("title", Value::Null, "Title is required"),
        ("price", json!(0), "Price must be greater than 0"),
        ("price", json!(-10), "Price must be greater than 0"),
        ("price", Value::Null, "Price must be greater than 0"),
        ("price", json!(1.234), "Price must have at most two decimals"),
        ("price", json!(1_000_001), "Price must be at most 1000000"),
        ("capacity", json!(0), "Capacity must be between 1 and 1000000"),
        ("capacity", json!(1_000_001), "Capacity must be between 1 and 1000000"),
        ("startsAt", json!("tomorrow"), "StartsAt must be a date and time"),
        ("videoId", json!("x"), "VideoId must be the id of a video"),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let reply = house.call("POST", "/api/tickets", &house.seller, body).await;
        assert_eq!(reply.error(), (400, message.to_owned(), field.to_owned()));
        assert_eq!(reply.headers[header::CONTENT_TYPE], "application/problem+json");
    }
    let body = json!({"title": "M", "price": 2, "opensAt": "2027-02-02T00:00:00Z", "closesAt": "2027-02-01T00:00:00Z"});
    let reply = house.call("POST", "/api/tickets", &house.seller, body).await;
    assert_eq!(reply.error().2, "closesAt");
    let reply = house.call("POST", "/api/tickets", &house.seller, json!({})).await;
    assert_eq!(reply.json()["errors"].as_array().unwrap().len(), 2);
    assert!(house.announced().await.is_empty());
}

#[tokio::test]
async fn an_edit_is_one_version_and_keeps_what_is_absent() {
    let house = House::new().await;
    let body = json!({"title": "M", "price": 20, "capacity": 5, "startsAt": "2027-02-01T19:00:00Z"});
    let path = format!("/api/tickets/{}", id_of(&house.listed(body).await));
    let reply = house.call("PUT", &path, &house.seller, json!({"title": "N", "price": 25})).await;
    let ticket = reply.json();
    assert_eq!((reply.status, &ticket["title"], &ticket["price"]), (200, &json!("N"), &json!(25)));
    assert_eq!((&ticket["version"], &ticket["capacity"]), (&json!(1), &json!(5)));
    assert_eq!(ticket["startsAt"], "2027-02-01T19:00:00.000Z");
    assert_eq!(house.get(&path, "").await.json(), ticket);
    assert_eq!(house.announced().await, [("ticket:created", 0), ("ticket:updated", 1)]);
}

#[tokio::test]
async fn holds_are_shown_and_are_no_edits() {
    let house = House::new().await;
    let id = id_of(&house.listed(json!({"title": "M", "price": 20})).await);
    let path = format!("/api/tickets/{id}");
    let order = house.held(&id, 1).await;
    let ticket = house.ticket(&id).await;
    assert_eq!((&ticket["available"], &ticket["version"]), (&json!(0), &json!(0)));
    assert_eq!(ticket["orderId"], order.id.to_string());
    assert!(house.get("/api/tickets", "").await.ids().is_empty(), "it cannot be bought now");
    let edit = json!({"title": "N", "price": 25});
    let reply = house.call("PUT", &path, &house.seller, edit.clone()).await;
    assert_eq!(reply.error(), (400, "Cannot edit a reserved ticket".to_owned(), String::new()));

    house.hears(&OrderState { version: 1, status: OrderStatus::Cancelled, ..order }).await;
    let ticket = house.ticket(&id).await;
    assert_eq!((&ticket["available"], ticket.get("orderId")), (&json!(1), None));
    assert_eq!(house.call("PUT", &path, &house.seller, edit).await.status, 200);
}

#[tokio::test]
async fn a_capacity_below_what_is_taken_is_a_conflict() {
    let house = House::new().await;
    let id = id_of(&house.listed(json!({"title": "M", "price": 20, "capacity": 5})).await);
    house.held(&id, 3).await;
    assert!(house.ticket(&id).await.get("orderId").is_none(), "only of a ticket of capacity 1");
    let path = format!("/api/tickets/{id}");
    let with = |capacity: i64| json!({"title": "M", "price": 20, "capacity": capacity});
    let reply = house.call("PUT", &path, &house.seller, with(2)).await;
    assert_eq!((reply.status, reply.error().2.as_str()), (409, "capacity"));
    let reply = house.call("PUT", &path, &house.seller, with(3)).await;
    assert_eq!((reply.status, &reply.json()["available"]), (200, &json!(0)));
}

#[tokio::test]
async fn a_withdrawn_ticket_is_off_the_list_and_still_there() {
    let house = House::new().await;
    let id = id_of(&house.listed(json!({"title": "M", "price": 20, "capacity": 5})).await);
    let path = format!("/api/tickets/{id}");
    for _ in 0..2 {
        let reply = house.call("DELETE", &path, &house.seller, Value::Null).await;
        assert_eq!((reply.status, reply.text.as_str()), (204, ""));
    }
    let ticket = house.ticket(&id).await;
    assert_eq!((&ticket["available"], &ticket["version"]), (&json!(0), &json!(1)));
    assert!(house.get("/api/tickets", "").await.ids().is_empty());
    assert_eq!(house.get("/api/tickets?mine=true", &house.seller).await.ids(), [id]);
    assert_eq!(house.announced().await, [("ticket:created", 0), ("ticket:updated", 1)]);
    let reply = house.call("PUT", &path, &house.seller, json!({"title": "N", "price": 1})).await;
    assert_eq!(reply.error().1, "Cannot edit a withdrawn ticket");
}

#[tokio::test]
async fn lists_are_in_order_and_in_parts() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for title in ["A", "B", "C"] {
        ids.push(id_of(&house.listed(json!({"title": title, "price": 1})).await));
        house.clock.advance(Duration::from_millis(2));
    }
    let closing = json!({"title": "D", "price": 1, "closesAt": (house.clock.now() + Duration::from_secs(60)).to_string()});
    let closing = id_of(&house.listed(closing).await);
    assert_eq!(house.get("/api/tickets", "").await.ids().len(), 4);
    house.clock.advance(Duration::from_secs(61));
    assert_eq!(house.get("/api/tickets", &house.buyer).await.ids(), ids, "what has closed is not for sale");

    let first = house.get("/api/tickets?limit=2", "").await;
    assert_eq!(first.ids(), ids[..2]);
    let link = first.headers[header::LINK].to_str().unwrap();
    assert!(link.contains(&format!("after={}", ids[1])) && link.ends_with("rel=\"next\""), "{link}");
    let last = house.get(&format!("/api/tickets?limit=2&after={}", ids[1]), "").await;
    assert_eq!(last.ids(), ids[2..]);
    assert!(!last.headers.contains_key(header::LINK));
    ids.reverse();
    assert_eq!(house.get("/api/tickets?order=desc", "").await.ids(), ids);
    assert_eq!(house.get("/api/tickets?order=desc&mine=true", &house.seller).await.ids()[0], closing);
    assert!(house.get("/api/tickets?mine=true", &house.buyer).await.ids().is_empty());
    for (query, status) in
        [("limit=0", 400), ("order=up", 400), ("mine=perhaps", 400), ("after=x", 404), ("limit=999", 200)]
    {
        assert_eq!(house.get(&format!("/api/tickets?{query}"), "").await.status, status, "{query}");
    }
}

#[tokio::test]
async fn checks_run_in_the_order_of_the_contract() {
    let house = House::new().await;
    let (good, bad) = (json!({"title": "N", "price": 25}), json!({"title": "", "price": 25}));
    let own = format!("/api/tickets/{}", id_of(&house.listed(good.clone()).await));
    let (unknown, malformed) = (unknown(&house), "/api/tickets/x".to_owned());
    let (nobody, seller, other) = ("", house.seller.as_str(), house.buyer.as_str());
    for (method, path, who, body, status) in [
        ("POST", "/api/tickets", nobody, &bad, 401),
        ("PUT", &own, nobody, &bad, 401),
        ("PUT", &unknown, nobody, &good, 401),
        ("PUT", &malformed, nobody, &good, 401),
        ("PUT", &unknown, seller, &bad, 400),
        ("PUT", &malformed, seller, &bad, 400),
        ("PUT", &own, other, &bad, 400),
        ("PUT", &unknown, seller, &good, 404),
        ("PUT", &malformed, seller, &good, 404),
        ("PUT", &own, other, &good, 401),
        ("DELETE", &own, nobody, &Value::Null, 401),
        ("DELETE", &unknown, seller, &Value::Null, 404),
        ("DELETE", &malformed, seller, &Value::Null, 404),
        ("DELETE", &own, other, &Value::Null, 401),
        ("GET", &unknown, nobody, &Value::Null, 404),
        ("GET", &malformed, nobody, &Value::Null, 404),
        ("GET", "/api/tickets?mine=true&limit=0", nobody, &Value::Null, 401),
        ("GET", "/api/tickets?mine=true&limit=0", seller, &Value::Null, 400),
    ] {
        let reply = house.call(method, path, who, body.clone()).await;
        assert_eq!(reply.status, status, "{method} {path} {body}: {}", reply.text);
        if status == 401 {
            assert_eq!(reply.error().1, "Not authorized");
        }
    }
    // A held ticket of another's is another's first.
    house.held(own.rsplit('/').next().unwrap(), 1).await;
    assert_eq!(house.call("PUT", &own, other, good.clone()).await.status, 401);
    assert_eq!(house.call("PUT", &own, seller, good).await.status, 400);
}

#[tokio::test]
async fn the_same_request_under_one_key_lists_one_ticket() {
    let house = House::new().await;
    let send = async |cookie: &str, key: &str, body: Value| {
        let request = Request::post("/api/tickets")
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", key);
        house.send(request.body(body.to_string().into()).unwrap()).await
    };
    let body = json!({"title": "M", "price": 20});
    let first = send(&house.seller, "k1", body.clone()).await;
    let again = send(&house.seller, "k1", body.clone()).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.text, again.text);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other_body = send(&house.seller, "k1", json!({"title": "N", "price": 20})).await;
    assert_eq!(other_body.status, 422);
    assert_eq!(send(&house.buyer, "k1", body.clone()).await.status, 201, "keys are per user");
    assert_eq!(send(&house.seller, "k2", body).await.status, 201);
    assert_eq!(house.get("/api/tickets", "").await.ids().len(), 3);

    let bad = json!({"title": "", "price": 20});
    for replayed in [false, true] {
        let reply = send(&house.seller, "k3", bad.clone()).await;
        assert_eq!((reply.status, reply.headers.contains_key("idempotency-replayed")), (400, replayed));
    }
    assert_eq!(send("", "k4", json!({})).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_under_one_key_lists_one_ticket() {
    let house = std::sync::Arc::new(House::new().await);
    let crowd: Vec<_> = (0..16)
        .map(|_| {
            let house = house.clone();
            tokio::spawn(async move {
                let request = Request::post("/api/tickets")
                    .header(header::COOKIE, &house.seller)
                    .header(header::CONTENT_TYPE, "application/json")
                    .header("idempotency-key", "crowd");
                let body = json!({"title": "M", "price": 20}).to_string();
                house.send(request.body(body.into()).unwrap()).await.text
            })
        })
        .collect();
    let mut answers = Vec::new();
    for one in crowd {
        answers.push(one.await.unwrap());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(house.get("/api/tickets", "").await.ids().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_at_once_leave_no_gap_in_the_versions() {
    let house = std::sync::Arc::new(House::new().await);
    let path = format!("/api/tickets/{}", id_of(&house.listed(json!({"title": "M", "price": 20})).await));
    let edits: Vec<_> = (0..10)
        .map(|i| {
            let (house, path) = (house.clone(), path.clone());
            tokio::spawn(async move {
                let body = json!({"title": format!("M{i}"), "price": 20});
                house.call("PUT", &path, &house.seller, body).await.status
            })
        })
        .collect();
    for edit in edits {
        assert_eq!(edit.await.unwrap(), 200);
    }
    let versions: Vec<i64> = house.announced().await.into_iter().map(|(_, version)| version).collect();
    assert_eq!(versions, (0..=10).collect::<Vec<i64>>());
}

#[tokio::test]
async fn capacity_that_orders_kept_is_shown_unless_the_owner_edited_since() {
    let house = House::new().await;
    assert!(house.tickets.is_empty().await.unwrap());
    let id = id_of(&house.listed(json!({"title": "M", "price": 20, "capacity": 5})).await);
    assert!(!house.tickets.is_empty().await.unwrap());
    let ticket_id: TicketId = id.parse().unwrap();
    for (ticket_version, capacity, shown) in [(1, 9, 5), (0, 7, 7)] {
        let kept = &Event::StockUpdated(StockState { ticket_id, version: 0, ticket_version, capacity });
        let tickets = &house.tickets;
        house.db.write(|tx| async move { tickets.handle(&tx, &[kept]).await }).await.unwrap();
        assert_eq!(house.ticket(&id).await["capacity"], shown);
    }
    let all = verify::tickets_after(&house.db, None, 10).await.unwrap();
    assert_eq!(all.iter().map(|ticket| (ticket.id, ticket.capacity)).collect::<Vec<_>>(), [(ticket_id, 7)]);
    assert!(verify::tickets_after(&house.db, Some(ticket_id), 10).await.unwrap().is_empty());
}
