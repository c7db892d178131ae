//! The Stripe gateway against a Stripe of our own.

use super::fake_stripe::{FakeStripe, KEY, SECRET};
use super::*;
use crate::gateway::{Attempt, Outcome, test};
use crate::model::Refusal;
use crate::{StripeConfig, StripeGateway};
use kernel::{Kind, Trace};
use opentelemetry_sdk::trace::SdkTracerProvider;
use traces::{About, Span};

const LATER: Duration = Duration::from_secs(16);
const DAY: Duration = Duration::from_secs(86_400);

impl House {
    /// A house whose money goes through a Stripe.
    pub(super) async fn with_stripe() -> (Self, FakeStripe) {
        let mut house = Self::new().await;
        let fake = FakeStripe::start(house.clock.clone()).await;
        let gateway = StripeGateway::new(&config(&fake.url()), house.clock.clone()).unwrap();
        let settings = Settings::default();
        house.payments =
            Payments::new(house.db.clone(), house.web.clone(), Gateway::Stripe(gateway), settings);
        house.app = web::stack(house.payments.routes(), &house.web);
        (house, fake)
    }

    fn attempt(&self, minor: i64) -> Attempt<'static> {
        let payment = PaymentId::new(&self.clock);
        Attempt { payment, amount: Money::from_minor(minor), currency: "usd", begun: self.clock.now() }
    }

    /// A payment that was begun and not concluded.
    pub(super) async fn left(&self, order: &OrderState) -> Attempt<'static> {
        let attempt = self.attempt(order.amount.minor());
        self.payments.begin(attempt.payment, order.id, None).await.unwrap();
        attempt
    }
}

fn config(url: &str) -> StripeConfig {
    StripeConfig { key: KEY.into(), webhook_secret: Some(SECRET.into()), url: url.into() }
}

#[tokio::test]
async fn money_is_taken_once_and_given_back_once() {
    let (house, fake) = House::with_stripe().await;
    let order = house.order().await;
    let id = house.pay(order.id, "tok_visa").await.payment();
    assert_eq!(house.status(id).await, PaymentStatus::Captured);
    let intent = fake.books().intents[0].clone();
    assert_eq!((&intent["amount"], &intent["currency"]), (&json!(3998), &json!("usd")));
    assert_eq!(intent["metadata"], json!({ "payment_id": id }));
    for _ in 0..2 {
        assert_eq!(house.refund(Some(&house.seller), id).await.status, 200);
    }
    // Stripe has forgotten the key, and remembers the refund.
    fake.books().keys.clear();
    let attempt = Attempt { payment: id, ..house.attempt(order.amount.minor()) };
    house.payments.gateway().refund(attempt).await.unwrap();
    assert_eq!((fake.charged(), fake.books().refunds.len()), (1, 1));
    let never = house.payments.gateway().refund(house.attempt(100)).await.unwrap_err();
    assert_eq!(never.kind, Kind::Internal);
}

#[tokio::test]
async fn cards_are_declined_in_the_words_of_the_test_gateway() {
    let (house, fake) = House::with_stripe().await;
    let gateway = house.payments.gateway();
    for card in test::CARDS.iter().filter(|card| card.outcome != Outcome::Charged) {
        let attempt = house.attempt(1000);
        for _ in 0..2 {
            assert_eq!(gateway.charge(attempt, card.token).await.unwrap(), card.outcome, "{}", card.token);
        }
        assert_eq!(gateway.settle(attempt).await.unwrap(), card.outcome, "{}", card.token);
        assert_eq!(fake.status(&attempt.payment.to_string()), "canceled");
        assert_eq!(gateway.settle(attempt).await.unwrap(), card.outcome, "again");
    }
    let unknown = gateway.charge(house.attempt(1000), "tok_popcorn").await.unwrap();
    assert_eq!(unknown, Outcome::Refused(Refusal::NoSuchToken));
    assert_eq!(fake.charged(), 0);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_found_again() {
    let (house, fake) = House::with_stripe().await;
    let order = house.order().await;
    fake.books().answers_lost = true;
    assert_eq!(house.pay(order.id, "tok_visa").await.status, 503);
    fake.books().answers_lost = false;
    house.clock.advance(LATER);
    house.payments.settle_due().await.unwrap();
    let id = house.payments.payment_of(order.id).await.unwrap().unwrap().id;
    assert_eq!(house.status(id).await, PaymentStatus::Captured);
    assert_eq!(fake.charged(), 1);
}

#[tokio::test]
async fn a_charge_that_comes_after_the_settling_takes_nothing() {
    let (house, fake) = House::with_stripe().await;
    let order = house.order().await;
    let attempt = house.left(&order).await;
    house.clock.advance(LATER);
    // The void is entered and nobody hears of it.
    fake.books().answers_lost = true;
    assert!(house.payments.settle_due().await.is_err());
    fake.books().answers_lost = false;
    let gateway = house.payments.gateway();
    assert_eq!(gateway.charge(attempt, "tok_visa").await.unwrap(), Outcome::Refused(Refusal::Void));
    house.payments.settle_due().await.unwrap();
    assert_eq!(house.status(attempt.payment).await, PaymentStatus::Failed);
    assert_eq!((fake.status(&attempt.payment.to_string()).as_str(), fake.charged()), ("canceled", 0));
    house.pay(order.id, "tok_visa").await.payment();
}

#[tokio::test]
async fn an_old_charge_is_found_without_its_key_among_many() {
    let (house, fake) = House::with_stripe().await;
    let attempt = house.attempt(1000);
    let gateway = house.payments.gateway();
    gateway.charge(attempt, "tok_visa").await.unwrap();
    let form = [("amount".to_owned(), "1".to_owned()), ("currency".to_owned(), "usd".to_owned())];
    for _ in 0..250 {
        fake.books().add("succeeded", &form.clone().into(), Value::Null);
    }
    fake.books().keys.clear();
    house.clock.advance(DAY * 3);
    assert_eq!(gateway.settle(attempt).await.unwrap(), Outcome::Charged);
    assert_eq!(fake.books().intents.len(), 251, "and nothing was made for it");
}

#[tokio::test]
async fn a_charge_without_an_intent_is_void_when_it_must_be_over() {
    let (house, _fake) = House::with_stripe().await;
    let (token, small) = (house.attempt(1000), house.attempt(1));
    let gateway = house.payments.gateway();
    gateway.charge(token, "tok_popcorn").await.unwrap();
    assert_eq!(gateway.charge(small, "tok_visa").await.unwrap(), Outcome::Refused(Refusal::Void));
    for attempt in [token, small] {
        let busy = gateway.settle(attempt).await.unwrap_err();
        assert!(!busy.is_transient(), "it holds up no other: {busy}");
    }
    house.clock.advance(Duration::from_secs(200));
    for attempt in [token, small] {
        assert_eq!(gateway.settle(attempt).await.unwrap(), Outcome::Refused(Refusal::Void));
    }
}

#[tokio::test]
async fn a_payment_that_stripe_works_on_stays_open() {
    let (house, fake) = House::with_stripe().await;
    let order = house.order().await;
    assert_eq!(house.pay_once(order.id, "tok_slow", "k").await.status, 503);
    let id = house.payments.payment_of(order.id).await.unwrap().unwrap().id;
    assert_eq!(house.payments.settle_now(id).await.unwrap_err().kind, Kind::Conflict);
    assert_eq!(house.status(id).await, PaymentStatus::Pending);
    fake.books().intents[0]["status"] = json!("succeeded");
    house.payments.settle_now(id).await.unwrap();
    assert_eq!(house.pay_once(order.id, "tok_slow", "k").await.payment(), id);
}

#[tokio::test]
async fn while_stripe_is_away_nothing_is_decided() {
    let (house, fake) = House::with_stripe().await;
    let attempt = house.attempt(1000);
    let gateway = house.payments.gateway();
    for status in [500, 503, 429, 401, 302] {
        fake.books().away = Some(status);
        assert_eq!(gateway.charge(attempt, "tok_visa").await.unwrap_err().kind, Kind::Unavailable);
        assert_eq!(gateway.settle(attempt).await.unwrap_err().kind, Kind::Unavailable);
        assert_eq!(gateway.refund(attempt).await.unwrap_err().kind, Kind::Unavailable);
    }
    let nowhere = StripeGateway::new(&config("http://127.0.0.1:1"), house.clock.clone()).unwrap();
    let error = Gateway::Stripe(nowhere).charge(attempt, "tok_secret").await.unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(!told.contains(KEY) && !told.contains("tok_secret"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_and_a_settling_at_once_agree() {
    let (house, fake) = House::with_stripe().await;
    let gateway = house.payments.gateway();
    let mut charged = 0;
    for _ in 0..40 {
        let attempt = house.attempt(1000);
        let (a, b) = tokio::join!(gateway.charge(attempt, "tok_visa"), gateway.settle(attempt));
        let last = gateway.settle(attempt).await.unwrap();
        for outcome in [a, b] {
            // Whoever saw the other half-way asks again.
            assert!(
                outcome.as_ref().map_or_else(|e| e.is_transient(), |o| *o == last),
                "{outcome:?} {last:?}"
            );
        }
        charged += usize::from(last == Outcome::Charged);
    }
    assert_eq!(fake.charged(), charged);
}

#[tokio::test]
async fn what_is_set_wrongly_is_refused_and_secrets_are_not_shown() {
    let clock = Clock::manual(Instant::from_millis(0));
    let good = config("https://api.stripe.com");
    assert_eq!(format!("{good:?}"), "StripeConfig { .. }");
    assert!(StripeGateway::new(&good, clock.clone()).is_ok());
    let refused =
        |config: StripeConfig| StripeGateway::new(&config, clock.clone()).err().unwrap().to_string();
    for url in ["", "tset:", "api.stripe.com", "ftp://x", "https://x/?a"] {
        assert!(refused(config(url)).contains("PAYMENTS_URL"), "{url}");
    }
    assert!(refused(StripeConfig { key: String::new(), ..good.clone() }).contains("no STRIPE_KEY"));
    let odd = refused(StripeConfig { key: "sk_\n1".into(), ..good.clone() });
    assert!(odd.contains("STRIPE_KEY has characters") && !odd.contains("sk_"));
    let empty = refused(StripeConfig { webhook_secret: Some(String::new()), ..good });
    assert!(empty.contains("STRIPE_WEBHOOK_SECRET"));
}

#[tokio::test]
async fn stripe_is_told_of_the_trace_that_a_charge_is_a_part_of() {
    opentelemetry::global::set_tracer_provider(SdkTracerProvider::builder().build());
    traces::turn_on();
    let (house, fake) = House::with_stripe().await;
    let gateway = house.payments.gateway();
    gateway.charge(house.attempt(100), "tok_visa").await.unwrap();
    assert_eq!(fake.books().traces, [], "it is a part of none");
    let work = Span::after(Trace::new(7, 8, 1), || About::named("work"));
    work.around(gateway.charge(house.attempt(100), "tok_visa")).await.unwrap();
    let told = fake.books().traces.clone();
    assert_eq!((told.len(), told[0].trace()), (1, 7));
    assert!(![8, work.trace().span()].contains(&told[0].span()), "the call is a span of its own");
}
