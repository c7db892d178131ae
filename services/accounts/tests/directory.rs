//! Seed 0's directory `/user`, behind the real stack.
#![allow(clippy::unwrap_used)]

mod common;

use accounts::{Limits, Settings};
use axum::body::Body;
use axum::http::{Request, header};
use common::{House, Reply};
use kernel::UserId;
use serde_json::{Value, json};

const UNKNOWN: &str = "A user with the specified ID was not found";
const NAMELESS: &str = "Username must be a non-empty string";

/// The status and the reason of a failure, which is a problem like any other besides.
fn reason(reply: &Reply) -> (u16, String) {
    let json = reply.json();
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(json["status"], reply.status);
    assert_eq!(json["errors"][0]["message"], json["reason"], "{json}");
    (reply.status, json["reason"].as_str().unwrap().to_owned())
}

fn refused(status: u16, sentence: &str) -> (u16, String) {
    (status, sentence.to_owned())
}

async fn enter(house: &House, token: &str, username: &str) -> String {
    let reply = house.call("POST", "/user", token, json!({"username": username})).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(reply.json(), json!({"id": id, "username": username.trim()}));
    id
}

async fn open(limits: Limits) -> House {
    House::set(Settings { limits, open_directory: true }).await
}

#[tokio::test]
async fn a_user_is_entered_found_and_deleted() {
    let house = House::new().await;
    let operator = house.operator().await;
    assert_eq!(house.get("/user", &operator).await.json(), json!({}), "the operator has no name");
    let ada = enter(&house, &operator, "  Ada ").await;
    let emil = enter(&house, &operator, "Émil").await;
    let (own, _) = house.sign_up("nameless@example.com").await;
    let all = house.get("/user", &operator).await;
    let entry = |id: &str, username: &str| json!({"id": id, "username": username});
    assert_eq!(all.json(), json!({&ada: entry(&ada, "Ada"), &emil: entry(&emil, "Émil")}));
    assert_eq!(house.get("/user?username=+", &operator).await.json(), all.json(), "a blank name is none");

    for (path, id, name) in [
        (format!("/user/{ada}"), &ada, "Ada"),
        ("/user?username=aDA".into(), &ada, "Ada"),
        ("/user?username=%C3%A9MIL&x=y".into(), &emil, "Émil"),
    ] {
        let reply = house.get(&path, &operator).await;
        assert_eq!((reply.status, reply.json()), (200, entry(id, name)), "{path}");
    }
    assert_eq!(house.user_events(&ada).await, [("user:created", 0)]);

    let deleted = house.call("DELETE", &format!("/user/{ada}"), &operator, Value::Null).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (200, ""));
    assert_eq!(house.user_events(&ada).await, [("user:created", 0), ("user:deleted", 1)]);
    let stranger = UserId::new(&house.clock).to_string();
    for (method, id) in
        [("GET", ada.as_str()), ("DELETE", &ada), ("GET", &stranger), ("GET", "x"), ("DELETE", "%00")]
    {
        let reply = house.call(method, &format!("/user/{id}"), &operator, Value::Null).await;
        assert_eq!(reason(&reply), refused(404, UNKNOWN), "{method} {id}");
    }
    for method in ["GET", "DELETE"] {
        let reply = house.call(method, &format!("/user/{own}"), &operator, Value::Null).await;
        assert_eq!(reason(&reply), refused(404, UNKNOWN), "who has no name is not in the directory");
    }
    for name in ["Ada", "ad", "%00", "%25", &"a".repeat(65)] {
        let reply = house.get(&format!("/user?username={name}"), &operator).await;
        assert_eq!(reason(&reply), refused(404, UNKNOWN), "{name}");
    }
    let twice = house.get("/user?username=a&username=b", &operator).await;
    assert_eq!(reason(&twice), refused(400, "A parameter must not be repeated"));
    enter(&house, &operator, "ada").await;
}

#[tokio::test]
async fn a_name_is_a_text_and_nobody_else_s() {
    let house = House::new().await;
    let operator = house.operator().await;
    enter(&house, &operator, "Ada").await;
    let taken = house.call("POST", "/user", &operator, json!({"username": "ADA"})).await;
    assert_eq!(reason(&taken), refused(409, "User already exists"));
    for body in [
        json!({}),
        json!([]),
        json!("Ada"),
        json!({"username": null}),
        json!({"username": 7}),
        json!({"username": ""}),
        json!({"username": " \t"}),
    ] {
        let reply = house.call("POST", "/user", &operator, body.clone()).await;
        assert_eq!(reason(&reply), refused(400, NAMELESS), "{body}");
    }
    for name in ["a\0b", "a\nb", &"ü".repeat(65)] {
        let reply = house.call("POST", "/user", &operator, json!({"username": name})).await;
        assert_eq!(reason(&reply), refused(400, "Username must be between 1 and 64 characters"), "{name:?}");
    }
    let send = async |kind: &str, body: &'static str| {
        let request = Request::post("/user").header(header::COOKIE, format!("session={operator}"));
        house.send(request.header(header::CONTENT_TYPE, kind).body(Body::from(body)).unwrap()).await
    };
    assert_eq!(reason(&send("application/json", "{").await), refused(400, NAMELESS));
    let kind = "Content-Type must be application/json";
    assert_eq!(reason(&send("text/plain", "{}").await), refused(415, kind));
    assert_eq!(house.get("/user", &operator).await.json().as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn it_is_for_operators() {
    let house = House::new().await;
    let ada = enter(&house, &house.operator().await, "Ada").await;
    let (_, user) = house.sign_up("ann@example.com").await;
    for token in ["", user.as_str()] {
        for (method, path, body) in [
            ("GET", "/user".to_owned(), Value::Null),
            ("GET", "/user?username=Ada".to_owned(), Value::Null),
            ("GET", "/user?username=a&username=b".to_owned(), Value::Null),
            ("POST", "/user".to_owned(), json!([])),
            ("GET", format!("/user/{ada}"), Value::Null),
            ("GET", "/user/x".to_owned(), Value::Null),
            ("DELETE", format!("/user/{ada}"), Value::Null),
        ] {
            let reply = house.call(method, &path, token, body).await;
            assert_eq!(reason(&reply), refused(401, "Not authorized"), "{method} {path}");
        }
    }
    assert_eq!(house.user_events(&ada).await, [("user:created", 0)]);
}

#[tokio::test]
async fn an_open_one_is_anybody_s_but_for_its_operators() {
    let house = open(Limits { sign_ups_per_address: 2, ..Limits::default() }).await;
    let operator = house.operator().await;
    let (id, user) = house.sign_up("op2@example.com").await;
    for change in [json!({"role": "operator"}), json!({"username": "Boss"})] {
        let reply = house.call("PATCH", &format!("/api/users/{id}"), &operator, change).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    let ada = enter(&house, "", "Ada").await;
    assert_eq!(house.get(&format!("/user/{ada}"), &user).await.status, 200);
    assert_eq!(house.get("/user", "").await.json().as_object().unwrap().len(), 2);
    // One signed up, one was entered: that is what one address may do in an hour.
    let reply = house.call("POST", "/user", "", json!({"username": "Carl"})).await;
    assert_eq!(reason(&reply), refused(429, "Too many attempts, please try again later"));
    enter(&house, &operator, "Carl").await;

    let boss = format!("/user/{id}");
    let refusal = house.call("DELETE", &boss, "", Value::Null).await;
    assert_eq!(reason(&refusal), refused(401, "Not authorized"));
    assert_eq!(house.get(&boss, "").await.status, 200);
    assert_eq!(house.call("DELETE", &format!("/user/{ada}"), "", Value::Null).await.status, 200);
    assert_eq!(house.call("DELETE", &boss, &operator, Value::Null).await.status, 200);
    assert_eq!(house.call("DELETE", &boss, "", Value::Null).await.status, 404);
}

#[tokio::test]
async fn it_stays_open_to_those_who_sign_in_and_ends_what_they_have() {
    let house = House::new().await;
    let operator = house.operator().await;
    let body = json!({"email": "ann@example.com", "password": "password", "username": "Ann"});
    let ann = house.post("/api/users/signup", body.clone()).await;
    let (id, token) = (ann.json()["id"].as_str().unwrap().to_owned(), ann.token());
    let reply = house.get("/user?username=ann", &operator).await;
    assert_eq!(reply.json(), json!({"id": id, "username": "Ann"}), "nothing else of them is told");
    assert_eq!(house.call("DELETE", &format!("/user/{id}"), &operator, Value::Null).await.status, 200);
    assert!(!house.is_signed_in(&token).await);
    assert_eq!(house.revocations().await, 1);
    let again = house.post("/api/users/signup", body).await;
    assert_eq!(again.status, 201, "address and name are free again: {}", again.text);
}

#[tokio::test]
async fn one_answer_has_a_thousand_at_most() {
    let house = open(Limits { sign_ups_per_address: 2_000, ..Limits::default() }).await;
    for n in 0..1_002 {
        enter(&house, "", &format!("u{n:04}")).await;
    }
    let all = house.get("/user", "").await.json();
    let mut names: Vec<_> =
        all.as_object().unwrap().values().map(|user| user["username"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!((names.len(), names[0], names[999]), (1_000, "u0000", "u0999"));
}
