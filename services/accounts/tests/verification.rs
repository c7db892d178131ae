//! Addresses are shown to be somebody's, by mail.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use accounts::Limits;
use common::{House, goes_to};
use kernel::UserId;
use serde_json::{Value, json};

const VOID: &str = "This link does not count any more: it has expired, was used, or is for another address";

async fn verify(house: &House, code: &str) -> (u16, Value) {
    let reply = house.post("/api/account/verify", json!({"code": code})).await;
    (reply.status, reply.json())
}

async fn is_void(house: &House, code: &str) -> bool {
    let (status, json) = verify(house, code).await;
    (status, &json["errors"][0]["message"]) == (400, &json!(VOID))
}

async fn is_verified(house: &House, id: &str) -> bool {
    house.accounts.verified_at(id.parse::<UserId>().unwrap()).await.unwrap().is_some()
}

async fn change(house: &House, token: &str, email: &str) {
    let body = json!({"email": email, "currentPassword": "password"});
    assert_eq!(house.call("PATCH", "/api/account", token, body).await.status, 200);
}

#[tokio::test]
async fn who_signs_up_is_sent_a_link_that_verifies_once() {
    let house = House::new().await;
    let (id, _) = house.sign_up("Ann@example.com").await;
    assert_eq!(house.waiting().await, (1, 0), "no code lies in the database before the mail is sent");
    let code = house.code("Ann@example.com", "verify").await;
    assert_eq!(house.waiting().await, (0, 1));
    assert!(!is_verified(&house, &id).await);

    assert_eq!(verify(&house, &code).await, (200, json!({"email": "Ann@example.com"})));
    let at = house.accounts.verified_at(id.parse().unwrap()).await.unwrap();
    assert_eq!(at, Some(house.clock.now()));
    assert!(is_void(&house, &code).await, "it was used");
    assert_eq!(house.user_events(&id).await, [("user:created", 0)], "the user is the same");
    assert!(house.take_mail().await.is_empty());
}

#[tokio::test]
async fn a_user_of_the_other_call_is_sent_one_and_an_operators_is_not() {
    let house = House::new().await;
    house.post("/api/users", json!({"email": "bob@example.com", "password": "password"})).await;
    house.code("bob@example.com", "verify").await;
    house.operator().await;
    assert!(house.take_mail().await.is_empty());
}

#[tokio::test]
async fn a_code_that_is_wrong_or_old_verifies_nothing() {
    let house = House::new().await;
    let (id, _) = house.sign_up("ann@example.com").await;
    let code = house.code("ann@example.com", "verify").await;
    for wrong in ["nonsense", &code.to_uppercase(), &format!("{code}0"), &code[1..]] {
        assert!(is_void(&house, wrong).await, "{wrong}");
    }
    let reply = house.post("/api/account/verify", json!({})).await;
    assert_eq!(reply.error(), (400, "Code must be given".into(), Some("code".into())));
    let body = json!({"code": code, "newPassword": "a new one"});
    assert_eq!(
        house.post("/api/account/reset/confirm", body).await.status,
        400,
        "it is no code of that kind"
    );
    house.clock.advance(Duration::from_secs(24 * 3600));
    assert!(is_void(&house, &code).await);
    assert!(!is_verified(&house, &id).await);
}

#[tokio::test]
async fn another_address_is_verified_anew_and_voids_what_was_sent_to_the_old_one() {
    let house = House::new().await;
    let (id, token) = house.sign_up("ann@example.com").await;
    let first = house.code("ann@example.com", "verify").await;
    assert_eq!(verify(&house, &first).await.0, 200);
    change(&house, &token, "ann@other.example").await;
    assert!(!is_verified(&house, &id).await);
    let second = house.code("ann@other.example", "verify").await;
    change(&house, &token, "ann@third.example").await;
    assert!(is_void(&house, &second).await, "it went to an address that is not hers any more");
    let third = house.code("ann@third.example", "verify").await;
    assert_eq!(verify(&house, &third).await.0, 200);
    assert!(is_verified(&house, &id).await);

    change(&house, &token, "ANN@third.example").await;
    assert!(house.take_mail().await.is_empty(), "that is the same one");
    assert!(is_verified(&house, &id).await);
}

#[tokio::test]
async fn a_mail_to_an_address_that_was_given_up_meanwhile_is_not_sent() {
    let house = House::new().await;
    let (_, token) = house.sign_up("ann@example.com").await;
    change(&house, &token, "ann@other.example").await;
    house.code("ann@other.example", "verify").await;
    assert_eq!(house.waiting().await, (0, 1));
}

#[tokio::test]
async fn who_changes_their_address_again_and_again_has_few_mails_sent() {
    let house = House::with(Limits { mails_per_user: 3, ..Limits::default() }).await;
    let (_, token) = house.sign_up("ann@example.com").await;
    house.code("ann@example.com", "verify").await;
    for n in 0..6 {
        change(&house, &token, &format!("stranger{n}@example.com")).await;
        assert_eq!(house.take_mail().await.len(), usize::from(n < 2), "{n}");
    }
    let ask = async || house.call("POST", "/api/account/verification", &token, Value::Null).await;
    assert_eq!(ask().await.status, 429, "nor by asking");
    house.clock.advance(Duration::from_secs(3600));
    assert_eq!(ask().await.status, 202);
    house.code("stranger5@example.com", "verify").await;
}

#[tokio::test]
async fn many_users_together_have_few_mails_sent_to_one_address() {
    let house = House::with(Limits { mails_per_address: 2, ..Limits::default() }).await;
    for n in 0..4 {
        let (_, token) = house.sign_up(&format!("user{n}@example.com")).await;
        house.take_mail().await;
        change(&house, &token, if n % 2 == 0 { "ann@example.com" } else { "ANN@example.com" }).await;
        assert_eq!(house.take_mail().await.len(), usize::from(n == 0), "{n}");
        let reply = house.call("POST", "/api/account/verification", &token, Value::Null).await;
        assert_eq!(reply.status, if n == 0 { 202 } else { 429 }, "{n}");
        assert_eq!(house.take_mail().await.len(), usize::from(n == 0), "{n}");
        change(&house, &token, &format!("former{n}@example.com")).await;
        house.take_mail().await;
    }
    // She has her account all the same.
    let (_, token) = house.sign_up("ann@example.com").await;
    assert_eq!(house.waiting().await.0, 0);
    house.clock.advance(Duration::from_secs(3600));
    let reply = house.call("POST", "/api/account/verification", &token, Value::Null).await;
    assert_eq!(reply.status, 202);
    house.code("ann@example.com", "verify").await;
}

#[tokio::test]
async fn a_change_that_fails_is_not_counted() {
    let house = House::with(Limits { mails_per_user: 2, ..Limits::default() }).await;
    house.sign_up("bob@example.com").await;
    let (_, token) = house.sign_up("ann@example.com").await;
    house.take_mail().await;
    for _ in 0..3 {
        let body = json!({"email": "bob@example.com", "currentPassword": "password"});
        assert_eq!(house.call("PATCH", "/api/account", &token, body).await.status, 409);
    }
    change(&house, &token, "ann@other.example").await;
    house.code("ann@other.example", "verify").await;
}

#[tokio::test]
async fn another_mail_is_sent_once_a_minute_and_five_times_an_hour() {
    let house = House::new().await;
    let (_, token) = house.sign_up("ann@example.com").await;
    let ask = async || house.call("POST", "/api/account/verification", &token, Value::Null).await;
    assert_eq!(house.call("POST", "/api/account/verification", "", Value::Null).await.status, 401);
    let mut codes = vec![house.code("ann@example.com", "verify").await];
    for _ in 0..5 {
        let reply = ask().await;
        assert_eq!((reply.status, reply.json()), (202, json!({})));
        codes.push(house.code("ann@example.com", "verify").await);
        let reply = ask().await;
        assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (429, "60"));
        house.clock.advance(Duration::from_secs(60));
    }
    let reply = ask().await;
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (429, "3300"));
    assert_eq!(verify(&house, &codes[2]).await.0, 200, "each of them counts");
    assert!(is_void(&house, &codes[5]).await, "until one was used");
    house.clock.advance(Duration::from_secs(3300));
    assert_eq!(ask().await.error(), (409, "Email is verified already".into(), None));
}

#[tokio::test]
async fn who_is_deleted_leaves_nothing() {
    let house = House::new().await;
    let operator = house.operator().await;
    let (id, _) = house.sign_up("ann@example.com").await;
    let code = house.code("ann@example.com", "verify").await;
    verify(&house, &code).await;
    house.post("/api/account/reset", json!({"email": "ann@example.com"})).await;
    let reset = house.code("ann@example.com", "reset").await;
    house
        .accounts
        .change_user(
            id.parse().unwrap(),
            accounts::UserChange {
                email: accounts::model::Email::parse("ann@other.example"),
                ..Default::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(house.waiting().await, (1, 0));
    assert_eq!(house.call("DELETE", &format!("/api/users/{id}"), &operator, Value::Null).await.status, 204);
    assert_eq!(house.waiting().await, (0, 0));
    let (verified,): (i64,) = house.db.one("SELECT COUNT(*) FROM verified_emails", &[]).await.unwrap();
    assert_eq!(verified, 0);
    let body = json!({"code": reset, "newPassword": "a new one"});
    assert_eq!(house.post("/api/account/reset/confirm", body).await.status, 400);
}

#[tokio::test]
async fn looking_at_the_page_verifies_nothing_and_its_button_does() {
    let house = House::new().await;
    let (id, _) = house.sign_up("ann@example.com").await;
    let code = house.code("ann@example.com", "verify").await;
    let page = house.page(&format!("/verify?code={code}"), "").await;
    assert!(page.text.contains("Confirm my address") && page.text.contains(&code), "{}", page.text);
    assert_eq!(page.headers["referrer-policy"], "same-origin");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert!(!is_verified(&house, &id).await);

    let form = format!("code={code}");
    assert_eq!(goes_to(&house.submit("/verify", "", &form).await), (303, "/verify?done=1"));
    assert!(is_verified(&house, &id).await);
    assert!(house.page("/verify?done=1", "").await.text.contains("Your address is confirmed"));
    let again = house.submit("/verify", "", &form).await;
    assert!(again.status == 400 && again.text.contains(VOID), "{}", again.text);
    for path in ["/verify", "/verify?code=a&code=b"] {
        assert!(house.page(path, "").await.text.contains("The link of the mail is not whole"), "{path}");
    }
    let hostile = house.page("/verify?code=%22%3E%3Cscript%3E", "").await;
    assert!(!hostile.text.contains("><script>"), "{}", hostile.text);
}
