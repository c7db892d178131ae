//! Looking users up, behind the real stack.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use common::{House, Reply};
use contracts::Event;
use events::Handler as _;
use serde_json::{Value, json};

async fn look_up(house: &House, query: &str, token: &str) -> Reply {
    house.get(&format!("/api/users?{query}"), token).await
}

/// Where it came from, and who it is.
async fn found(house: &House, query: &str, token: &str) -> (String, Value) {
    source(&look_up(house, query, token).await)
}

fn source(reply: &Reply) -> (String, Value) {
    let json = reply.json();
    assert_eq!(reply.status, if json["result"] == json!([]) { 404 } else { 200 }, "{}", reply.text);
    (json["source"].as_str().unwrap().to_owned(), json["result"].get(0).cloned().unwrap_or_default())
}

async fn named(house: &House, email: &str, username: &str) -> String {
    let body = json!({"email": email, "password": "password", "username": username});
    let reply = house.post("/api/users", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn it_is_for_operators_and_for_the_user_itself() {
    let house = House::new().await;
    let (id, own) = house.sign_up("ann@example.com").await;
    let (other, _) = house.sign_up("bob@example.com").await;
    let operator = house.operator().await;
    for (query, token, status) in [
        (format!("id={id}"), "", 401),
        ("nonsense".into(), "", 401),
        ("nonsense".into(), &*own, 400),
        (format!("id={id}"), &own, 200),
        ("email=ANN@example.com".into(), &own, 200),
        (format!("id={other}"), &own, 401),
        ("email=bob@example.com".into(), &own, 401),
        ("email=nobody@example.com".into(), &own, 401),
        (format!("id={id}"), &operator, 200),
        (format!("id={id}&id={id}"), &operator, 400),
        (format!("id={id}&email=ann@example.com"), &operator, 400),
        ("role=user".into(), &operator, 400),
        (String::new(), &operator, 400),
        ("id=7".into(), &operator, 404),
        ("id=01a1fc9e-2f41-7c60-8a35-6b1f0d9e4c27".into(), &operator, 404),
        ("email=nobody@example.com".into(), &operator, 404),
        (format!("email={}@x.de", "a".repeat(300)), &operator, 404),
        ("username=nobody".into(), &operator, 404),
        ("username=".into(), &operator, 404),
        ("username=a%00b".into(), &operator, 404),
        ("email=%00".into(), &operator, 404),
    ] {
        let reply = look_up(&house, &query, token).await;
        assert_eq!(reply.status, status, "{query}: {}", reply.text);
        if status == 404 {
            assert_eq!(reply.json()["result"], json!([]), "{query}");
            assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json");
        }
    }
}

#[tokio::test]
async fn a_user_is_found_by_all_that_is_theirs_and_the_answer_says_from_where() {
    let house = House::new().await;
    let id = named(&house, "Ann@Example.com", "Änn").await;
    let operator = house.operator().await;
    let shown = json!({"id": id, "email": "Ann@Example.com", "username": "Änn", "role": "user",
        "createdAt": "2027-01-15T08:00:00.500Z", "version": 0});
    // Writing it has remembered it.
    for query in [format!("id={id}"), "email=ann@example.COM".into(), "username=%C3%A4NN".into()] {
        assert_eq!(found(&house, &query, &operator).await, ("cache".into(), shown.clone()), "{query}");
    }
    // A process that did not write it reads it once.
    let replica = house.replica();
    for query in [format!("id={id}"), "email=ann@example.COM".into(), "username=%C3%A4NN".into()] {
        let first = ask(&replica, &query, &operator, &[]).await;
        assert_eq!(source(&first), ("database".into(), shown.clone()), "{query}");
        assert!(!first.headers.contains_key(header::AGE), "{query}");
        let again = ask(&replica, &query, &operator, &[]).await;
        assert_eq!(source(&again), ("cache".into(), shown.clone()), "{query}");
        assert_eq!(again.headers[header::AGE], "0", "{query}");
        assert_eq!(again.headers[header::CACHE_CONTROL], "private, no-cache");
    }
}

#[tokio::test]
async fn a_browser_that_has_the_version_is_told_so() {
    let house = House::new().await;
    let id = named(&house, "ann@example.com", "Ann").await;
    let operator = house.operator().await;
    let query = format!("id={id}");
    let tag = look_up(&house, &query, &operator).await.headers[header::ETAG].to_str().unwrap().to_owned();
    let known = ask(&house.app, &query, &operator, &[("if-none-match", &tag)]).await;
    assert_eq!((known.status, known.text.as_str()), (304, ""));
    house.call("PATCH", &format!("/api/users/{id}"), &operator, json!({"username": "Anne"})).await;
    let changed = ask(&house.app, &query, &operator, &[("if-none-match", &tag)]).await;
    assert_eq!(source(&changed).1["username"], "Anne");
}

#[tokio::test]
async fn who_is_absent_is_remembered_and_forgotten_by_the_write_that_makes_them() {
    let house = House::new().await;
    let operator = house.operator().await;
    for from in ["database", "cache"] {
        assert_eq!(found(&house, "email=ann@example.com", &operator).await, (from.into(), Value::Null));
    }
    let (id, _) = house.sign_up("Ann@example.com").await;
    let (from, user) = found(&house, "email=ann@example.com", &operator).await;
    assert_eq!((from.as_str(), &user["id"]), ("cache", &json!(id)));
}

#[tokio::test]
async fn a_change_is_seen_at_once_by_every_name() {
    let house = House::new().await;
    let operator = house.operator().await;
    let id = named(&house, "ann@example.com", "Ann").await;
    let path = format!("/api/users/{id}");
    for query in [format!("id={id}"), "email=ann@example.com".into(), "username=ann".into()] {
        assert_eq!(found(&house, &query, &operator).await.1["version"], 0);
    }
    let body = json!({"email": "anne@example.com", "role": "operator"});
    assert_eq!(house.call("PATCH", &path, &operator, body).await.status, 200);
    assert_eq!(found(&house, "email=ann@example.com", &operator).await.1, Value::Null);
    for query in [format!("id={id}"), "email=anne@example.com".into(), "username=ann".into()] {
        let (_, user) = found(&house, &query, &operator).await;
        assert_eq!((&user["version"], &user["role"]), (&json!(1), &json!("operator")), "{query}");
    }
    // The address is free, and somebody else takes it.
    let bob = named(&house, "ann@example.com", "Bob").await;
    assert_eq!(found(&house, "email=ann@example.com", &operator).await.1["id"], json!(bob));
    assert_eq!(house.call("DELETE", &path, &operator, Value::Null).await.status, 204);
    for query in [format!("id={id}"), "email=anne@example.com".into(), "username=ann".into()] {
        assert_eq!(found(&house, &query, &operator).await.1, Value::Null, "{query}");
    }
}

async fn ask(app: &Router, query: &str, token: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request =
        Request::get(format!("/api/users?{query}")).header(header::AUTHORIZATION, format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    House::send_to(app, request.body(Body::empty()).unwrap()).await
}

/// What another process that heard nothing says to somebody who has just written, and to anybody else.
#[tokio::test]
async fn who_wrote_reads_it_on_every_process() {
    let house = House::new().await;
    let operator = house.operator().await;
    let id = named(&house, "ann@example.com", "Ann").await;
    let (query, replica) = (format!("id={id}"), house.replica());
    for (stale, path, body) in [
        ("username=bob", "/api/users", json!({"email": "b@b.de", "password": "password", "username": "Bob"})),
        (query.as_str(), &format!("/api/users/{id}"), json!({"username": "Anne"})),
    ] {
        let before = source(&ask(&replica, stale, &operator, &[]).await).1;
        let method = if path.ends_with("users") { "POST" } else { "PATCH" };
        let written = house.call(method, path, &operator, body).await;
        if !house.db.is_shared() {
            assert!(!written.headers.contains_key("marquee-seen"), "who is alone has nobody to tell");
            return;
        }
        let seen = written.headers["marquee-seen"].to_str().unwrap();
        let cookie = format!("seen={seen}");
        // Making a user signs nobody in, and sets no cookie at all.
        let set = written.headers.get(header::SET_COOKIE).map(|set| set.to_str().unwrap().to_owned());
        assert_eq!(set.is_some_and(|set| set.starts_with(&format!("{cookie};"))), method == "PATCH");
        assert_eq!(source(&ask(&replica, stale, &operator, &[]).await), ("cache".into(), before));
        let carried = [[("cookie", cookie.as_str())], [("marquee-seen", seen)]];
        for headers in carried {
            let user = source(&ask(&replica, stale, &operator, &headers).await).1;
            assert!(user["username"] == "Bob" || user["username"] == "Anne", "{user}");
        }
    }
}

/// Whoever reads of a change on one process is told of nothing older on another.
#[tokio::test]
async fn who_has_read_of_a_change_does_not_go_back() {
    let house = House::new().await;
    if !house.db.is_shared() {
        return;
    }
    let operator = house.operator().await;
    let id = named(&house, "ann@example.com", "Ann").await;
    let (query, replica) = (format!("id={id}"), house.replica());
    ask(&replica, &query, &operator, &[]).await;
    house.call("DELETE", &format!("/api/users/{id}"), &operator, Value::Null).await;
    let gone = ask(&house.app, &query, &operator, &[]).await;
    let seen = gone.headers["marquee-seen"].to_str().unwrap();
    assert_eq!((gone.status, ask(&replica, &query, &operator, &[]).await.status), (404, 200));
    assert_eq!(ask(&replica, &query, &operator, &[("marquee-seen", seen)]).await.status, 404);
    // What has been so for long is news to nobody.
    let bob = named(&house, "bob@example.com", "Bob").await;
    let new = ask(&house.app, &format!("id={bob}"), &operator, &[]).await;
    assert!(new.headers.contains_key("marquee-seen"));
    house.clock.advance(Duration::from_secs(60));
    let old = ask(&house.app, &format!("id={bob}"), &operator, &[]).await;
    assert!(!old.headers.contains_key("marquee-seen"));
}

/// Saying again what is so already takes nobody back, for an answer's number replaces the one that a client carries.
#[tokio::test]
async fn who_changes_nothing_does_not_go_back() {
    let house = House::new().await;
    if !house.db.is_shared() {
        return;
    }
    let operator = house.operator().await;
    let [ann, bob] =
        [named(&house, "ann@example.com", "Ann").await, named(&house, "bob@example.com", "Bob").await];
    let rename = async |id: &str, name: &str, seen: i64| {
        let request = Request::patch(format!("/api/users/{id}"))
            .header(header::AUTHORIZATION, format!("Bearer {operator}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, format!("seen={seen}"));
        let body = Body::from(json!({"username": name}).to_string());
        let written = house.send(request.body(body).unwrap()).await;
        assert_eq!(written.status, 200, "{}", written.text);
        let told = written.headers.get("marquee-seen").map(|told| told.to_str().unwrap().parse().unwrap());
        told.unwrap_or(seen)
    };
    let anne = rename(&ann, "Anne", 0).await;
    let other = rename(&bob, "Robert", anne).await;
    assert!(anne < other);
    assert_eq!(rename(&ann, "Anne", other).await, other);
}

/// Whoever is shown many users has seen the last change of all, wherever others remember users: in a Redis, if nowhere
/// else, be it there or not.
#[tokio::test]
async fn who_is_shown_all_is_told_how_far_that_goes() {
    let house = House::new().await;
    let operator = house.operator().await;
    let redis = Some(cache::Redis::open("redis://127.0.0.1:1", "test").unwrap());
    let memory = cache::Memory { redis, ..cache::Memory::default() };
    let (db, web, mail) = (house.db.clone(), house.web.clone(), house.mail.clone());
    let accounts = accounts::Accounts::new(db, web, &accounts::Settings::default(), &memory, mail);
    let app = web::stack(accounts.routes(), &house.web);
    let request = Request::get("/user").header(header::AUTHORIZATION, format!("Bearer {operator}"));
    let all = House::send_to(&app, request.body(Body::empty()).unwrap()).await;
    assert_eq!((all.status, all.headers["marquee-seen"].to_str().unwrap()), (200, "1"));
}

/// The event of a change has whoever hears it forget what was before, by every name.
#[tokio::test]
async fn an_event_tells_the_other_processes() {
    let house = House::new().await;
    let operator = house.operator().await;
    let other = house.other();
    let replica = web::stack(other.routes(), &house.web);
    let id = named(&house, "ann@example.com", "Ann").await;
    let names = [format!("id={id}"), "email=ann@example.com".into(), "username=ann".into()];
    for query in names.iter().map(String::as_str).chain(["username=anne"]) {
        ask(&replica, query, &operator, &[]).await;
    }
    house.call("PATCH", &format!("/api/users/{id}"), &operator, json!({"username": "Anne"})).await;
    let events = house.events().await;
    let update = events.iter().rfind(|event| matches!(event, Event::UserUpdated(_))).unwrap();
    other.heard(update).await;
    for (query, version) in names.iter().map(String::as_str).zip([json!(1), json!(1), Value::Null]) {
        let (from, user) = source(&ask(&replica, query, &operator, &[]).await);
        assert_eq!((from.as_str(), &user["version"]), ("database", &version), "{query}");
    }
    assert_eq!(source(&ask(&replica, "username=anne", &operator, &[]).await).1["version"], 1);
    let changes: Vec<i64> = events
        .iter()
        .filter_map(|event| match event {
            Event::UserCreated(user) | Event::UserUpdated(user) => Some(user.change),
            _ => None,
        })
        .collect();
    assert!(changes.windows(2).all(|two| two[0] + 1 == two[1]), "every change has its number: {changes:?}");
}

/// The same as it is heard, in a transaction: what follows its commit runs on either engine.
#[tokio::test]
async fn an_event_that_is_taken_in_makes_the_process_forget() {
    let house = House::new().await;
    let operator = house.operator().await;
    let other = house.other();
    let replica = web::stack(other.routes(), &house.web);
    let id = named(&house, "ann@example.com", "Ann").await;
    let query = format!("id={id}");
    assert_eq!(source(&ask(&replica, &query, &operator, &[]).await).1["version"], 0);
    house.call("PATCH", &format!("/api/users/{id}"), &operator, json!({"username": "Anne"})).await;
    let events = house.events().await;
    let update = events.iter().rfind(|event| matches!(event, Event::UserUpdated(_))).unwrap();
    let (other, update) = (&other, &[update]);
    house.db.write(|tx| async move { other.handle(&tx, update).await }).await.unwrap();
    let forgotten = async {
        while source(&ask(&replica, &query, &operator, &[]).await).1["version"] != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), forgotten)
        .await
        .expect("it still remembers what was before");
}
