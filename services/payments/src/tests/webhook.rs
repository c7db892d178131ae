//! Calls that come from Stripe, or say so.

use ring::hmac;

use super::fake_stripe::SECRET;
use super::*;

fn tag(secret: &str, at: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn event(kind: &str, payment: &str) -> String {
    json!({
        "id": "evt_1", "object": "event", "type": kind,
        "data": { "object": { "object": "payment_intent", "metadata": { "payment_id": payment } } },
    })
    .to_string()
}

impl House {
    async fn call(&self, signature: Option<&str>, body: &str) -> u16 {
        let mut request = Request::post("/api/payments/webhook").header("content-type", "application/json");
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await.status
    }

    async fn call_signed(&self, body: &str) -> u16 {
        let at = self.clock.now().as_seconds();
        self.call(Some(&format!("t={at},v1={}", tag(SECRET, at, body))), body).await
    }
}

#[tokio::test]
async fn the_effect_is_stored_when_a_call_is_answered() {
    let (house, fake) = House::with_stripe().await;
    for (kind, token, status) in [
        ("payment_intent.succeeded", "tok_visa", PaymentStatus::Captured),
        ("payment_intent.payment_failed", "tok_chargeDeclined", PaymentStatus::Failed),
        ("charge.refunded", "tok_visa", PaymentStatus::Captured),
    ] {
        let attempt = house.left(&house.order().await).await;
        house.payments.gateway().charge(attempt, token).await.unwrap();
        let body = event(kind, &attempt.payment.to_string());
        for _ in 0..2 {
            assert_eq!(house.call_signed(&body).await, 200);
            assert_eq!(house.status(attempt.payment).await, status, "{kind}");
        }
        assert_eq!(house.published(attempt.payment).await.len(), 2, "once");
    }
    let attempt = house.left(&house.order().await).await;
    fake.books().away = Some(500);
    let body = event("payment_intent.succeeded", &attempt.payment.to_string());
    assert_eq!(house.call_signed(&body).await, 503, "Stripe shall call again");
}

#[tokio::test]
async fn what_does_not_concern_us_is_taken_and_left_alone() {
    let (house, _fake) = House::with_stripe().await;
    let attempt = house.left(&house.order().await).await;
    let ours = attempt.payment.to_string();
    let stranger = PaymentId::new(&house.clock).to_string();
    let bodies = [
        event("customer.created", &ours),
        event("payment_intent.created", &ours),
        event("payment_intent.succeeded", &stranger),
        event("payment_intent.succeeded", "somebody else's"),
        json!({ "type": "payment_intent.succeeded" }).to_string(),
    ];
    for body in bodies {
        assert_eq!(house.call_signed(&body).await, 200, "{body}");
    }
    assert_eq!(house.status(attempt.payment).await, PaymentStatus::Pending);
    assert_eq!(house.call_signed("popcorn").await, 400);
}

#[tokio::test]
async fn only_stripe_is_listened_to_and_only_now() {
    let (house, _fake) = House::with_stripe().await;
    let attempt = house.left(&house.order().await).await;
    house.payments.gateway().charge(attempt, "tok_visa").await.unwrap();
    let body = event("payment_intent.succeeded", &attempt.payment.to_string());
    let now = house.clock.now().as_seconds();
    let good = tag(SECRET, now, &body);
    let (old, early) = (now - 301, now + 301);
    let bad = [
        None,
        Some(String::new()),
        Some("nonsense".into()),
        Some(format!("t={now}")),
        Some(format!("v1={good}")),
        Some(format!("t=now,v1={good}")),
        Some(format!("t={now},v1=")),
        Some(format!("t={now},v1=äö")),
        Some(format!("t={now},v0={good}")),
        Some(format!("t={now},v1={}", &good[..62])),
        Some(format!("t={now},v1={}", tag("another", now, &body))),
        Some(format!("t={now},v1={}", tag(SECRET, now, "another"))),
        Some(format!("t={},v1={good}", now + 1)),
        Some(format!("t={old},v1={}", tag(SECRET, old, &body))),
        Some(format!("t={early},v1={}", tag(SECRET, early, &body))),
    ];
    for signature in bad {
        assert_eq!(house.call(signature.as_deref(), &body).await, 400, "{signature:?}");
    }
    assert_eq!(house.status(attempt.payment).await, PaymentStatus::Pending);
    let several = format!("t={now},v0=6f,v1={},v1={good}", tag("rolled over", now, &body));
    assert_eq!(house.call(Some(&several), &body).await, 200);
    assert_eq!(house.status(attempt.payment).await, PaymentStatus::Captured);
    let at = now - 299;
    assert_eq!(house.call(Some(&format!("t={at},v1={}", tag(SECRET, at, &body))), &body).await, 200);
}

#[tokio::test]
async fn the_test_gateway_hears_no_calls() {
    let house = House::new().await;
    assert_eq!(house.call_signed(&event("payment_intent.succeeded", "x")).await, 404);
}
