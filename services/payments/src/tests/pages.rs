//! What forms post, and where it leads.

use super::*;

impl House {
    /// Posts a form of a page; answers the status and where it leads.
    async fn post_form(&self, who: Option<&Session>, path: &str, body: String) -> (u16, String) {
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        if let Some(session) = who {
            let token = self.web.sessions().issue(session).unwrap();
            request = request.header("cookie", format!("session={token}"));
        }
        let reply = self.send(request.body(Body::from(body)).unwrap()).await;
        let location = reply.headers.get("location").map(|l| l.to_str().unwrap().to_owned());
        (reply.status, location.unwrap_or_default())
    }

    async fn pay_by_form(&self, order: OrderId, token: &str) -> (u16, String) {
        self.post_form(Some(&self.buyer), "/payments", format!("orderId={order}&token={token}")).await
    }
}

#[tokio::test]
async fn a_payment_leads_back_to_its_order() {
    let house = House::new().await;
    let order = house.order().await.id;
    let to = |word: &str| (303, format!("/orders/{order}?{word}"));
    assert_eq!(house.pay_by_form(order, "tok_chargeDeclined").await, to("problem=declined"));
    assert_eq!(house.pay_by_form(order, "tok_unheard_of").await, to("problem=token"));
    assert_eq!(house.pay_by_form(order, "tok_visa").await, to("paid=1"));
    assert_eq!(house.pay_by_form(order, "tok_visa").await, to("problem=paid"));
    house.assert_books_balance().await;
}

#[tokio::test]
async fn what_cannot_be_paid_says_why() {
    let house = House::new().await;
    let late = house.order().await;
    house.hold_ends(&late).await;
    let (_, to) = house.pay_by_form(late.id, "tok_visa").await;
    assert_eq!(to, format!("/orders/{}?problem=expired", late.id));

    let mut gone = house.order().await;
    house.moved(&mut gone, cancel(CancelReason::Buyer)).await;
    let (_, to) = house.pay_by_form(gone.id, "tok_visa").await;
    assert_eq!(to, format!("/orders/{}?problem=cancelled", gone.id));

    let busy = house.order().await;
    house.payments.begin(PaymentId::new(&house.clock), busy.id, None).await.unwrap();
    let (_, to) = house.pay_by_form(busy.id, "tok_visa").await;
    assert_eq!(to, format!("/orders/{}?problem=processing", busy.id));
    assert_eq!(house.entries().await.len(), 0);
}

#[tokio::test]
async fn strangers_pay_nothing() {
    let house = House::new().await;
    let order = house.order().await.id;
    let form = format!("orderId={order}&token=tok_visa");
    assert_eq!(house.post_form(None, "/payments", form.clone()).await, (303, "/signin".into()));
    assert_eq!(house.post_form(Some(&house.seller), "/payments", form).await.0, 401);
    assert_eq!(house.post_form(Some(&house.buyer), "/payments", "orderId=x".into()).await.0, 400);
    assert_eq!(house.pay_by_form(OrderId::new(&house.clock), "tok_visa").await.0, 404);
    assert_eq!(house.entries().await.len(), 0);
}

#[tokio::test]
async fn a_seller_refunds_from_the_sales() {
    let house = House::new().await;
    let order = house.order().await.id;
    let payment = house.pay(order, "tok_visa").await.payment();
    let path = format!("/payments/{payment}/refund");
    assert_eq!(house.post_form(None, &path, String::new()).await, (303, "/signin".into()));
    assert_eq!(house.post_form(Some(&house.buyer), &path, String::new()).await.0, 401);
    for _ in 0..2 {
        let answer = house.post_form(Some(&house.seller), &path, String::new()).await;
        assert_eq!(answer, (303, "/sales".into()));
    }
    assert_eq!(house.status(payment).await, PaymentStatus::Refunded);
    assert_eq!(house.post_form(Some(&house.seller), "/payments/x/refund", String::new()).await.0, 404);
}

#[tokio::test]
async fn while_the_gateway_is_away_forms_are_told_to_wait() {
    let house = House::new().await;
    let (paid, open) = (house.order().await.id, house.order().await.id);
    let payment = house.pay(paid, "tok_visa").await.payment();
    house.test.rehearsal().set_away(true);
    let path = format!("/payments/{payment}/refund");
    let refund = house.post_form(Some(&house.seller), &path, String::new()).await;
    assert_eq!(refund, (303, "/sales?refund=later".into()));
    // Nobody knows yet whether it was charged.
    let answer = house.pay_by_form(open, "tok_visa").await;
    assert_eq!(answer, (303, format!("/orders/{open}?problem=processing")));
}
