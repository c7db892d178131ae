//! Counters by HTTP on the real binary: each number once, whatever is killed or stands still.

mod bound;
mod crashes;
mod exact;
mod sales;

use reqwest::Method;
use serde_json::json;
use testkit::{Answer, Client};

/// Adds to a counter, with an idempotency key if there is one; `None` if no answer came.
async fn add(client: &Client, key: &str, value: i64, once: Option<&str>) -> Option<Answer> {
    let request = client.request(Method::POST, "/api/increment").json(&json!({"key": key, "value": value}));
    let request = match once {
        Some(once) => request.header("idempotency-key", once),
        None => request,
    };
    client.try_send(request).await.ok()
}

/// What a counter is.
async fn value(client: &Client, key: &str) -> i64 {
    let answer = client.get(&format!("/api/counters/{key}")).await;
    if answer.status == 404 { 0 } else { answer.expect(200).json["value"].as_i64().unwrap() }
}

/// A metric without labels, if it is there.
fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}
