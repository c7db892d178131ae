//! One's own account and sessions, and what operators do.

mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use common::{House, Reply};
use contracts::Event;
use futures_util::future::join_all;
use kernel::{Clock, SessionId, UserId};
use serde_json::{Value, json};

async fn patch(house: &House, token: &str, body: Value) -> Reply {
    house.call("PATCH", "/api/account", token, body).await
}

#[tokio::test]
async fn ones_sessions_are_listed_with_device_and_last_use() {
    let house = House::new().await;
    let (_, token) = house.sign_up("ann@example.com").await;
    let request = Request::post("/api/users/signin")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
    let body = json!({"email": "ann@example.com", "password": "password"}).to_string();
    assert_eq!(house.send(request.body(Body::from(body)).unwrap()).await.status, 200);
    house.sign_up("other@example.com").await;

    let list = house.get("/api/account/sessions", &token).await.json();
    let list = list.as_array().unwrap();
    let seen: Vec<_> =
        list.iter().map(|s| (s["device"].as_str().unwrap(), s["current"].as_bool().unwrap())).collect();
    assert_eq!(seen, [("Unknown device", true), ("Firefox on Linux", false)]);
    assert_eq!(list[0]["createdAt"], list[0]["lastUsedAt"]);
    assert_eq!(list[0]["kind"], "session");

    // At most once a minute.
    let used = async || house.get("/api/account/sessions", &token).await.json()[0]["lastUsedAt"].clone();
    house.clock.advance(Duration::from_secs(59));
    assert_eq!(used().await, list[0]["createdAt"]);
    house.clock.advance(Duration::from_secs(1));
    house.get("/api/users/currentuser", &token).await;
    let noted = json!(house.clock.now());
    house.clock.advance(Duration::from_secs(30));
    assert_eq!(used().await, noted);
    house.clock.advance(Duration::from_secs(30));
    house.get("/api/sessions", &token).await;
    assert_eq!(used().await, json!(house.clock.now()));
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let house = House::new().await;
    let (_, token) = house.sign_up("ann@example.com").await;
    for _ in 0..2 {
        house.accounts.create_token("ann@example.com", None).await.unwrap();
    }
    let ids = |reply: &Reply| -> Vec<String> {
        reply.json().as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ids(&house.get("/api/account/sessions", &token).await);
    let first = house.get("/api/account/sessions?limit=2", &token).await;
    assert_eq!(ids(&first), all[..2]);
    let link = first.headers[header::LINK].to_str().unwrap();
    let next = link.split(['<', '>']).nth(1).unwrap();
    assert_eq!(ids(&house.get(next, &token).await), all[2..]);
    let newest = ids(&house.get("/api/account/sessions?order=desc", &token).await);
    assert_eq!(newest, all.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(house.get("/api/account/sessions?after=x", &token).await.status, 404);
    assert_eq!(house.get("/api/account/sessions?limit=0", &token).await.status, 400);
    assert_eq!(house.get("/api/account/sessions?limit=0", "").await.status, 401);
}

#[tokio::test]
async fn ones_sessions_can_be_ended_one_by_one_or_all() {
    let house = House::new().await;
    let (_, mine) = house.sign_up("ann@example.com").await;
    let phone = house.sign_in("ann@example.com", "password").await.token();
    let (_, theirs) = house.sign_up("bob@example.com").await;
    let id = async |token: &str, n: usize| {
        let list = house.get("/api/account/sessions", token).await.json();
        list[n]["id"].as_str().unwrap().to_owned()
    };
    let delete = async |token: &str, id: &str| {
        house.call("DELETE", &format!("/api/account/sessions/{id}"), token, Value::Null).await
    };
    let (own, other, foreign) = (id(&mine, 0).await, id(&mine, 1).await, id(&theirs, 0).await);
    assert_eq!(delete("", &other).await.status, 401);
    assert_eq!(delete(&mine, "x").await.status, 404);
    assert_eq!(delete(&mine, &SessionId::new(&house.clock).to_string()).await.status, 404);
    assert_eq!(delete(&mine, &foreign).await.error(), (401, "Not authorized".into(), None));
    let gone = delete(&mine, &other).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    assert!(!gone.sets_session());
    assert!(!house.is_signed_in(&phone).await && house.is_signed_in(&mine).await);
    assert_eq!(delete(&mine, &other).await.status, 404);
    assert_eq!(house.revocations().await, 1);
    assert_eq!(delete(&mine, &own).await.token(), "");
    assert!(!house.is_signed_in(&mine).await);

    let again = house.sign_in("ann@example.com", "password").await.token();
    let token = house.accounts.create_token("ann@example.com", None).await.unwrap();
    let all = house.call("DELETE", "/api/account/sessions", &again, Value::Null).await;
    assert_eq!((all.status, all.token()), (204, String::new()));
    for token in [&again, &token] {
        assert!(!house.is_signed_in(token).await);
    }
    assert_eq!(house.call("DELETE", "/api/account/sessions", &again, Value::Null).await.status, 401);
    assert_eq!(house.revocations().await, 4);
    assert!(house.is_signed_in(&theirs).await);
}

#[tokio::test]
async fn ones_name_changes_freely_and_ones_address_with_the_password() {
    let house = House::new().await;
    let (id, token) = house.sign_up("ann@example.com").await;
    assert_eq!(patch(&house, "", json!({"username": 7})).await.status, 401);
    let reply = patch(&house, &token, json!({"username": " Ann "})).await;
    let created = json!(house.clock.now());
    let user = json!({"id": id, "email": "ann@example.com", "username": "Ann", "role": "user", "createdAt": created,
        "version": 1});
    assert_eq!((reply.status, reply.json()), (200, user.clone()));
    for same in [json!({}), json!({"username": "Ann", "email": "ann@example.com"})] {
        let reply = patch(&house, &token, same).await;
        assert_eq!((reply.status, reply.json()), (200, user.clone()), "nothing changed, no version");
    }

    let wrong = (400, "Current password is wrong".to_owned(), Some("currentPassword".to_owned()));
    let new = "Ann@New.example";
    assert_eq!(patch(&house, &token, json!({"email": new})).await.error(), wrong);
    assert_eq!(
        patch(&house, &token, json!({"email": new, "currentPassword": "password!"})).await.error(),
        wrong
    );
    let reply = patch(&house, &token, json!({"email": new, "currentPassword": "password"})).await;
    assert_eq!((reply.status, reply.json()["email"].as_str()), (200, Some(new)));
    assert_eq!(house.sign_in("ann@example.com", "password").await.status, 400);
    assert_eq!(house.sign_in("ann@new.example", "password").await.status, 200);
    house.sign_up("ann@example.com").await;
    assert_eq!(house.user_events(&id).await, [("user:created", 0), ("user:updated", 1), ("user:updated", 2)]);
    assert!(house.is_signed_in(&token).await);

    for (body, field) in [
        (json!({"email": "x"}), "email"),
        (json!({"username": "\n"}), "username"),
        (json!({"newPassword": "short", "currentPassword": "password"}), "newPassword"),
    ] {
        let (status, _, named) = patch(&house, &token, body).await.error();
        assert_eq!((status, named.as_deref()), (400, Some(field)));
    }
}

#[tokio::test]
async fn what_is_taken_is_a_conflict_and_changes_nothing() {
    let house = House::new().await;
    let (id, token) = house.sign_up("ann@example.com").await;
    let body = json!({"email": "bob@example.com", "password": "password", "username": "Bob"});
    house.post("/api/users", body).await;
    let email = json!({"email": "BOB@example.com", "username": "Free", "currentPassword": "password"});
    assert_eq!(
        patch(&house, &token, email.clone()).await.error(),
        (409, "Email in use".into(), Some("email".into()))
    );
    let name = json!({"username": "bOB"});
    let taken = (409, "Username in use".to_owned(), Some("username".to_owned()));
    assert_eq!(patch(&house, &token, name.clone()).await.error(), taken);
    let operator = house.operator().await;
    let path = format!("/api/users/{id}");
    assert_eq!(house.call("PATCH", &path, &operator, name).await.error(), taken);
    let current = house.get("/api/users/currentuser", &token).await.json();
    assert_eq!(current["currentUser"], json!({"id": id, "email": "ann@example.com"}));
    assert_eq!(house.user_events(&id).await, [("user:created", 0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_crowd_that_wants_one_name_one_gets_it() {
    let house = Arc::new(House::new().await);
    let mut crowd = Vec::new();
    for n in 0..4 {
        let (_, token) = house.sign_up(&format!("u{n}@example.com")).await;
        let house = Arc::clone(&house);
        let name = if n % 2 == 0 { "Star" } else { "STAR" };
        crowd
            .push(tokio::spawn(async move { patch(&house, &token, json!({"username": name})).await.status }));
    }
    let mut statuses: Vec<u16> = join_all(crowd).await.into_iter().map(Result::unwrap).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_have_no_gaps_however_many_change_a_user() {
    let house = Arc::new(House::new().await);
    let (id, token) = house.sign_up("ann@example.com").await;
    let crowd = (0..20).map(|n| {
        let (house, token) = (Arc::clone(&house), token.clone());
        tokio::spawn(async move { patch(&house, &token, json!({"username": format!("n{n}")})).await.status })
    });
    assert!(join_all(crowd).await.into_iter().all(|status| status.unwrap() == 200));
    let versions: Vec<i64> = house.user_events(&id).await.into_iter().map(|e| e.1).collect();
    assert_eq!(versions, (0..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let house = House::new().await;
    let (id, token) = house.sign_up("ann@example.com").await;
    let phone = house.sign_in("ann@example.com", "password").await.token();
    let api = house.accounts.create_token("ann@example.com", None).await.unwrap();
    let change = |current: &str| json!({"currentPassword": current, "newPassword": "another one"});
    assert_eq!(patch(&house, &token, json!({"newPassword": "another one"})).await.status, 400);
    assert_eq!(patch(&house, &token, change("wrong")).await.status, 400);
    let changed = patch(&house, &token, change("password")).await;
    assert_eq!(changed.status, 200);
    assert!(house.is_signed_in(&changed.token()).await);
    for ended in [&token, &phone, &api] {
        assert!(!house.is_signed_in(ended).await);
    }
    assert_eq!(house.sign_in("ann@example.com", "password").await.status, 400);
    assert_eq!(house.sign_in("ann@example.com", "another one").await.status, 200);
    assert_eq!(house.revocations().await, 3);
    assert_eq!(house.user_events(&id).await, [("user:created", 0), ("user:updated", 1)]);
}

#[tokio::test]
async fn a_stolen_session_cannot_guess_the_password() {
    let house = House::new().await;
    let (_, token) = house.sign_up("ann@example.com").await;
    let change = |current: &str| json!({"currentPassword": current, "newPassword": "another one"});
    for _ in 0..10 {
        assert_eq!(patch(&house, &token, change("wrong")).await.status, 400);
    }
    assert_eq!(patch(&house, &token, change("password")).await.status, 429);
}

#[tokio::test]
async fn an_operator_changes_users() {
    let house = House::new().await;
    let (id, token) = house.sign_up("ann@example.com").await;
    let operator = house.operator().await;
    let path = format!("/api/users/{id}");
    let change = async |path: &str, token: &str, body: Value| house.call("PATCH", path, token, body).await;
    assert_eq!(change(&path, "", json!({"role": 1})).await.status, 401);
    assert_eq!(change(&path, &token, json!({"role": 1})).await.error(), (401, "Not authorized".into(), None));
    let nobody = format!("/api/users/{}", UserId::new(&Clock::system()));
    for path in [&path, &nobody, "/api/users/x"] {
        let reply = change(path, &operator, json!({"role": "king"})).await;
        assert_eq!(reply.error(), (400, "Role must be user or operator".into(), Some("role".into())));
    }
    for path in [&nobody, "/api/users/x"] {
        assert_eq!(change(path, &operator, json!({"role": "operator"})).await.status, 404);
    }

    let reply =
        change(&path, &operator, json!({"email": "a@new.example", "username": "Ann", "role": "user"})).await;
    assert_eq!((reply.status, reply.json()["version"].as_i64()), (200, Some(1)));
    assert!(house.is_signed_in(&token).await, "the role is as it was");
    let reply = change(&path, &operator, json!({"role": "operator"})).await;
    assert_eq!((reply.status, reply.json()["role"].as_str()), (200, Some("operator")));
    assert!(!house.is_signed_in(&token).await);
    assert_eq!(house.revocations().await, 1);

    let promoted = house.sign_in("a@new.example", "password").await.token();
    assert_eq!(change(&path, &promoted, json!({"role": "user"})).await.status, 200);
    assert_eq!(change(&path, &promoted, json!({"role": "operator"})).await.status, 401);
    assert_eq!(house.user_events(&id).await.iter().map(|e| e.1).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn an_operator_deletes_users() {
    let house = House::new().await;
    let (id, token) = house.sign_up("ann@example.com").await;
    let operator = house.operator().await;
    let path = format!("/api/users/{id}");
    let delete = async |path: &str, token: &str| house.call("DELETE", path, token, Value::Null).await;
    assert_eq!(delete(&path, "").await.status, 401);
    assert_eq!(delete(&path, &token).await.status, 401);
    assert_eq!(delete("/api/users/x", &operator).await.status, 404);
    let gone = delete(&path, &operator).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    assert_eq!(delete(&path, &operator).await.status, 404);
    assert!(!house.is_signed_in(&token).await);
    assert_eq!(house.sign_in("ann@example.com", "password").await.status, 400);
    assert_eq!(house.user_events(&id).await, [("user:created", 0), ("user:deleted", 1)]);
    assert_eq!(house.revocations().await, 1);
    let (again, _) = house.sign_up("ann@example.com").await;
    assert_ne!(again, id);
    let events = house.events().await;
    let deleted = events.iter().find_map(|e| if let Event::UserDeleted(s) = e { Some(s) } else { None });
    assert_eq!(deleted.unwrap().email.as_deref(), Some("ann@example.com"));
}
