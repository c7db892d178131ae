//! The page `/account`, and what becomes of a browser's session at sign-in and with a new password.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use common::{House, Reply, goes_to};
use serde_json::{Value, json};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Signs in as a browser that has the session `token` already.
async fn sign_in_with(house: &House, token: &str, email: &str) -> Reply {
    house.call("POST", "/api/users/signin", token, json!({"email": email, "password": "password"})).await
}

async fn bearing(house: &House, method: &str, path: &str, token: &str, body: Value) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json");
    house.send(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn sessions(house: &House, token: &str) -> Vec<Value> {
    house.get("/api/account/sessions", token).await.json().as_array().unwrap().clone()
}

fn id_of(session: &Value) -> String {
    session["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_sign_in_ends_the_session_that_the_browser_had() {
    let house = House::new().await;
    let (_, planted) = house.sign_up("mallory@example.com").await;
    let (_, elsewhere) = house.sign_up("ann@example.com").await;

    let refused = json!({"email": "ann@example.com", "password": "wrong password"});
    assert_eq!(house.call("POST", "/api/users/signin", &planted, refused).await.status, 400);
    assert!(house.is_signed_in(&planted).await, "nobody signed in");

    // Whosever it was: a session that somebody planted is not left behind in the browser.
    let signed_in = sign_in_with(&house, &planted, "ann@example.com").await;
    assert_eq!(signed_in.status, 200);
    assert!(!house.is_signed_in(&planted).await && house.is_signed_in(&signed_in.token()).await);
    assert_eq!(house.revocations().await, 1);

    let body = json!({"email": "ann@example.com", "password": "password"});
    let again = house.call("POST", "/api/sessions", &signed_in.token(), body).await;
    assert_eq!(again.status, 201);
    let body = json!({"email": "bob@example.com", "password": "password"});
    let signed_up = house.call("POST", "/api/users/signup", &again.token(), body).await;
    assert_eq!(signed_up.status, 201);
    for ended in [signed_in.token(), again.token()] {
        assert!(!house.is_signed_in(&ended).await);
    }
    assert_eq!(house.revocations().await, 3);
    assert!(house.is_signed_in(&elsewhere).await, "another browser's");
    assert!(house.is_signed_in(&signed_up.token()).await);

    let taken = json!({"email": "ANN@example.com", "password": "password"});
    assert_eq!(house.call("POST", "/api/users/signup", &signed_up.token(), taken).await.status, 400);
    assert!(house.is_signed_in(&signed_up.token()).await, "nobody signed up");

    // One that has ended already is no reason to say so twice.
    assert_eq!(sign_in_with(&house, &planted, "ann@example.com").await.status, 200);
    assert_eq!(house.revocations().await, 3);
}

#[tokio::test]
async fn a_sign_in_leaves_an_api_token_alone() {
    let house = House::new().await;
    house.sign_up("ann@example.com").await;
    let api = house.accounts.create_token("ann@example.com", None).await.unwrap();
    let body = json!({"email": "ann@example.com", "password": "password"});
    assert_eq!(bearing(&house, "POST", "/api/users/signin", &api, body).await.status, 200);
    assert_eq!(sign_in_with(&house, &api, "ann@example.com").await.status, 200);
    assert!(house.is_signed_in(&api).await);
    assert_eq!(house.revocations().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_sign_ins_at_once_one_ends_the_session_and_both_are_in() {
    let house = Arc::new(House::new().await);
    let (_, old) = house.sign_up("ann@example.com").await;
    house.sign_up("bob@example.com").await;
    let entering = ["ann@example.com", "bob@example.com"].map(|email| {
        let (house, old) = (Arc::clone(&house), old.clone());
        tokio::spawn(async move { sign_in_with(&house, &old, email).await })
    });
    for entered in entering {
        let reply = entered.await.unwrap();
        assert_eq!(reply.status, 200);
        assert!(house.is_signed_in(&reply.token()).await);
    }
    assert!(!house.is_signed_in(&old).await);
    assert_eq!(house.revocations().await, 1);
}

#[tokio::test]
async fn a_new_password_replaces_the_cookie_and_leaves_a_bearer_token() {
    let house = House::new().await;
    let (_, old) = house.sign_up("ann@example.com").await;
    let change = |current: &str, new: &str| json!({"currentPassword": current, "newPassword": new});
    let changed = house.call("PATCH", "/api/account", &old, change("password", "the second")).await;
    assert_eq!((changed.status, changed.json()["email"].as_str()), (200, Some("ann@example.com")));
    assert_eq!(changed.headers[header::CACHE_CONTROL], "no-store");
    let fresh = changed.token();
    assert!(!house.is_signed_in(&old).await && house.is_signed_in(&fresh).await);
    assert_eq!(sessions(&house, &fresh).await.len(), 1);

    // Nothing but a new password does that.
    let renamed = house.call("PATCH", "/api/account", &fresh, json!({"username": "Ann"})).await;
    assert!(renamed.status == 200 && !renamed.sets_session());

    let phone = house.sign_in("ann@example.com", "the second").await.token();
    let api = house.accounts.create_token("ann@example.com", None).await.unwrap();
    let body = change("the second", "the third");
    let changed = bearing(&house, "PATCH", "/api/account", &fresh, body).await;
    assert!(changed.status == 200 && !changed.sets_session());
    assert!(house.is_signed_in(&fresh).await, "its client keeps no cookies");
    assert!(!house.is_signed_in(&phone).await && !house.is_signed_in(&api).await);

    // A token is none of a browser's, even in its cookie.
    let api = house.accounts.create_token("ann@example.com", None).await.unwrap();
    let changed = house.call("PATCH", "/api/account", &api, change("the third", "the fourth")).await;
    assert!(changed.status == 200 && !changed.sets_session());
    assert!(house.is_signed_in(&api).await && !house.is_signed_in(&fresh).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_new_passwords_at_once_one_counts_and_one_session_is_left() {
    let house = Arc::new(House::new().await);
    let (_, old) = house.sign_up("ann@example.com").await;
    let changing = ["the second", "the third"].map(|new| {
        let (house, old) = (Arc::clone(&house), old.clone());
        let body = json!({"currentPassword": "password", "newPassword": new});
        tokio::spawn(async move { (new, house.call("PATCH", "/api/account", &old, body).await) })
    });
    let mut won = Vec::new();
    for changed in changing {
        let (new, reply) = changed.await.unwrap();
        match reply.status {
            200 => won.push((new, reply.token())),
            // Its password, or its session, was no longer the one.
            400 | 401 => assert!(!reply.sets_session()),
            status => panic!("{status}: {}", reply.text),
        }
    }
    let [(password, fresh)] = &won[..] else { panic!("{} changed it", won.len()) };
    assert!(!house.is_signed_in(&old).await);
    assert_eq!(sessions(&house, fresh).await.len(), 1);
    assert_eq!(house.sign_in("ann@example.com", password).await.status, 200);
}

/// On one thread the change hashes when its rival runs.
#[tokio::test]
async fn a_session_that_is_ended_while_a_password_is_hashed_is_not_renewed() {
    let house = House::new().await;
    let (_, old) = house.sign_up("ann@example.com").await;
    let change = json!({"currentPassword": "password", "newPassword": "the second"});
    let (changed, signed_out) = tokio::join!(
        house.call("PATCH", "/api/account", &old, change),
        house.call("POST", "/api/users/signout", &old, Value::Null),
    );
    assert_eq!((changed.status, signed_out.status), (401, 200));
    assert!(!changed.sets_session());
    assert_eq!(house.sign_in("ann@example.com", "password").await.status, 200, "nothing has changed");
}

#[tokio::test]
async fn the_page_lists_what_is_live_and_signs_it_out() {
    let house = House::new().await;
    assert_eq!(goes_to(&house.page("/account", "").await), (303, "/signin?next=%2Faccount"));
    let (_, token) = house.sign_up("ann@example.com").await;
    let request = Request::post("/api/users/signin")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, FIREFOX);
    let body = json!({"email": "ann@example.com", "password": "password"}).to_string();
    let firefox = house.send(request.body(Body::from(body)).unwrap()).await.token();
    let api = house.accounts.create_token("ann@example.com", Some(Duration::from_secs(3600))).await.unwrap();
    let (_, foreign) = house.sign_up("bob@example.com").await;
    let all = sessions(&house, &token).await;

    let page = house.page("/account", &token).await;
    assert_eq!(page.status, 200);
    for shown in
        ["value=\"ann@example.com\"", "Unknown device", "Firefox on Linux", "API token", "In use now"]
    {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    for one in &all {
        let button = format!("action=\"/account/sessions/{}/signout\"", id_of(one));
        assert_eq!(page.text.matches(&button).count(), 1, "{}", page.text);
    }

    let end = async |token: &str, id: &str| {
        let path = format!("/account/sessions/{id}/signout");
        house.submit(&path, token, "").await
    };
    assert_eq!(goes_to(&end("", &id_of(&all[1])).await), (303, "/signin"));
    assert_eq!(end(&foreign, &id_of(&all[1])).await.status, 401);
    // Once, and once more by an impatient finger.
    for _ in 0..2 {
        assert_eq!(goes_to(&end(&token, &id_of(&all[1])).await), (303, "/account?done=session"));
    }
    assert!(!house.is_signed_in(&firefox).await && house.is_signed_in(&api).await);
    let page = house.page("/account?done=session", &token).await;
    assert!(page.text.contains("That one is signed out.") && !page.text.contains("Firefox"), "{}", page.text);

    // What expires is not listed either.
    house.clock.advance(Duration::from_secs(3600));
    assert!(!house.page("/account", &token).await.text.contains("<th role=\"rowheader\" scope=\"row\">API"));

    let own = end(&token, &id_of(&all[0])).await;
    assert_eq!((goes_to(&own), own.token().as_str()), ((303, "/"), ""));
    assert!(!house.is_signed_in(&token).await && house.is_signed_in(&foreign).await);
}

#[tokio::test]
async fn the_page_signs_out_everywhere() {
    let house = House::new().await;
    let (_, token) = house.sign_up("ann@example.com").await;
    let phone = house.sign_in("ann@example.com", "password").await.token();
    let api = house.accounts.create_token("ann@example.com", None).await.unwrap();
    let (_, foreign) = house.sign_up("bob@example.com").await;
    assert_eq!(goes_to(&house.submit("/account/signout", "", "").await), (303, "/signin"));
    let out = house.submit("/account/signout", &token, "").await;
    assert_eq!((goes_to(&out), out.token().as_str()), ((303, "/"), ""));
    for ended in [&token, &phone, &api] {
        assert!(!house.is_signed_in(ended).await);
    }
    assert!(house.is_signed_in(&foreign).await);
}

#[tokio::test]
async fn a_long_list_has_older_parts() {
    let house = House::new().await;
    let (_, token) = house.sign_up("ann@example.com").await;
    for _ in 0..4 {
        house.accounts.create_token("ann@example.com", None).await.unwrap();
    }
    let ids: Vec<String> = sessions(&house, &token).await.iter().rev().map(id_of).collect();
    let mut path = "/account?limit=2".to_owned();
    for part in ids.chunks(2) {
        let page = house.page(&path, &token).await.text;
        for id in &ids {
            assert_eq!(page.contains(&format!("/sessions/{id}/")), part.contains(id), "{path}: {page}");
        }
        assert_eq!(page.contains(">Newest</a>"), path.contains("after="), "{page}");
        let older = page.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split("#sessions").next());
        assert_eq!(older.is_some(), part.len() == 2, "{page}");
        path = older.unwrap_or_default().replace("&#38;", "&");
    }
    assert_eq!(house.page("/account?limit=0", &token).await.status, 400);
    assert_eq!(house.page("/account?after=x", &token).await.status, 404);
}

#[tokio::test]
async fn ones_name_and_address_change_on_the_page() {
    let house = House::new().await;
    let (_, token) = house.sign_up("ann@example.com").await;
    house.sign_up("bob@example.com").await;
    let submit = async |form: &str| house.submit("/account/profile", &token, form).await;
    assert_eq!(goes_to(&house.submit("/account/profile", "", "username=Ann").await), (303, "/signin"));

    let saved = submit("username=Ann&email=ann%40example.com&currentPassword=").await;
    assert_eq!(goes_to(&saved), (303, "/account?done=profile"));
    let page = house.page("/account?done=profile", &token).await.text;
    assert!(page.contains("Saved.") && page.contains("<dd>Ann</dd>"), "{page}");

    for (form, status, field, message) in [
        ("username=Ann&email=new%40example.com", 400, "currentPassword", "Current password is wrong"),
        (
            "username=Ann&email=new%40example.com&currentPassword=a-secret",
            400,
            "currentPassword",
            "Current password is wrong",
        ),
        ("username=Ann&email=new", 400, "email", "Email must be valid"),
        ("username=Ann&email=BOB%40example.com&currentPassword=password", 409, "email", "Email in use"),
        (
            &format!("username={}&email=new%40example.com", "x".repeat(65)),
            400,
            "username",
            "Username must be",
        ),
    ] {
        let reply = submit(form).await;
        assert_eq!(reply.status, status, "{}", reply.text);
        let at = format!("id=\"f-{field}-error\">{message}");
        assert!(reply.text.contains(&at), "{}", reply.text);
        let typed = form.split("email=").nth(1).unwrap().split('&').next().unwrap().replace("%40", "@");
        assert!(reply.text.contains(&format!("value=\"{typed}\"")), "{}", reply.text);
        assert!(!reply.text.contains("a-secret") && !reply.text.contains("/account/password"));
    }
    let changed = submit("username=Ann&email=new%40example.com&currentPassword=password").await;
    assert_eq!(goes_to(&changed), (303, "/account?done=profile"));
    assert_eq!(house.sign_in("new@example.com", "password").await.status, 200);

    // A password is the other form's, which also ends sessions.
    let smuggled = submit("currentPassword=password&newPassword=another+one").await;
    assert_eq!(goes_to(&smuggled), (303, "/account?done=profile"));
    assert_eq!(house.sign_in("new@example.com", "password").await.status, 200);
}

#[tokio::test]
async fn ones_password_changes_on_the_page() {
    let limits = accounts::Limits { failures_per_account: 2, ..Default::default() };
    let house = House::with(limits).await;
    let (_, token) = house.sign_up("ann@example.com").await;
    let phone = house.sign_in("ann@example.com", "password").await.token();
    let submit = async |form: &str| house.submit("/account/password", &token, form).await;
    for (form, fields) in [
        ("", &["oldPassword", "newPassword"][..]),
        ("oldPassword=password&newPassword=short", &["newPassword"]),
        ("oldPassword=wrong-secret&newPassword=another-secret", &["oldPassword"]),
    ] {
        let reply = submit(form).await;
        assert_eq!(reply.status, 400, "{}", reply.text);
        assert_eq!(reply.text.matches("-error\">").count(), fields.len(), "{}", reply.text);
        for field in fields {
            assert!(reply.text.contains(&format!("id=\"f-{field}-error\"")), "{}", reply.text);
        }
        assert!(!reply.text.contains("secret") && !reply.text.contains("/account/profile"));
    }
    assert!(house.is_signed_in(&token).await && house.is_signed_in(&phone).await);

    let changed = submit("oldPassword=password&newPassword=another+one").await;
    assert_eq!(goes_to(&changed), (303, "/account?done=password"));
    let fresh = changed.token();
    assert!(!house.is_signed_in(&token).await && !house.is_signed_in(&phone).await);
    let page = house.page("/account?done=password", &fresh).await.text;
    assert!(page.contains("Your password is changed") && page.matches("In use now").count() == 1, "{page}");
    assert_eq!(house.sign_in("ann@example.com", "another one").await.status, 200);

    let guess = "oldPassword=wrong&newPassword=another+one";
    assert_eq!(house.submit("/account/password", &fresh, guess).await.status, 400);
    let limited = house.submit("/account/password", &fresh, guess).await;
    assert_eq!(limited.status, 429);
    assert!(limited.headers.contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn an_address_cannot_have_the_page_say_anything() {
    let house = House::new().await;
    let (_, token) = house.sign_up("ann@example.com").await;
    for done in ["", "x", "Your+account+is+closed", "session&done=x"] {
        let page = house.page(&format!("/account?done={done}"), &token).await;
        assert!(page.status == 200 && !page.text.contains("role=\"status\""), "{done}: {}", page.text);
        assert!(!page.text.contains("closed"), "{}", page.text);
    }
}

/// Tickets and orders verify tokens alone; what they were shown counts as use all the same.
#[tokio::test]
async fn a_session_that_other_services_are_shown_is_in_use() {
    let house = House::new().await;
    let (_, token) = house.sign_up("ann@example.com").await;
    let other = house.sign_in("ann@example.com", "password").await.token();
    let uses = accounts::Uses::new(&house.web);
    house.clock.advance(Duration::from_secs(300));
    let used_at = house.clock.now();
    assert!(house.web.sessions().verify(&token).is_some());
    house.clock.advance(Duration::from_secs(30));
    for _ in 0..2 {
        uses.note(async |used| house.accounts.note_uses(&used).await).await.unwrap();
    }
    let listed = house.get("/api/account/sessions", &other).await.json();
    assert_eq!(listed[0]["lastUsedAt"], serde_json::to_value(used_at).unwrap(), "{listed}");
}
