//! That secrets stay secret. Alone in its process, since it listens to everything that is logged there.
#![allow(clippy::unwrap_used)]

mod common;

use std::io;
use std::sync::{Arc, Mutex};

use common::House;
use serde_json::{Value, json};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn secrets_are_in_no_log_event_or_answer() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // Of all threads: the database's too, and none that has no log decides that an event is of no interest.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let house = House::new().await;
    let sign_up = json!({"email": "ann@example.com", "password": "s3cret-one"});
    let first = house.post("/api/users/signup", sign_up.clone()).await;
    let old = first.token();
    let change = json!({"currentPassword": "s3cret-one", "newPassword": "s3cret-two"});
    let changed = house.call("PATCH", "/api/account", &old, change.clone()).await;
    let token = changed.token();
    let changes = [
        changed,
        house.call("PATCH", "/api/account", &token, change).await,
        house.post("/api/users/signup", sign_up.clone()).await,
        house.post("/api/users", sign_up).await,
        house.sign_in("ann@example.com", "s3cret-one").await,
        house.sign_in("ann@example.com", "s3cret-two").await,
        house.get("/api/users/currentuser", &token).await,
        house.get("/api/account/sessions", &token).await,
    ];
    let mut codes = vec![house.code("ann@example.com", "verify").await];
    let body = json!({"code": codes[0]});
    let verified = [
        house.post("/api/account/verify", body.clone()).await,
        house.page(&format!("/verify?code={}x", codes[0]), "").await,
        house.post("/api/account/verify", body).await,
        house.post("/api/account/reset", json!({"email": "ann@example.com"})).await,
    ];
    codes.push(house.code("ann@example.com", "reset").await);
    let body = json!({"code": codes[1], "newPassword": "s3cret-three"});
    let reset = [
        house.post("/api/account/reset/confirm", body.clone()).await,
        house.post("/api/account/reset/confirm", body).await,
        house.submit("/reset", "", "code=&newPassword=s3cret-four").await,
    ];
    // What a page was given in its address it shows in its form alone.
    let asked = verified[1].text.replace(&format!("value=\"{}x\"", codes[0]), "");
    let api = house.accounts.create_token("ann@example.com", None).await.unwrap();
    house.call("DELETE", "/api/account/sessions", &token, Value::Null).await;

    let mut seen: Vec<String> = changes.into_iter().map(|reply| reply.text).collect();
    seen.push(first.text);
    seen.extend(reset.into_iter().map(|reply| reply.text));
    seen.extend([0, 2, 3].map(|n| verified[n].text.clone()));
    seen.push(asked);
    let rows: Vec<(String,)> = house.db.all("SELECT hash FROM mail_codes", &[]).await.unwrap();
    seen.extend(rows.into_iter().map(|(hash,)| hash));
    seen.extend(house.db.outbox_waiting(100).await.unwrap().into_iter().map(|r| r.payload));
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("a mail lies in a file"));
    seen.push(logged);
    let [first, signature, api] = [&old, &token, &api].map(|token| token.rsplit('.').next().unwrap());
    for text in seen {
        for secret in ["s3cret", "argon2id", first, signature, api, &codes[0], &codes[1]] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
