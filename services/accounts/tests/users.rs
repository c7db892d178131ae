//! The operators' page of users, behind the real stack.
#![allow(clippy::unwrap_used)]

mod common;

use common::{House, Reply, goes_to};
use serde_json::json;

/// The addresses of a page, in its order.
fn listed(reply: &Reply) -> Vec<&str> {
    assert_eq!(reply.status, 200, "{}", reply.text);
    let rows = reply.text.split("scope=\"row\">").skip(1);
    rows.map(|row| row.split("</a>").next().unwrap().split('>').nth(1).unwrap()).collect()
}

/// Where "Older users" leads.
fn older(reply: &Reply) -> Option<String> {
    let link = reply.text.split("rel=\"next\" href=\"").nth(1)?;
    Some(link.split('"').next().unwrap().replace("&#38;", "&"))
}

#[tokio::test]
async fn it_is_for_operators() {
    let house = House::new().await;
    let (id, token) = house.sign_up("ann@example.com").await;
    let path = format!("/house/users/{id}/role");
    assert_eq!(goes_to(&house.page("/house/users", "").await), (303, "/signin?next=%2Fhouse%2Fusers"));
    assert_eq!(house.page("/house/users", &token).await.status, 401);
    assert_eq!(goes_to(&house.submit(&path, "", "role=operator").await), (303, "/signin"));
    assert_eq!(house.submit(&path, &token, "role=operator").await.status, 401);
    assert_eq!(house.user_events(&id).await, [("user:created", 0)]);
    let page = house.page("/house/users", &house.operator().await).await;
    assert_eq!(listed(&page), ["op@example.com", "ann@example.com"]);
    assert!(!page.text.contains("argon2"), "nothing of a password is shown");
    let own = house.page("/", &token).await;
    assert!(!own.text.contains("/house"), "who is no operator has no link to it");
}

#[tokio::test]
async fn the_list_goes_from_page_to_page() {
    let house = House::new().await;
    for n in 0..5 {
        house.sign_up(&format!("u{n}@example.com")).await;
    }
    let operator = house.operator().await;
    let first = house.page("/house/users?limit=2", &operator).await;
    assert_eq!(listed(&first), ["op@example.com", "u4@example.com"]);
    house.sign_up("late@example.com").await;
    let second = house.page(&older(&first).unwrap(), &operator).await;
    assert_eq!(listed(&second), ["u3@example.com", "u2@example.com"]);
    let third = house.page(&older(&second).unwrap(), &operator).await;
    assert_eq!(listed(&third), ["u1@example.com", "u0@example.com"]);
    assert_eq!(older(&third), None);
    for nonsense in ["limit=0", "after=x"] {
        assert!(
            [400, 404].contains(&house.page(&format!("/house/users?{nonsense}"), &operator).await.status)
        );
    }
}

#[tokio::test]
async fn users_are_found_by_how_address_or_name_begins() {
    let house = House::new().await;
    for (email, username) in [
        ("Ann@example.com", "Zoe"),
        ("anton@example.com", "b_b"),
        ("carl@example.com", "ANNika"),
        ("d%@x.de", "ÄRGER"),
    ] {
        let body = json!({"email": email, "password": "password", "username": username});
        assert_eq!(house.post("/api/users", body).await.status, 201);
    }
    let operator = house.operator().await;
    for (search, found) in [
        ("an", &["carl@example.com", "anton@example.com", "Ann@example.com"] as &[&str]),
        ("ANN", &["carl@example.com", "Ann@example.com"]),
        ("ann%40example.com", &["Ann@example.com"]),
        ("+zo", &["Ann@example.com"]),
        ("%C3%A4r", &["d%@x.de"]),
        // No pattern: these stand for themselves.
        ("%25", &[]),
        ("b_", &["anton@example.com"]),
        ("b%25", &[]),
        ("d%25", &["d%@x.de"]),
        ("nn", &[]),
        ("%00", &["op@example.com", "d%@x.de", "carl@example.com", "anton@example.com", "Ann@example.com"]),
        ("%27%20OR%20%271%27%3D%271", &[]),
    ] {
        let page = house.page(&format!("/house/users?q={search}"), &operator).await;
        assert_eq!(listed(&page), found, "{search}");
    }
    let page = house.page("/house/users?q=an&limit=1", &operator).await;
    let next = house.page(&older(&page).unwrap(), &operator).await;
    assert_eq!((listed(&page), listed(&next)), (vec!["carl@example.com"], vec!["anton@example.com"]));
}

#[tokio::test]
async fn a_role_is_given_and_taken_and_nobody_changes_their_own() {
    let house = House::new().await;
    let (id, token) = house.sign_up("ann@example.com").await;
    let operator = house.operator().await;
    let path = format!("/house/users/{id}/role");
    let reply =
        house.submit(&path, &operator, "role=operator&q=A%26n&after=x&email=evil%40example.com").await;
    let back = format!("/house/users?changed={id}&q=A%26n");
    assert_eq!(goes_to(&reply), (303, back.as_str()));
    assert!(!house.is_signed_in(&token).await, "another role ends all sessions");
    let page = house.page(&format!("/house/users?changed={id}"), &operator).await;
    assert!(page.text.contains("ann@example.com is an operator now"), "{}", page.text);

    let promoted = house.sign_in("ann@example.com", "password").await.token();
    for form in ["role=user", "role=operator"] {
        let reply = house.submit(&path, &promoted, form).await;
        assert_eq!(reply.status, 400);
        assert!(reply.text.contains("You cannot change your own role"), "{}", reply.text);
    }
    for form in ["", "role=king", "role="] {
        assert_eq!(house.submit(&path, &operator, form).await.status, 400, "{form}");
    }
    assert_eq!(house.submit("/house/users/x/role", &operator, "role=user").await.status, 404);
    assert_eq!(house.submit(&path, &operator, "role=user").await.status, 303);
    assert!(!house.is_signed_in(&promoted).await);
    let versions: Vec<i64> = house.user_events(&id).await.iter().map(|event| event.1).collect();
    assert_eq!(versions, [0, 1, 2]);
}

#[tokio::test]
async fn an_operator_sees_one_user_and_where_they_are_signed_in() {
    let house = House::new().await;
    let (id, token) = house.sign_up("ann@example.com").await;
    let operator = house.operator().await;
    house.accounts.create_token("ann@example.com", None).await.unwrap();
    let path = format!("/house/users/{id}");
    let next = format!("/signin?next=%2Fhouse%2Fusers%2F{id}");
    assert_eq!(goes_to(&house.page(&path, "").await), (303, next.as_str()));
    assert_eq!(house.page(&path, &token).await.status, 401);
    let list = house.page("/house/users", &operator).await;
    assert!(list.text.contains(&format!("href=\"{path}\"")), "{}", list.text);
    let page = house.page(&path, &operator).await;
    assert_eq!(page.status, 200, "{}", page.text);
    for part in [id.as_str(), "ann@example.com", "API token", "Unknown device", "Delete this user"] {
        assert!(page.text.contains(part), "no {part}: {}", page.text);
    }
    let sessions = house.get("/api/account/sessions", &token).await.json();
    for session in sessions.as_array().unwrap() {
        assert!(
            !page.text.contains(session["id"].as_str().unwrap()),
            "the ids of sessions are their owner's"
        );
    }
    assert!(!page.text.contains("argon2"));
    for unknown in ["x", "01980000-0000-7000-8000-000000000000"] {
        assert_eq!(house.page(&format!("/house/users/{unknown}"), &operator).await.status, 404);
    }
}

#[tokio::test]
async fn an_operator_signs_somebody_out_everywhere() {
    let house = House::new().await;
    let (id, token) = house.sign_up("ann@example.com").await;
    let operator = house.operator().await;
    let path = format!("/house/users/{id}/signout");
    assert_eq!(house.submit(&path, &token, "").await.status, 401);
    let there = format!("/house/users/{id}?done=signed-out");
    assert_eq!(goes_to(&house.submit(&path, &operator, "").await), (303, there.as_str()));
    assert!(!house.is_signed_in(&token).await);
    let page = house.page(&there, &operator).await;
    assert!(page.text.contains("signed out everywhere") && page.text.contains("not signed in anywhere"));
    assert_eq!(house.user_events(&id).await, [("user:created", 0)], "they are as they were");
    assert_eq!(house.sign_in("ann@example.com", "password").await.status, 200);
    let back = format!("/house/users/{id}?done=role");
    let reply = house.submit(&format!("/house/users/{id}/role"), &operator, "role=operator&from=user").await;
    assert_eq!(goes_to(&reply), (303, back.as_str()));
}

#[tokio::test]
async fn an_operator_deletes_somebody_and_never_themselves() {
    let house = House::new().await;
    let (id, token) = house.sign_up("ann@example.com").await;
    let operator = house.operator().await;
    let own = house.get("/api/sessions", &operator).await.json()["userId"].as_str().unwrap().to_owned();
    for act in ["delete", "signout"] {
        let reply = house.submit(&format!("/house/users/{own}/{act}"), &operator, "").await;
        assert!(reply.status == 400 && reply.text.contains("You cannot"), "{}", reply.text);
        assert_eq!(house.submit(&format!("/house/users/x/{act}"), &operator, "").await.status, 404);
    }
    assert!(house.is_signed_in(&operator).await);
    let path = format!("/house/users/{id}/delete");
    assert_eq!(house.submit(&path, &token, "").await.status, 401);
    let back = format!("/house/users?deleted={id}");
    let told = async || house.page(&back, &operator).await.text.contains("The user is deleted");
    assert!(!told().await, "an address alone says nothing");
    assert_eq!(goes_to(&house.submit(&path, &operator, "").await), (303, back.as_str()));
    assert!(told().await);
    assert!(!house.is_signed_in(&token).await);
    assert_eq!(house.user_events(&id).await, [("user:created", 0), ("user:deleted", 1)]);
    for gone in [path, format!("/house/users/{id}/signout")] {
        assert_eq!(house.submit(&gone, &operator, "").await.status, 404);
    }
}
