//! The contract's lines about orders, sales and admissions.

use super::*;

const NOBODY: Option<&Session> = None;

#[tokio::test]
async fn a_hold_takes_capacity_at_the_price_of_its_moment() {
    let house = House::new().await;
    let ticket = house.ticket(5).await;
    let reply = house.reserve(ticket, 3).await;
    let id = reply.order();
    let expires_at = house.clock.now() + Duration::from_secs(900);
    let order = json!({
        "id": id, "status": "created", "userId": house.buyer.user, "quantity": 3, "amount": 59.97,
        "expiresAt": expires_at, "version": 0,
        "ticket": { "id": ticket, "title": "Metropolis", "price": 19.99, "version": 0 },
    });
    assert_eq!(reply.body, order);
    assert_eq!(house.get(Some(&house.buyer), &format!("/api/orders/{id}")).await.body, order);

    let one = house.post(Some(&house.buyer), "/api/orders", &json!({ "ticketId": ticket })).await;
    assert_eq!((one.status, &one.body["quantity"]), (201, &json!(1)));
    house.assert_capacity_adds_up().await;
}

#[tokio::test]
async fn what_is_not_there_cannot_be_held() {
    let house = House::new().await;
    let ticket = house.ticket(2).await;
    let refused = house.reserve(ticket, 3).await;
    assert_eq!((refused.status, refused.message()), (400, "Ticket is already reserved"));
    house.reserve(ticket, 2).await.order();
    let refused = house.reserve(ticket, 1).await;
    assert_eq!((refused.status, refused.message()), (400, "Ticket is already reserved"));
    for quantity in [json!(0), json!(-1), json!(11), json!(1.5), json!("2")] {
        let wish = json!({ "ticketId": ticket, "quantity": quantity });
        let refused = house.post(Some(&house.buyer), "/api/orders", &wish).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["field"]),
            (400, &json!("quantity")),
            "{wish}"
        );
    }
    for wish in
        [json!({}), json!({ "ticketId": "" }), json!({ "ticketId": "7" }), json!({ "ticketId": null })]
    {
        let refused = house.post(Some(&house.buyer), "/api/orders", &wish).await;
        assert_eq!((refused.status, refused.message()), (400, "TicketId must be provided"), "{wish}");
    }
    assert_eq!(house.reserve(TicketId::new(&house.clock), 1).await.status, 404);
    house.assert_capacity_adds_up().await;
}

#[tokio::test]
async fn what_is_off_sale_cannot_be_held() {
    let house = House::new().await;
    let withdrawn = TicketState { withdrawn: true, ..house.ticket_of(1) };
    let closed = TicketState { closes_at: Some(house.clock.now()), ..house.ticket_of(1) };
    for ticket in [withdrawn, closed] {
        house.hear(Event::TicketCreated(ticket.clone())).await;
        let refused = house.reserve(ticket.id, 1).await;
        assert_eq!((refused.status, refused.message()), (400, "Ticket is no longer on sale"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_arrives_meanwhile_is_waited_for() {
    let house = House::new().await;
    let ticket = house.ticket_of(1);
    let (reserved, ()) =
        tokio::join!(house.reserve(ticket.id, 1), house.hear(Event::TicketCreated(ticket.clone())));
    reserved.order();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_another_process_hears_of_is_waited_for_too() {
    let house = House::new().await;
    let another = Orders::new(house.db.clone(), house.web.clone(), Settings::default());
    let ticket = house.ticket_of(1);
    let hear = async {
        // Later than the first look, so that it takes another.
        tokio::time::sleep(Duration::from_millis(30)).await;
        house.heard_by(&another, Event::TicketCreated(ticket.clone())).await;
    };
    let (reserved, ()) = tokio::join!(house.reserve(ticket.id, 1), hear);
    reserved.order();
}

#[tokio::test]
async fn checks_come_in_their_order() {
    let house = House::new().await;
    let ticket = house.ticket(4).await;
    // 401 before 400 before 404.
    assert_eq!(house.post(NOBODY, "/api/orders", &json!({})).await.status, 401);
    let unknown = TicketId::new(&house.clock);
    let wish = json!({ "ticketId": unknown, "quantity": 0 });
    assert_eq!(house.post(Some(&house.buyer), "/api/orders", &wish).await.status, 400);

    let (order, _) = house.paid(ticket, 1).await;
    house.redeem(Some(&house.seller), &house.codes(order).await[0]).await;
    let (path, stranger) = (format!("/api/orders/{order}"), house.stranger());
    let unknown = format!("/api/orders/{}", OrderId::new(&house.clock));
    // 401 before 404, 404 before 401, and 401 before 409.
    for path in [path.as_str(), &unknown, "/api/orders/x"] {
        assert_eq!(house.get(NOBODY, path).await.status, 401);
        assert_eq!(house.delete(NOBODY, path).await.status, 401);
    }
    for path in [unknown.as_str(), "/api/orders/x"] {
        assert_eq!(house.get(Some(&stranger), path).await.status, 404);
        assert_eq!(house.delete(Some(&stranger), path).await.status, 404);
    }
    assert_eq!(house.get(Some(&stranger), &path).await.status, 401);
    let refused = house.delete(Some(&stranger), &path).await;
    assert_eq!((refused.status, refused.message()), (401, "Not authorized"));
    assert_eq!(house.delete(Some(&house.buyer), &path).await.status, 409);
}

#[tokio::test]
async fn a_hold_that_is_given_up_is_free_again() {
    let house = House::new().await;
    let ticket = house.ticket(1).await;
    let order = house.reserve(ticket, 1).await.order();
    let path = format!("/api/orders/{order}");
    for _ in 0..2 {
        assert_eq!(house.delete(Some(&house.buyer), &path).await.status, 204);
    }
    assert_eq!(house.get(Some(&house.buyer), &path).await.body["status"], "cancelled");
    let next = house.reserve(ticket, 1).await.order();
    house.hold_ends(next).await;
    house.reserve(ticket, 1).await.order();
    house.assert_capacity_adds_up().await;
}

#[tokio::test]
async fn a_paid_order_is_refunded_once_unless_it_was_used() {
    let house = House::new().await;
    let ticket = house.ticket(5).await;
    let (order, payment) = house.paid(ticket, 1).await;
    for _ in 0..2 {
        assert_eq!(house.delete(Some(&house.buyer), &format!("/api/orders/{order}")).await.status, 204);
    }
    let published = house.db.outbox_waiting(1000).await.unwrap();
    let refunds = published.iter().filter(|r| r.payload.contains("\"refund\":")).count();
    assert_eq!(refunds, 1);
    assert!(published.iter().any(|r| r.payload.contains(&format!("\"refund\":\"{}\"", payment.id))));

    let (begun, _) = house.paid(ticket, 1).await;
    house.clock.advance(Duration::from_secs(86_400));
    assert_eq!(house.delete(Some(&house.buyer), &format!("/api/orders/{begun}")).await.status, 409);
    house.assert_capacity_adds_up().await;
}

#[tokio::test]
async fn the_same_request_again_gets_the_same_answer() {
    let house = House::new().await;
    let ticket = house.ticket(5).await;
    let wish = json!({ "ticketId": ticket, "quantity": 2 });
    let send = |who, wish: Value| {
        let house = &house;
        async move { house.post_once(Some(who), "/api/orders", &wish, Some("k1")).await }
    };
    let (first, second) = tokio::join!(send(&house.buyer, wish.clone()), send(&house.buyer, wish.clone()));
    assert_eq!((first.order(), &first.text), (second.order(), &second.text));
    let third = send(&house.buyer, wish.clone()).await;
    assert_eq!((third.text.as_str(), third.header("idempotency-replayed")), (first.text.as_str(), "true"));
    assert_eq!(send(&house.buyer, json!({ "ticketId": ticket })).await.status, 422);
    // A key is its user's own.
    assert_ne!(send(&house.seller, wish).await.order(), first.order());
    assert_eq!(house.reserve(ticket, 2).await.status, 400, "four of five are taken");
    house.assert_capacity_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_gets_what_there_is() {
    let house = std::sync::Arc::new(House::new().await);
    let ticket = house.ticket(7).await;
    let crowd: Vec<_> = (0..40)
        .map(|_| {
            let house = std::sync::Arc::clone(&house);
            tokio::spawn(async move { house.reserve(ticket, 1).await.status })
        })
        .collect();
    let mut held = 0;
    for buyer in crowd {
        match buyer.await.unwrap() {
            201 => held += 1,
            status => assert_eq!(status, 400),
        }
    }
    assert_eq!(held, 7);
    house.assert_capacity_adds_up().await;
}

#[tokio::test]
async fn an_admission_is_redeemed_once_by_who_may() {
    let house = House::new().await;
    let ticket = house.ticket(9).await;
    let (order, mut payment) = house.paid(ticket, 3).await;
    let codes = house.codes(order).await;
    assert_eq!(codes.len(), 3);
    assert_eq!(house.redeem(NOBODY, "unknown").await.status, 401);
    for code in ["unknown", "%FF", "%00", "..%2F"] {
        assert_eq!(house.redeem(Some(&house.seller), code).await.status, 404, "{code}");
    }
    assert_eq!(house.redeem(Some(&house.buyer), &codes[0]).await.status, 401);
    assert_eq!(house.redeem(Some(&house.stranger()), &codes[0]).await.status, 401);

    let now = house.clock.now();
    let redeemed = house.redeem(Some(&house.seller), &codes[0]).await;
    assert_eq!(redeemed.status, 200);
    assert_eq!(redeemed.body, json!({ "ticketId": ticket, "title": "Metropolis", "redeemedAt": now }));
    assert_eq!(house.redeem(Some(&house.operator()), &codes[1]).await.status, 200);

    house.clock.advance(Duration::from_secs(60));
    let again = house.redeem(Some(&house.seller), &codes[0]).await;
    assert_eq!((again.status, again.message()), (409, format!("Already redeemed at {now}").as_str()));
    let read = house.get(Some(&house.buyer), &format!("/api/orders/{order}")).await;
    assert_eq!(read.body["admissions"][0], json!({ "code": codes[0], "redeemedAt": now }));
    assert_eq!(read.body["admissions"][2], json!({ "code": codes[2] }));

    house.settle(&mut payment, PaymentStatus::Refunded).await;
    for code in &codes {
        assert_eq!(house.redeem(Some(&house.seller), code).await.status, 410);
    }
    let read = house.get(Some(&house.buyer), &format!("/api/orders/{order}")).await;
    assert_eq!((&read.body["status"], &read.body["admissions"]), (&json!("cancelled"), &Value::Null));
}

#[tokio::test]
async fn lists_are_ones_own_and_come_in_parts() {
    let house = House::new().await;
    let ticket = house.ticket(9).await;
    let (order, payment) = house.paid(ticket, 2).await;
    house.clock.advance(Duration::from_secs(1));
    let held = house.reserve(ticket, 1).await.order();

    let sales = house.get(Some(&house.seller), "/api/sales").await;
    assert_eq!(
        sales.body,
        json!([
            { "orderId": order, "ticketId": ticket, "quantity": 2, "amount": 39.98, "status": "complete",
              "paymentId": payment.id },
            { "orderId": held, "ticketId": ticket, "quantity": 1, "amount": 19.99, "status": "created" },
        ])
    );
    assert_eq!(house.get(Some(&house.buyer), "/api/sales").await.body, json!([]));
    assert_eq!(house.get(Some(&house.seller), "/api/orders").await.body, json!([]));

    let newest = house.get(Some(&house.buyer), "/api/orders?limit=1&order=desc").await;
    assert_eq!(newest.body[0]["id"], json!(held));
    let link = newest.header("link");
    assert!(link.contains(&format!("after={held}")) && link.ends_with("rel=\"next\""), "{link}");
    let rest = format!("/api/orders?limit=1&order=desc&after={held}");
    let rest = house.get(Some(&house.buyer), &rest).await;
    assert_eq!(rest.body[0]["id"], json!(order));
    assert_eq!(rest.body[0]["admissions"].as_array().map(Vec::len), Some(2));
    for path in ["/api/orders", "/api/sales"] {
        assert_eq!(house.get(NOBODY, path).await.status, 401);
        assert_eq!(house.get(Some(&house.buyer), &format!("{path}?after=x")).await.status, 404);
    }
}
