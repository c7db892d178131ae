//! The pages, through the router.

use super::*;

#[tokio::test]
async fn from_a_hold_to_its_admissions() {
    let house = House::new().await;
    let ticket = house.ticket(5).await;
    let held = house.post_form(Some(&house.buyer), "/orders", &format!("ticketId={ticket}&quantity=2")).await;
    assert_eq!(held.status, 303);
    let path = held.header("location").to_owned();
    let order: OrderId = path.strip_prefix("/orders/").unwrap().parse().unwrap();
    let look = async |query: &str| house.get(Some(&house.buyer), &format!("{path}{query}")).await.text;

    let page = look("").await;
    for part in ["action=\"/payments\"", "name=\"orderId\"", "data-countdown=", "tok_visa", "$39.98"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(look("?problem=declined").await.contains("Your card was declined."));
    let issuing = look("?paid=1").await;
    assert!(issuing.contains("Payment received — issuing your admission…"), "{issuing}");
    assert!(issuing.contains("<noscript><meta http-equiv=\"refresh\"") && !issuing.contains("/payments"));
    assert!(look("?problem=paid").await.contains("Payment received"));

    let mut payment = house.begin_payment(order).await;
    let page = look("?problem=declined").await;
    assert!(page.contains("waiting for the bank") && !page.contains("declined"), "{page}");
    assert!(page.contains("data-state=\"awaiting:payment\"") && page.contains("http-equiv=\"refresh\""));

    house.settle(&mut payment, PaymentStatus::Captured).await;
    let page = look("?paid=1").await;
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(page.contains("Cancel and refund") && page.contains("data-print") && !page.contains("refresh"));

    let list = house.get(Some(&house.buyer), "/orders").await.text;
    assert!(list.contains(&path) && list.contains("Paid") && list.contains("2 tickets"), "{list}");
    let sales = house.get(Some(&house.seller), "/sales").await.text;
    assert!(sales.contains(&format!("/payments/{}/refund", payment.id)) && sales.contains("<dd>$39.98</dd>"));

    let cancelled = house.post_form(Some(&house.buyer), &format!("{path}/cancel"), "").await;
    assert_eq!((cancelled.status, cancelled.header("location")), (303, path.as_str()));
    let page = look("").await;
    assert!(page.contains("You let these tickets go.") && !page.contains("<svg"), "{page}");
}

#[tokio::test]
async fn what_cannot_be_held_says_so_and_leads_back() {
    let house = House::new().await;
    let ticket = house.ticket(1).await;
    for (form, status, sentence) in [
        (format!("ticketId={ticket}&quantity=2"), 400, "Ticket is already reserved"),
        (format!("ticketId={ticket}&quantity=99"), 400, "Quantity is out of range"),
        ("quantity=1".to_owned(), 400, "TicketId must be provided"),
        (format!("ticketId={}", TicketId::new(&house.clock)), 404, "Not found"),
    ] {
        let page = house.post_form(Some(&house.buyer), "/orders", &form).await;
        assert_eq!(page.status, status, "{form}");
        assert!(page.text.contains(sentence), "{}", page.text);
        assert_eq!(page.text.contains("href=\"/tickets/0"), form.contains("ticketId"), "{}", page.text);
    }
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_there_and_strangers_see_nothing() {
    let house = House::new().await;
    let (order, _) = house.paid(house.ticket(1).await, 1).await;
    let code = house.codes(order).await.remove(0);
    for path in ["/orders", "/sales", &format!("/orders/{order}"), &format!("/admissions/{code}")] {
        let reply = house.get(None, path).await;
        let next = format!("/signin?next={}", path.replace('/', "%2F"));
        assert_eq!((reply.status, reply.header("location")), (303, next.as_str()));
    }
    let stranger = house.stranger();
    for path in [format!("/orders/{order}"), format!("/orders/{order}/live"), format!("/admissions/{code}")] {
        let reply = house.get(Some(&stranger), &path).await;
        assert_eq!(reply.status, 401, "{path}");
        assert!(!reply.text.contains("Metropolis"));
    }
    assert_eq!(house.post_form(Some(&stranger), &format!("/orders/{order}/cancel"), "").await.status, 401);
    assert_eq!(house.post_form(Some(&stranger), &format!("/admissions/{code}/redeem"), "").await.status, 401);
    for code in ["unknown", "%FF", "%00"] {
        assert_eq!(house.get(Some(&stranger), &format!("/admissions/{code}")).await.status, 404, "{code}");
        let redeem = format!("/admissions/{code}/redeem");
        assert_eq!(house.post_form(Some(&stranger), &redeem, "").await.status, 404, "{code}");
    }
}

#[tokio::test]
async fn the_door_admits_once() {
    let house = House::new().await;
    let (order, mut payment) = house.paid(house.ticket(2).await, 2).await;
    let codes = house.codes(order).await;
    let path = format!("/admissions/{}", codes[0]);
    let redeem = format!("{path}/redeem");
    let buyers = house.get(Some(&house.buyer), &path).await.text;
    assert!(buyers.contains("Not used yet") && !buyers.contains(&redeem), "{buyers}");
    for who in [&house.seller, &house.operator()] {
        assert!(house.get(Some(who), &path).await.text.contains(&redeem));
    }
    let admitted = house.post_form(Some(&house.seller), &redeem, "").await;
    let led_to = format!("{path}?admitted");
    assert_eq!((admitted.status, admitted.header("location")), (303, led_to.as_str()));
    for _ in 0..2 {
        assert!(house.get(Some(&house.seller), &led_to).await.text.contains("verdict--yes"));
        house.clock.advance(Duration::from_millis(59_999));
    }
    assert!(house.get(Some(&house.seller), &led_to).await.text.contains("Already used"));
    let again = house.post_form(Some(&house.seller), &redeem, "").await;
    assert_eq!(again.status, 409);
    assert!(
        again.text.contains("Already used") && again.text.contains("Thu 9 Oct 2025, 08:53 UTC"),
        "{}",
        again.text
    );

    let page = format!("/orders/{order}");
    let used = house.get(Some(&house.buyer), &page).await.text;
    assert!(used.contains("admission--used") && !used.contains("Cancel and refund"), "{used}");
    let kept = house.post_form(Some(&house.buyer), &format!("{page}/cancel"), "").await;
    assert_eq!(kept.header("location"), format!("{page}?problem=used"));
    assert!(
        house.get(Some(&house.buyer), kept.header("location")).await.text.contains("cannot be cancelled")
    );

    house.settle(&mut payment, PaymentStatus::Refunded).await;
    let gone = house.post_form(Some(&house.seller), &format!("/admissions/{}/redeem", codes[1]), "").await;
    assert_eq!(gone.status, 410);
    assert!(gone.text.contains("Refunded"));
    assert!(house.get(Some(&house.buyer), &page).await.text.contains("on its way back"));
}

#[tokio::test]
async fn a_typed_code_leads_to_its_admission() {
    let house = House::new().await;
    let (order, _) = house.paid(house.ticket(1).await, 1).await;
    let code = house.codes(order).await.remove(0);
    let away = house.get(None, "/door").await;
    assert_eq!((away.status, away.header("location")), (303, "/signin?next=%2Fdoor"));
    let empty = house.get(Some(&house.seller), "/door").await;
    assert!(empty.status == 200 && !empty.text.contains("No such code"), "{}", empty.text);
    let (head, tail) = code.split_at(9);
    for typed in [code.clone(), format!("+{}-{tail}%20", head.to_uppercase())] {
        let found = house.get(Some(&house.seller), &format!("/door?code={typed}")).await;
        assert_eq!((found.status, found.header("location")), (303, format!("/admissions/{code}").as_str()));
    }
    for typed in ["", "unknown", "%22%3E%3Cb%3E", "%FF", "%00", "..%2Forders", "a&code=b"] {
        let none = house.get(Some(&house.seller), &format!("/door?code={typed}")).await;
        assert_eq!(none.status, 404, "{typed}");
        assert!(none.text.contains("No such code") && !none.text.contains("<b>"), "{}", none.text);
    }
    assert!(house.get(Some(&house.seller), "/sales").await.text.contains("href=\"/door\""));
}

#[tokio::test]
async fn lists_lead_to_what_is_older() {
    let house = House::new().await;
    let ticket = house.ticket(9).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(house.reserve(ticket, 1).await.order());
        house.clock.advance(Duration::from_secs(1));
    }
    for (who, path) in [(&house.buyer, "/orders"), (&house.seller, "/sales")] {
        let first = house.get(Some(who), &format!("{path}?limit=2")).await.text;
        let older = format!("{path}?after={}&#38;limit=2", ids[1]);
        assert!(first.contains(&older), "{first}");
        let rest = house.get(Some(who), &older.replace("&#38;", "&")).await.text;
        assert!(!rest.contains("rel=\"next\"") && rest.contains("Newest"), "{rest}");
    }
    let newest = house.get(Some(&house.buyer), "/orders?limit=2").await.text;
    assert!(newest.find(&ids[2].to_string()) < newest.find(&ids[1].to_string()));
    assert!(!newest.contains(&format!("/orders/{}\"", ids[0])));
}

#[tokio::test]
async fn an_order_moves_on_by_itself() {
    use futures_util::StreamExt as _;
    let house = House::new().await;
    let order = house.reserve(house.ticket(1).await, 1).await.order();
    let request = house.request("GET", Some(&house.buyer), &format!("/orders/{order}/live"));
    let response = house.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let mut stream = response.into_body().into_data_stream();
    let mut next = async || String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(next().await.contains("data: {\"status\":\"created\"}"));
    house.begin_payment(order).await;
    assert!(next().await.contains("data: {\"status\":\"awaiting:payment\"}"));
}
