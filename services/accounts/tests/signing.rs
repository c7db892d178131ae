//! Signing up, in and out, as the contract has it.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use accounts::Limits;
use axum::body::Body;
use axum::http::{Request, header};
use common::House;
use futures_util::future::join_all;
use serde_json::{Value, json};

#[tokio::test]
async fn who_signs_up_is_signed_in() {
    let house = House::new().await;
    let body = json!({"email": " Ann@Example.com ", "password": "password", "username": " Ann "});
    let reply = house.post("/api/users/signup", body).await;
    assert_eq!(reply.status, 201);
    let cookie = reply.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("; Max-Age=12095") && cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(reply.json(), json!({"id": id, "email": "Ann@Example.com"}));

    let current = house.get("/api/users/currentuser", &reply.token()).await;
    let user = json!({"id": id, "email": "Ann@Example.com", "username": "Ann"});
    assert_eq!((current.status, current.json()), (200, json!({"currentUser": user})));
    assert_eq!(house.user_events(&id).await, [("user:created", 0)]);
}

#[tokio::test]
async fn nobody_is_the_current_user_without_a_session() {
    let house = House::new().await;
    for token in ["", "forged"] {
        let reply = house.get("/api/users/currentuser", token).await;
        assert_eq!((reply.status, reply.json()), (200, json!({"currentUser": null})));
    }
}

#[tokio::test]
async fn sign_up_says_what_is_wrong() {
    let house = House::new().await;
    const EMAIL: &str = "Email must be valid";
    const PASSWORD: &str = "Password must be between 8 and 128 characters";
    for path in ["/api/users/signup", "/api/users"] {
        for (body, wrong) in [
            (json!({}), vec![("email", EMAIL), ("password", PASSWORD)]),
            (json!({"email": "nobody", "password": "p"}), vec![("email", EMAIL), ("password", PASSWORD)]),
            (json!({"email": 7, "password": "password"}), vec![("email", EMAIL)]),
            (json!({"email": "a@b", "password": "password"}), vec![("email", EMAIL)]),
            (json!({"email": "a@b.c", "password": "x".repeat(129)}), vec![("password", PASSWORD)]),
            (
                json!({"email": "a@b.c", "password": "password", "username": "  "}),
                vec![("username", "Username must be between 1 and 64 characters")],
            ),
        ] {
            let reply = house.post(path, body.clone()).await;
            assert_eq!(reply.status, 400, "{body}");
            let wrong: Vec<Value> = wrong.iter().map(|(f, m)| json!({"message": m, "field": f})).collect();
            assert_eq!(reply.json()["errors"], json!(wrong), "{body}");
            assert!(!reply.headers.contains_key(header::SET_COOKIE));
        }
    }
    let request = |kind: &str, body: &'static str| {
        Request::post("/api/users/signup").header(header::CONTENT_TYPE, kind).body(Body::from(body)).unwrap()
    };
    assert_eq!(house.send(request("application/json", "{")).await.status, 400);
    assert_eq!(house.send(request("text/plain", "{}")).await.status, 415);
}

#[tokio::test]
async fn an_address_and_a_name_are_taken_once_whatever_their_case() {
    let house = House::new().await;
    let body = |email: &str, name: &str| json!({"email": email, "password": "password", "username": name});
    assert_eq!(house.post("/api/users/signup", body("ann@example.com", "Änne")).await.status, 201);
    let (same, name) = (body("ANN@Example.COM", "Other"), body("ann2@example.com", "äNNE"));
    let reply = house.post("/api/users/signup", same.clone()).await;
    assert_eq!(reply.error(), (400, "Email in use".into(), Some("email".into())));
    assert!(!reply.headers.contains_key(header::SET_COOKIE));
    let reply = house.post("/api/users/signup", name.clone()).await;
    assert_eq!(reply.error(), (400, "Username in use".into(), Some("username".into())));
    for body in [same, name] {
        assert_eq!(house.post("/api/users", body).await.error(), (409, "User already exists".into(), None));
    }
    assert_eq!(house.events().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_crowd_that_wants_one_address_one_gets_it() {
    let house = Arc::new(House::new().await);
    let crowd = (0..8).map(|n| {
        let house = Arc::clone(&house);
        let email = if n % 2 == 0 { "ann@example.com" } else { "ANN@EXAMPLE.COM" };
        tokio::spawn(async move {
            let body = json!({"email": email, "password": "password"});
            house.post("/api/users/signup", body).await.status
        })
    });
    let mut statuses: Vec<u16> = join_all(crowd).await.into_iter().map(Result::unwrap).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400, 400, 400, 400, 400, 400, 400]);
    assert_eq!(house.events().await.len(), 1);
}

#[tokio::test]
async fn a_user_can_be_made_without_signing_in() {
    let house = House::new().await;
    let reply = house.post("/api/users", json!({"email": "a@example.com", "password": "password"})).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.json()["email"], "a@example.com");
    assert!(!reply.headers.contains_key(header::SET_COOKIE));
    assert_eq!(house.sign_in("A@example.com", "password").await.status, 200);
}

#[tokio::test]
async fn each_sign_in_is_a_session_of_its_own() {
    let house = House::new().await;
    let (id, first) = house.sign_up("ann@example.com").await;
    let reply = house.sign_in(" ANN@example.com", "password").await;
    assert_eq!((reply.status, reply.json()), (200, json!({"id": id, "email": "ann@example.com"})));
    assert_ne!(reply.token(), first);
    assert_eq!(house.get("/api/account/sessions", &first).await.json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn wrong_credentials_read_alike_and_take_as_long() {
    let house = House::with(Limits { failures_per_account: 100, ..Limits::default() }).await;
    house.sign_up("ann@example.com").await;
    // A busy machine stretches some of the tries. Where one way took no hash, none would be alike.
    let mut shortest = [Duration::MAX; 2];
    let mut alike = false;
    for _ in 0..30 {
        for (n, email) in ["ann@example.com", "nobody@example.com"].into_iter().enumerate() {
            let begun = Instant::now();
            let reply = house.sign_in(email, "wrong password").await;
            shortest[n] = shortest[n].min(begun.elapsed());
            assert_eq!(reply.error(), (400, "Invalid credentials".into(), None));
            assert!(!reply.headers.contains_key(header::SET_COOKIE));
        }
        let ratio = shortest[0].as_secs_f64() / shortest[1].as_secs_f64();
        alike = (0.5..2.0).contains(&ratio);
        if alike {
            break;
        }
    }
    assert!(alike, "{shortest:?}");

    let reply = house.post("/api/users/signin", json!({})).await;
    assert_eq!(reply.json()["errors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn ten_failures_close_an_account_for_a_while_even_to_the_right_password() {
    let house = House::new().await;
    house.sign_up("ann@example.com").await;
    house.sign_up("bob@example.com").await;
    for email in ["ann@example.com", "nobody@example.com"] {
        for n in 0..10 {
            let email = if n % 2 == 0 { email.to_uppercase() } else { email.to_owned() };
            assert_eq!(house.sign_in(&email, "wrong password").await.status, 400, "{n}");
        }
        let reply = house.sign_in(email, "password").await;
        assert_eq!(reply.status, 429);
        assert_eq!(reply.headers[header::RETRY_AFTER], "900");
    }
    let body = json!({"email": "ann@example.com", "password": "password"});
    assert_eq!(house.post("/api/sessions", body).await.status, 429);
    assert_eq!(house.sign_in("bob@example.com", "password").await.status, 200);
    house.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(house.sign_in("ann@example.com", "password").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_guesses_meets_the_same_limit() {
    let house = Arc::new(House::new().await);
    house.sign_up("ann@example.com").await;
    let crowd = (0..30).map(|_| {
        let house = Arc::clone(&house);
        tokio::spawn(async move { house.sign_in("ann@example.com", "wrong password").await.status })
    });
    let statuses: Vec<u16> = join_all(crowd).await.into_iter().map(Result::unwrap).collect();
    let count = |status| statuses.iter().filter(|s| **s == status).count();
    assert_eq!((count(400), count(429)), (10, 20));
}

#[tokio::test]
async fn an_address_has_limits_of_its_own() {
    let limits = Limits { failures_per_address: 2, sign_ups_per_address: 2, ..Limits::default() };
    let house = House::with(limits).await;
    let try_from = async |from: &str, email: &str| {
        let body = json!({"email": email, "password": "wrong password"});
        house.call_from(from, "POST", "/api/users/signin", "", body).await.status
    };
    // One client has all of an IPv6 /64.
    assert_eq!(try_from("[2001:db8::1]:1", "a@example.com").await, 400);
    assert_eq!(try_from("[2001:db8::2]:1", "b@example.com").await, 400);
    assert_eq!(try_from("[2001:db8::3]:1", "c@example.com").await, 429);
    assert_eq!(try_from("192.0.2.7:1", "c@example.com").await, 400);

    house.sign_up("a@example.com").await;
    house.sign_up("b@example.com").await;
    for path in ["/api/users/signup", "/api/users"] {
        let body = json!({"email": "c@example.com", "password": "password"});
        let reply = house.post(path, body.clone()).await;
        assert_eq!((reply.status, reply.headers[header::RETRY_AFTER].to_str().unwrap()), (429, "3600"));
        let other = house.call_from("192.0.2.9:1", "POST", path, "", body).await.status;
        assert!(other == 201 || other == 409);
    }
    house.clock.advance(Duration::from_secs(3600));
    house.sign_up("d@example.com").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_too_long_sends_away() {
    let house = Arc::new(House::new().await);
    let crowd = (0..120).map(|n| {
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            let body = json!({"email": format!("u{n}@example.com"), "password": "password"});
            let reply = house.post("/api/users/signup", body).await;
            (reply.status, reply.headers.contains_key(header::RETRY_AFTER))
        })
    });
    let replies: Vec<(u16, bool)> = join_all(crowd).await.into_iter().map(Result::unwrap).collect();
    assert!(replies.iter().all(|r| matches!(r, (201, false) | (503, true))), "{replies:?}");
    assert!(replies.iter().filter(|r| r.0 == 201).count() >= 65);
    assert!(replies.iter().any(|r| r.0 == 503));
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once_and_says_so_once() {
    let house = House::new().await;
    let (_, kept) = house.sign_up("ann@example.com").await;
    for (method, path) in [("POST", "/api/users/signout"), ("DELETE", "/api/sessions")] {
        let token = house.sign_in("ann@example.com", "password").await.token();
        let before = house.revocations().await;
        for _ in 0..2 {
            let reply = house.call(method, path, &token, Value::Null).await;
            assert_eq!((reply.status, reply.json(), reply.token()), (200, json!({}), String::new()));
        }
        assert_eq!(house.revocations().await, before + 1);
        assert!(!house.is_signed_in(&token).await);
        assert_eq!(house.get("/api/sessions", &token).await.status, 401);
        assert_eq!(house.call(method, path, "", Value::Null).await.status, 200);
    }
    assert!(house.is_signed_in(&kept).await);
}

#[tokio::test]
async fn sessions_as_the_second_seed_has_them() {
    let house = House::new().await;
    let (id, _) = house.sign_up("ann@example.com").await;
    let open = async |password: &str| {
        house.post("/api/sessions", json!({"email": "ann@example.com", "password": password})).await
    };
    let reply = open("password").await;
    assert_eq!(reply.status, 201);
    let shown = house.get("/api/sessions", &reply.token()).await;
    assert_eq!((shown.status, shown.json()), (200, json!({"userId": id})));
    assert_eq!(open("wrong password").await.error(), (401, "Invalid credentials".into(), None));
    assert_eq!(house.post("/api/sessions", json!({"email": "ann@example.com"})).await.status, 400);
    assert_eq!(house.get("/api/sessions", "").await.error(), (401, "Not authorized".into(), None));
}

#[tokio::test]
async fn a_session_ends_after_two_weeks() {
    let house = House::new().await;
    let (_, token) = house.sign_up("ann@example.com").await;
    house.clock.advance(Duration::from_secs(14 * 24 * 3600 - 1));
    assert!(house.is_signed_in(&token).await);
    house.clock.advance(Duration::from_secs(1));
    assert!(!house.is_signed_in(&token).await);
}

#[tokio::test]
async fn what_changes_while_a_password_is_hashed_counts() {
    let house = House::new().await;
    let operator = house.operator().await;
    let (id, _) = house.sign_up("ann@example.com").await;
    let path = format!("/api/users/{id}");
    // On one thread the sign-in has read the user and hashes when its rival runs.
    let promote = house.call("PATCH", &path, &operator, json!({"role": "operator"}));
    let (signed_in, promoted) = tokio::join!(house.sign_in("ann@example.com", "password"), promote);
    assert_eq!((signed_in.status, promoted.status), (200, 200));
    let session = house.web.sessions().verify(&signed_in.token()).unwrap();
    assert!(session.is_operator(), "a session of the role before would outlive it");

    let delete = house.call("DELETE", &path, &operator, Value::Null);
    let (signed_in, deleted) = tokio::join!(house.sign_in("ann@example.com", "password"), delete);
    assert_eq!((signed_in.error().0, deleted.status), (400, 204));
}
