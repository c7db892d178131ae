//! Taking money over HTTP.

use super::*;
use axum::http::Method;

#[tokio::test]
async fn pays_for_an_order() {
    let house = House::new().await;
    let order = house.order().await;
    let reply = house.pay(order.id, "tok_visa").await;
    let id = reply.payment();
    assert_eq!(reply.body, json!({ "id": id }));
    let [entry] = &house.entries().await[..] else { panic!() };
    assert_eq!((entry.payment, entry.amount, entry.refusal), (id, order.amount, None));
    let published = house.published(id).await;
    let states: Vec<_> = published.iter().map(|s| (s.version, s.status)).collect();
    assert_eq!(states, [(0, PaymentStatus::Pending), (1, PaymentStatus::Captured)]);
    assert!(
        published
            .iter()
            .all(|s| (s.order_id, s.user_id, s.amount) == (order.id, house.buyer.user, order.amount))
    );
    let list = house.get(Some(&house.buyer), "/api/payments").await;
    let created_at = house.clock.now();
    assert_eq!(
        list.body,
        json!([{ "id": id, "orderId": order.id, "amount": 39.98, "status": "captured", "createdAt": created_at }])
    );
    house.assert_books_balance().await;
}

#[tokio::test]
async fn checks_come_in_the_order_of_the_contract() {
    let house = House::new().await;
    let mut order = house.order().await;
    let other = house.session(Role::User);
    let post = async |who: Option<&Session>, body: Value| {
        let reply = house.send(house.request(who, None, "/api/payments", &body)).await;
        let field = reply.body["errors"][0]["field"].as_str().unwrap_or_default().to_owned();
        (reply.status, reply.message().to_owned(), field)
    };
    let said = |status: u16, message: &str, field: &str| (status, message.to_owned(), field.to_owned());
    let me = Some(&house.buyer);
    let unknown = OrderId::new(&house.clock);
    assert_eq!(post(None, json!({})).await, said(401, "Not authorized", ""));
    for body in [
        json!({ "token": "tok_visa" }),
        json!({ "orderId": "1", "token": "tok_visa" }),
        json!({ "orderId": 7, "token": "tok_visa" }),
    ] {
        assert_eq!(post(me, body).await, said(400, "OrderId must be provided", "orderId"));
    }
    for token in [json!(null), json!(""), json!("  "), json!(1), json!("x".repeat(256))] {
        let body = json!({ "orderId": unknown, "token": token });
        assert_eq!(post(me, body).await, said(400, "Token must be provided", "token"));
    }
    let both = house.send(house.request(me, None, "/api/payments", &json!({}))).await;
    assert_eq!(both.body["errors"].as_array().unwrap().len(), 2);
    let pay = |order: OrderId| json!({ "orderId": order, "token": "tok_visa" });
    assert_eq!(post(me, pay(unknown)).await, said(404, "Not found", ""));
    house.moved(&mut order, cancel(CancelReason::Buyer)).await;
    assert_eq!(post(Some(&other), pay(order.id)).await, said(401, "Not authorized", ""));
    assert_eq!(post(me, pay(order.id)).await, said(400, "Cannot pay for a cancelled order", ""));
    assert!(house.entries().await.is_empty(), "nobody asked the gateway");
}

#[tokio::test]
async fn an_order_that_is_over_or_paid_cannot_be_paid() {
    let house = House::new().await;
    let (mut complete, mut expired, announced) =
        (house.order().await, house.order().await, house.order().await);
    let (paid, late) = (house.order().await, house.order().await);
    house.moved(&mut complete, |order| order.status = OrderStatus::Complete).await;
    house.moved(&mut expired, cancel(CancelReason::Expired)).await;
    house.hold_ends(&announced).await;
    house.pay(paid.id, "tok_visa").await.payment();
    let refused = async |order: &OrderState| {
        let reply = house.pay(order.id, "tok_visa").await;
        (reply.status, reply.message().to_owned())
    };
    assert_eq!(refused(&complete).await, (400, "Order is already paid".into()));
    assert_eq!(refused(&paid).await, (400, "Order is already paid".into()), "though the copy lags");
    assert_eq!(refused(&expired).await, (400, "Order has expired".into()));
    assert_eq!(refused(&announced).await, (400, "Order has expired".into()));
    house.clock.advance(Duration::from_secs(900));
    assert_eq!(refused(&late).await, (400, "Order has expired".into()));
    assert_eq!(house.entries().await.len(), 1);
}

#[tokio::test]
async fn an_older_version_of_an_order_changes_nothing() {
    let house = House::new().await;
    let mut order = house.order().await;
    let first = order.clone();
    house.moved(&mut order, cancel(CancelReason::Buyer)).await;
    house.hear(Event::OrderCreated(first)).await;
    assert_eq!(house.pay(order.id, "tok_visa").await.message(), "Cannot pay for a cancelled order");
}

#[tokio::test]
async fn an_order_that_is_not_known_yet_is_waited_for() {
    let hour = Duration::from_secs(3600);
    let house = House::with(Settings { copy_patience: hour, ..Settings::default() }).await;
    let order = house.new_order();
    let mut waiting = std::pin::pin!(house.pay(order.id, "tok_visa"));
    tokio::select! {
        biased;
        reply = &mut waiting => panic!("answered {}", reply.status),
        () = tokio::task::yield_now() => {}
    }
    house.hear(Event::OrderCreated(order)).await;
    let reply = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the bell rings");
    reply.payment();
}

#[tokio::test]
async fn the_database_itself_keeps_a_second_payment_out() {
    let house = House::new().await;
    let order = house.order().await;
    let known = house.payments.order(order.id).await.unwrap().unwrap();
    let begin = || crate::Payment::begin(PaymentId::new(&house.clock), &known, house.clock.now());
    let (first, second) = (&begin(), &begin());
    let insert =
        |payment| house.db.write(move |tx| async move { crate::store::insert(&tx, payment, None).await });
    assert!(insert(first).await.unwrap());
    assert!(!insert(second).await.unwrap());
    assert!(house.published(second.id).await.is_empty());
}

#[tokio::test]
async fn each_token_does_what_it_does_at_stripe() {
    let house = House::new().await;
    for token in ["tok_visa", "tok_visa_debit", "tok_mastercard", "tok_amex", "tok_discover", "tok_jcb"] {
        house.pay(house.order().await.id, token).await.payment();
    }
    for (token, sentence) in [
        ("tok_chargeDeclined", "Your card was declined"),
        ("tok_visa_chargeDeclined", "Your card was declined"),
        ("tok_chargeDeclinedInsufficientFunds", "Your card has insufficient funds"),
        ("tok_visa_chargeDeclinedInsufficientFunds", "Your card has insufficient funds"),
        ("tok_chargeDeclinedExpiredCard", "Your card has expired"),
        ("tok_chargeDeclinedFraudulent", "Your card was declined"),
    ] {
        let reply = house.pay(house.order().await.id, token).await;
        assert_eq!((reply.status, reply.message()), (402, sentence), "{token}");
        assert_eq!(reply.body["detail"], sentence);
    }
    for token in ["tok_unknown", "visa", "tok_visa_mastercard", "tok_visa_amex", "TOK_VISA"] {
        let reply = house.pay(house.order().await.id, token).await;
        assert_eq!((reply.status, reply.message()), (400, "No such token"), "{token}");
        assert_eq!(reply.body["errors"][0]["field"], "token");
    }
    house.assert_books_balance().await;
}

#[tokio::test]
async fn after_a_decline_another_try_is_allowed() {
    let house = House::new().await;
    let order = house.order().await;
    assert_eq!(house.pay(order.id, "tok_chargeDeclined").await.status, 402);
    assert_eq!(house.pay(order.id, "tok_nonsense").await.status, 400);
    let id = house.pay(order.id, "tok_visa").await.payment();
    let newest = house.payments.payment_of(order.id).await.unwrap().unwrap();
    assert_eq!((newest.id, newest.status), (id, PaymentStatus::Captured));
    let list = house.get(Some(&house.buyer), "/api/payments").await;
    let statuses: Vec<_> = list.body.as_array().unwrap().iter().map(|p| p["status"].clone()).collect();
    assert_eq!(statuses, ["failed", "failed", "captured"]);
    house.assert_books_balance().await;
}

#[tokio::test]
async fn the_same_request_again_gets_the_same_answer() {
    let house = House::new().await;
    let order = house.order().await;
    let declined = house.pay_once(order.id, "tok_chargeDeclined", "first").await;
    let paid = house.pay_once(order.id, "tok_visa", "second").await;
    for (key, token, first) in [("first", "tok_chargeDeclined", declined), ("second", "tok_visa", paid)] {
        let again = house.pay_once(order.id, token, key).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.headers["content-type"], first.headers["content-type"]);
    }
    assert_eq!(house.pay_once(order.id, "tok_visa", "first").await.status, 422);
    assert_eq!(house.entries().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_payments_at_once_one_is_charged() {
    let house = House::new().await;
    for round in 0..5 {
        let order = house.order().await;
        let payers: Vec<_> = (0..20)
            .map(|n| {
                let key = format!("{round}-{n}");
                house.on_its_way(house.paying(order.id, "tok_visa", (n % 2 == 0).then_some(&key)))
            })
            .collect();
        let mut paid = 0;
        for payer in payers {
            let reply = payer.await.unwrap();
            match (reply.status, reply.message()) {
                (201, _) => paid += 1,
                (400, "Order is already paid")
                | (409, "A payment for this order is already being processed") => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(paid, 1);
        assert_eq!(house.test.ledger_totals().await.unwrap().charges, round + 1);
    }
    assert_eq!(house.entries().await.len(), 5, "the others never came to the gateway");
    house.assert_books_balance().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_times_the_same_request_is_one() {
    let house = House::new().await;
    let order = house.order().await;
    let payers: Vec<_> =
        (0..20).map(|_| house.on_its_way(house.paying(order.id, "tok_visa", Some("k")))).collect();
    let mut ids = std::collections::HashSet::new();
    for payer in payers {
        ids.insert(payer.await.unwrap().payment());
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(house.entries().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_money_is_in_flight_nobody_else_pays() {
    let house = House::new().await;
    let order = house.order().await;
    let gate = house.test.rehearsal().hold(crate::gateway::test::Moment::Asked);
    let first = house.on_its_way(house.paying(order.id, "tok_visa", None));
    gate.arrived().await;
    let second = house.pay(order.id, "tok_visa").await;
    assert_eq!(
        (second.status, second.message()),
        (409, "A payment for this order is already being processed")
    );
    gate.open();
    first.await.unwrap().payment();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_has_paid_all_the_same() {
    let house = House::new().await;
    let order = house.order().await;
    let gate = house.test.rehearsal().hold(crate::gateway::test::Moment::Asked);
    let request = house.on_its_way(house.paying(order.id, "tok_visa", Some("k")));
    gate.arrived().await;
    request.abort();
    assert!(request.await.is_err());
    gate.open();
    let reply = house.pay_once(order.id, "tok_visa", "k").await;
    assert_eq!(house.entries().await[0].payment, reply.payment());
    assert_eq!(reply.headers["idempotency-replayed"], "true");
    assert_eq!(house.entries().await.len(), 1);
}

#[tokio::test]
async fn everybody_lists_their_own() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(house.pay(house.order().await.id, "tok_visa").await.payment().to_string());
    }
    assert_eq!(house.get(None, "/api/payments").await.status, 401);
    assert_eq!(house.get(Some(&house.seller), "/api/payments").await.body, json!([]));
    let listed = async |query: &str| {
        let reply = house.get(Some(&house.buyer), &format!("/api/payments?{query}")).await;
        let ids: Vec<String> =
            reply.body.as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect();
        (ids, reply.headers.contains_key("link"))
    };
    assert_eq!(listed("limit=2").await, (ids[..2].to_vec(), true));
    assert_eq!(listed(&format!("limit=2&after={}", ids[1])).await, (ids[2..].to_vec(), false));
    let down = vec![ids[2].clone(), ids[1].clone()];
    assert_eq!(listed("order=desc&limit=2").await, (down, true));
    assert_eq!(listed(&format!("order=desc&after={}", ids[1])).await, (ids[..1].to_vec(), false));
    assert_eq!(house.get(Some(&house.buyer), "/api/payments?after=1").await.status, 404);
    assert_eq!(house.get(Some(&house.buyer), "/api/payments?limit=0").await.status, 400);
}

#[tokio::test]
async fn the_test_gateway_calls_nobody() {
    let house = House::new().await;
    let reply = house.send(house.request(None, None, "/api/payments/webhook", &json!({ "type": "x" }))).await;
    assert_eq!(reply.status, 404);
    let mut request = house.request(None, None, "/api/payments/webhook", &json!({}));
    *request.method_mut() = Method::GET;
    assert_eq!(house.send(request).await.status, 405);
}
