//! The pages for signing up, in and out, behind the real stack.
#![allow(clippy::unwrap_used)]

mod common;

use axum::http::header;
use common::{House, goes_to};

#[tokio::test]
async fn somebody_signs_up_out_and_in_again() {
    let house = House::new().await;
    let form = "email=a%40example.com&password=password&next=%2Ftickets%2Fx";
    let reply = house.submit("/signup", "", form).await;
    assert_eq!(goes_to(&reply), (303, "/tickets/x"));
    let token = reply.token();
    assert!(house.is_signed_in(&token).await);

    let reply = house.submit("/signout", &token, "").await;
    assert_eq!((goes_to(&reply), reply.token().as_str()), ((303, "/"), ""));
    assert!(!house.is_signed_in(&token).await);
    assert_eq!(goes_to(&house.submit("/signout", "", "").await), (303, "/"));

    let reply = house.submit("/signin", "", "email=a%40example.com&password=password").await;
    assert_eq!(goes_to(&reply), (303, "/"));
    let token = reply.token();
    for path in ["/signin?next=%2Forders", "/signup"] {
        assert_eq!(goes_to(&house.page(path, &token).await), (303, "/"), "{path}");
        assert_eq!(goes_to(&house.submit(path, &token, "").await), (303, "/"), "{path}");
    }
}

#[tokio::test]
async fn only_a_path_of_ours_is_next() {
    let house = House::new().await;
    house.sign_up("a@example.com").await;
    for (next, to) in [
        ("%2Forders%3Fa%3D1", "/orders?a=1"),
        ("%2F%2Fevil.example", "/"),
        ("https%3A%2F%2Fevil.example", "/"),
    ] {
        let form = format!("email=a%40example.com&password=password&next={next}");
        assert_eq!(goes_to(&house.submit("/signin", "", &form).await), (303, to), "{next}");
        let page = house.page(&format!("/signin?next={next}"), "").await;
        assert!(page.text.contains(&format!("name=\"next\" value=\"{to}\"")), "{}", page.text);
    }
    assert_eq!(house.page("/signin?next=%2Fa&next=%2Fb", "").await.status, 200);
}

#[tokio::test]
async fn a_form_comes_back_with_the_address_and_without_the_password() {
    let house = House::new().await;
    house.sign_up("a@example.com").await;
    let form = "email=a%40example.com&password=wrong-secret&next=%2Forders";
    for (path, status, message) in [("/signin", 400, "Invalid credentials"), ("/signup", 400, "Email in use")]
    {
        let reply = house.submit(path, "", form).await;
        assert_eq!(reply.status, status, "{}", reply.text);
        assert!(reply.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        assert!(reply.text.contains(message), "{}", reply.text);
        assert!(reply.text.contains("value=\"a@example.com\""), "{}", reply.text);
        assert!(reply.text.contains("name=\"next\" value=\"/orders\""), "{}", reply.text);
        assert!(!reply.text.contains("wrong-secret"), "{}", reply.text);
        assert!(!reply.headers.contains_key(header::SET_COOKIE));
    }
    let reply = house.submit("/signup", "", "email=nobody&password=short").await;
    assert_eq!(reply.status, 400);
    assert!(reply.text.contains("id=\"f-email-error\"") && reply.text.contains("id=\"f-password-error\""));
}

#[tokio::test]
async fn a_limit_is_told_at_the_form_with_when_to_come_back() {
    let house = House::with(accounts::Limits { failures_per_account: 1, ..Default::default() }).await;
    house.sign_up("a@example.com").await;
    let form = "email=a%40example.com&password=wrong";
    assert_eq!(house.submit("/signin", "", form).await.status, 400);
    let reply = house.submit("/signin", "", form).await;
    assert_eq!(reply.status, 429);
    assert!(reply.headers.contains_key(header::RETRY_AFTER));
    assert!(reply.text.contains("value=\"a@example.com\""), "{}", reply.text);
}
