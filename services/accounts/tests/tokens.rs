//! API tokens, and revocation across processes and restarts.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use accounts::{Accounts, MAX_TOKEN_LIFETIME, NewUser, Settings, TOKEN_LIFETIME};
use axum::body::Body;
use axum::http::{Request, header};
use common::{House, SITE, a_database, a_web};
use contracts::Role;
use events::Bus;
use kernel::Kind;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn the_commands_make_users_and_tokens() {
    let house = House::new().await;
    let new = |email: &str, password: &str| NewUser {
        email: email.into(),
        username: Some("Op".into()),
        password: password.into(),
        role: Role::Operator,
    };
    assert_eq!(house.accounts.create_user(new("x", "p")).await.unwrap_err().errors.len(), 2);
    let user = house.accounts.create_user(new("op@example.com", "operator!")).await.unwrap();
    assert_eq!((user.version, user.role, user.username.as_deref()), (0, Role::Operator, Some("Op")));
    let twice = house.accounts.create_user(new("OP@example.com", "operator!")).await.unwrap_err();
    assert_eq!((twice.kind, twice.to_string().as_str()), (Kind::Conflict, "Email in use"));
    assert_eq!(house.user_events(&user.id.to_string()).await, [("user:created", 0)]);

    let token = house.accounts.create_token(" OP@Example.com", None).await.unwrap();
    let request =
        Request::get("/api/account/sessions").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let list = house.send(request.body(Body::empty()).unwrap()).await.json();
    assert_eq!((list[0]["kind"].as_str(), list[0]["device"].as_str()), (Some("token"), Some("API token")));
    house.clock.advance(TOKEN_LIFETIME - Duration::from_secs(1));
    assert!(house.is_signed_in(&token).await);
    house.clock.advance(Duration::from_secs(1));
    assert!(!house.is_signed_in(&token).await);
}

#[tokio::test]
async fn a_token_lives_at_most_ten_years_and_can_be_revoked() {
    let house = House::new().await;
    house.sign_up("ann@example.com").await;
    let create = async |email: &str, span| house.accounts.create_token(email, Some(span)).await;
    for span in [Duration::ZERO, MAX_TOKEN_LIFETIME + Duration::from_secs(1), Duration::MAX] {
        assert_eq!(create("ann@example.com", span).await.unwrap_err().kind, Kind::Invalid);
    }
    assert_eq!(create("no@example.com", TOKEN_LIFETIME).await.unwrap_err().kind, Kind::NotFound);
    let token = create("ann@example.com", MAX_TOKEN_LIFETIME).await.unwrap();
    assert!(house.is_signed_in(&token).await);
    house.call("POST", "/api/users/signout", &token, Value::Null).await;
    assert!(!house.is_signed_in(&token).await);
}

#[tokio::test]
async fn a_restart_forgets_no_revocation() {
    let house = House::new().await;
    let (_, out) = house.sign_up("ann@example.com").await;
    let live = house.sign_in("ann@example.com", "password").await.token();
    house.call("POST", "/api/users/signout", &out, Value::Null).await;

    let web = a_web(&house.clock);
    let (memory, settings) = (cache::Memory::default(), Settings::default());
    let restarted = Accounts::new(house.db.clone(), web.clone(), &settings, &memory, house.mail.clone());
    assert!(web.sessions().verify(&out).is_some());
    // Even before that, the row decides here.
    let session = web.sessions().verify(&out).unwrap();
    assert_eq!(restarted.current_user(&session).await.unwrap(), None);
    for (id, until) in restarted.revoked_after("").await.unwrap() {
        web.revocations().revoke(id, until);
    }
    assert!(web.sessions().verify(&out).is_none());
    assert!(web.sessions().verify(&live).is_some());
}

#[tokio::test]
async fn another_process_hears_of_a_revocation() {
    let house = House::new().await;
    let (_, token) = house.sign_up("ann@example.com").await;
    let web = a_web(&house.clock);
    let home = engines::Home::new().await;
    let db = a_database(&home, &house.clock).await;
    let (memory, settings) = (cache::Memory::default(), Settings::default());
    let other = Accounts::new(db, web.clone(), &settings, &memory, house.mail.clone());
    house.call("POST", "/api/users/signout", &token, Value::Null).await;
    assert!(web.sessions().verify(&token).is_some());
    let recorded = house.db.outbox_waiting(100).await.unwrap();
    Bus::local(vec![other.subscription(), house.accounts.subscription()]).publish(recorded).await.unwrap();
    assert!(web.sessions().verify(&token).is_none());
    assert!(other.subscription().dead_letters().await.unwrap().is_empty());
}

#[tokio::test]
async fn expired_sessions_are_swept_out() {
    let house = House::new().await;
    house.sign_up("ann@example.com").await;
    let (_, out) = house.sign_up("bob@example.com").await;
    house.call("POST", "/api/users/signout", &out, Value::Null).await;
    house.clock.advance(Duration::from_secs(14 * 24 * 3600));
    house.sign_in("ann@example.com", "password").await;
    let stop = CancellationToken::new();
    let jobs: Vec<_> =
        house.accounts.jobs(SITE).into_iter().map(|job| tokio::spawn((job.run)(stop.clone()))).collect();
    let swept = async {
        loop {
            let (rows,): (i64,) = house.db.one("SELECT COUNT(*) FROM sessions", &[]).await.unwrap();
            if rows == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), swept).await.expect("only the live session is left");
    stop.cancel();
    for job in jobs {
        job.await.unwrap();
    }
}
