//! A forgotten password is replaced, by mail.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{House, Reply, code_of, goes_to};
use contracts::Event;
use futures_util::future::join_all;
use serde_json::json;

const VOID: &str = "This link does not count any more: it has expired, was used, or is for another address";

async fn ask(house: &House, email: &str) -> Reply {
    house.post("/api/account/reset", json!({"email": email})).await
}

async fn confirm(house: &House, code: &str, password: &str) -> Reply {
    house.post("/api/account/reset/confirm", json!({"code": code, "newPassword": password})).await
}

/// Somebody who has signed up, with an empty letter box; the id and the session's token.
async fn ann(house: &House) -> (String, String) {
    let ann = house.sign_up("Ann@example.com").await;
    house.take_mail().await;
    ann
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_and_everybody_is_signed_out() {
    let house = House::new().await;
    let (id, token) = ann(&house).await;
    let api = house.accounts.create_token("ann@example.com", None).await.unwrap();
    let reply = ask(&house, "ann@EXAMPLE.com").await;
    assert_eq!((reply.status, reply.json()), (202, json!({})));
    let code = house.code("Ann@example.com", "reset").await;

    let short = confirm(&house, &code, "short").await.error();
    let told = "Password must be between 8 and 128 characters";
    assert_eq!(short, (400, told.into(), Some("newPassword".into())));
    let reply = confirm(&house, &code, "a new password").await;
    assert_eq!((reply.status, reply.json()), (200, json!({})));
    assert!(!reply.sets_session(), "it signs nobody in");
    assert!(!house.is_signed_in(&token).await && !house.is_signed_in(&api).await);
    assert_eq!(house.sign_in("ann@example.com", "password").await.status, 400);
    assert_eq!(house.sign_in("ann@example.com", "a new password").await.status, 200);
    assert_eq!(house.user_events(&id).await, [("user:created", 0), ("user:updated", 1)]);
    assert!(house.accounts.verified_at(id.parse().unwrap()).await.unwrap().is_some(), "the mail was read");
    assert_eq!(confirm(&house, &code, "another one").await.error(), (400, VOID.into(), None));
}

#[tokio::test]
async fn nobody_can_tell_whether_an_address_is_known_and_nobody_else_gets_mail() {
    let house = House::new().await;
    ann(&house).await;
    let known = ask(&house, "ann@example.com").await;
    house.code("Ann@example.com", "reset").await;
    let unknown = ask(&house, "nobody@example.com").await;
    assert_eq!((known.status, &known.text), (unknown.status, &unknown.text));
    assert!(house.take_mail().await.is_empty());
    assert_eq!(house.waiting().await.0, 0, "and no row stays");
    assert_eq!(
        ask(&house, "nobody").await.error(),
        (400, "Email must be valid".into(), Some("email".into()))
    );
}

#[tokio::test]
async fn strangers_who_ask_for_an_address_shut_nobody_out_and_fill_no_letter_box() {
    let house = House::with(accounts::Limits { mails_per_address: 3, ..Default::default() }).await;
    ann(&house).await;
    for email in ["ann@example.com", "ANN@example.com", "nobody@example.com"] {
        for n in 0..5 {
            let from = format!("198.51.100.{n}:1");
            let reply =
                house.call_from(&from, "POST", "/api/account/reset", "", json!({"email": email})).await;
            assert_eq!((reply.status, reply.json()), (202, json!({})), "{email}");
        }
    }
    assert_eq!(house.waiting().await.0, 6, "three for each address");
    let mails = house.take_mail().await;
    assert_eq!(mails.len(), 3);
    assert_eq!(
        goes_to(&house.submit("/forgot", "", "email=ann%40example.com").await),
        (303, "/forgot?done=1")
    );
    assert!(house.take_mail().await.is_empty());
    let code = code_of(&mails[0], "Ann@example.com", "reset");
    assert_eq!(confirm(&house, &code, "a new password").await.status, 200, "what came before counts");

    // The other links count no more, so who forgets it again is not told to look for one of them.
    assert_eq!(ask(&house, "ann@example.com").await.status, 202);
    house.code("Ann@example.com", "reset").await;

    ask(&house, "nobody@example.com").await;
    assert_eq!(house.waiting().await.0, 0);
    house.clock.advance(Duration::from_secs(3600));
    ask(&house, "nobody@example.com").await;
    assert_eq!(house.waiting().await.0, 1, "an hour later it is as before");
}

#[tokio::test]
async fn one_network_asks_as_often_as_the_installation_says() {
    assert_eq!(accounts::Limits::default().mails_per_network, 300);
    let house = House::with(accounts::Limits { mails_per_network: 5, ..Default::default() }).await;
    let from = async |address: &str, n: usize| {
        let body = json!({"email": format!("user{n}@example.com")});
        house.call_from(address, "POST", "/api/account/reset", "", body).await
    };
    for n in 0..5 {
        assert_eq!(from("198.51.100.7:1", n).await.status, 202);
    }
    let reply = from("198.51.100.7:1", 5).await;
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (429, "3600"));
    assert_eq!(from("203.0.113.9:1", 6).await.status, 202);
    assert_eq!(house.waiting().await.0, 6);
}

#[tokio::test]
async fn a_user_without_a_password_gets_no_mail() {
    let house = House::new().await;
    ann(&house).await;
    let directory = "UPDATE users SET password_hash = NULL";
    house.db.write(|tx| async move { tx.execute(directory, &[]).await }).await.unwrap();
    ask(&house, "ann@example.com").await;
    assert!(house.take_mail().await.is_empty());
    assert_eq!(house.waiting().await.0, 0);
}

#[tokio::test]
async fn a_link_ends_with_its_hour_with_another_address_and_with_another_password() {
    let house = House::new().await;
    let (id, token) = ann(&house).await;
    let link = async |to: &str| {
        house.clock.advance(Duration::from_secs(3600));
        ask(&house, to).await;
        house.code(to, "reset").await
    };
    let old = link("Ann@example.com").await;
    house.clock.advance(Duration::from_secs(3600));
    assert_eq!(confirm(&house, &old, "a new password").await.status, 400);

    let before = link("Ann@example.com").await;
    let body = json!({"email": "ann@other.example", "currentPassword": "password"});
    assert_eq!(house.call("PATCH", "/api/account", &token, body).await.status, 200);
    house.take_mail().await;
    assert_eq!(confirm(&house, &before, "a new password").await.status, 400);

    let before = link("ann@other.example").await;
    let body = json!({"newPassword": "chosen meanwhile", "currentPassword": "password"});
    assert_eq!(house.call("PATCH", "/api/account", &token, body).await.status, 200);
    assert_eq!(confirm(&house, &before, "a new password").await.status, 400);

    let (one, other) = (link("ann@other.example").await, link("ann@other.example").await);
    assert_eq!(confirm(&house, &one, "a new password").await.status, 400, "an hour is over");
    assert_eq!(confirm(&house, &other, "a new password").await.status, 200);
    assert_eq!(house.user_events(&id).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_use_one_link_at_once_one_chooses_the_password() {
    let house = Arc::new(House::new().await);
    let (id, _) = ann(&house).await;
    ask(&house, "ann@example.com").await;
    let code = house.code("Ann@example.com", "reset").await;
    let tries = (0..8).map(|n| {
        let (house, code) = (house.clone(), code.clone());
        tokio::spawn(async move { (n, confirm(&house, &code, &format!("password {n}")).await.status) })
    });
    let tries: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    let won: Vec<_> = tries.iter().filter(|(_, status)| *status == 200).collect();
    assert_eq!(won.len(), 1, "{tries:?}");
    assert!(tries.iter().all(|(_, status)| [200, 400].contains(status)), "{tries:?}");
    let password = format!("password {}", won[0].0);
    assert_eq!(house.sign_in("ann@example.com", &password).await.status, 200);
    let updates = house.events().await.into_iter().filter(|e| matches!(e, Event::UserUpdated(_))).count();
    assert_eq!((updates, house.user_events(&id).await.len()), (1, 2));
}

#[tokio::test]
async fn an_account_that_was_locked_by_guesses_is_open_again() {
    let house = House::with(accounts::Limits { failures_per_account: 1, ..Default::default() }).await;
    ann(&house).await;
    house.sign_in("ann@example.com", "a guess").await;
    assert_eq!(house.sign_in("ann@example.com", "password").await.status, 429);
    ask(&house, "ann@example.com").await;
    let code = house.code("Ann@example.com", "reset").await;
    assert_eq!(confirm(&house, &code, "a new password").await.status, 200);
    assert_eq!(house.sign_in("ann@example.com", "a new password").await.status, 200);
}

#[tokio::test]
async fn the_pages_lead_from_a_forgotten_password_to_a_new_one() {
    let house = House::new().await;
    ann(&house).await;
    assert!(house.page("/signin", "").await.text.contains("href=\"/forgot\""));
    assert!(house.page("/forgot", "").await.text.contains("Send me a link"));
    let wrong = house.submit("/forgot", "", "email=nobody").await;
    assert!(
        wrong.status == 400
            && wrong.text.contains("Email must be valid")
            && wrong.text.contains("value=\"nobody\"")
    );
    for form in ["email=nobody%40example.com", "email=ann%40example.com"] {
        assert_eq!(goes_to(&house.submit("/forgot", "", form).await), (303, "/forgot?done=1"));
    }
    assert!(house.page("/forgot?done=1", "").await.text.contains("If somebody signs in with that address"));
    let code = house.code("Ann@example.com", "reset").await;

    let page = house.page(&format!("/reset?code={code}"), "").await;
    assert!(
        page.text.contains("autocomplete=\"new-password\"") && page.text.contains(&code),
        "{}",
        page.text
    );
    assert_eq!(page.headers["cache-control"], "no-store");
    assert!(page.text.contains("For ann@example.com."), "{}", page.text);
    let short = house.submit("/reset", "", &format!("code={code}&newPassword=s3cret")).await;
    assert!(
        short.status == 400 && short.text.contains(&code) && !short.text.contains("s3cret"),
        "{}",
        short.text
    );
    let reply = house.submit("/reset", "", &format!("code={code}&newPassword=a+new+password")).await;
    assert_eq!(goes_to(&reply), (303, "/signin?reset=1"));
    assert!(house.page("/signin?reset=1", "").await.text.contains("Your new password is saved"));
    assert_eq!(house.sign_in("ann@example.com", "a new password").await.status, 200);

    let again = house.submit("/reset", "", &format!("code={code}&newPassword=a+new+password")).await;
    assert_eq!(again.status, 400);
    for text in [
        again.text,
        house.page(&format!("/reset?code={code}"), "").await.text,
        house.page("/reset", "").await.text,
    ] {
        assert!(
            text.contains("This link does not count any more") && text.contains("href=\"/forgot\""),
            "{text}"
        );
        assert!(!text.contains("new-password"), "{text}");
    }
}
