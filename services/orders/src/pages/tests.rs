//! Each template with sample data, hostile text among it.

use askama::Template as _;
use contracts::{OrderTicket, Role};
use kernel::{Clock, Money, OrderId, PaymentId, SessionId, TicketId, UserId};
use web::{Config, Page, Session, Web};

use super::admission::{AdmissionPage, Verdict};
use super::list::{OrdersPage, Row};
use super::order::{Arrival, OrderPage, RefusedPage, Stage, TROUBLES};
use super::sales::SalesPage;
use super::*;
use crate::model::{Admission, Figures, Order, Sale};

const HOSTILE: &str = "<script>alert('x')</script>\"&";

fn house() -> (Web, Session) {
    let clock = Clock::manual(Instant::from_millis(1_760_000_000_000));
    let web = Web::new(Config { clock: clock.clone(), ..Config::default() });
    let expires_at = clock.now() + web::SESSION_LIFETIME;
    let session =
        Session { id: SessionId::new(&clock), user: UserId::new(&clock), role: Role::User, expires_at };
    (web, session)
}

fn order(web: &Web, session: &Session, status: OrderStatus) -> Order {
    let clock = web.clock();
    Order {
        id: OrderId::new(clock),
        version: 0,
        user_id: session.user,
        status,
        reason: None,
        quantity: 2,
        amount: Money::from_minor(4000),
        expires_at: clock.now(),
        expired: false,
        payment_id: None,
        ticket: OrderTicket {
            id: TicketId::new(clock),
            title: HOSTILE.into(),
            price: Money::from_minor(2000),
            version: 0,
            seller_id: UserId::new(clock),
        },
    }
}

/// Nothing of the hostile text runs, and nothing that the policy forbids is there.
fn assert_harmless(text: &str) {
    assert!(!text.contains("<script>") && text.contains("&#60;script&#62;"), "{text}");
    assert!(!text.contains("style=") && !text.contains("onclick"), "{text}");
}

fn rendered(web: &Web, session: &Session, order: &Order, query: &str) -> String {
    let admissions = [
        Admission { code: "c0de".into(), redeemed_at: None },
        Admission { code: "c0de2".into(), redeemed_at: Some(web.clock().now()) },
    ];
    let (arrival, starts_at) = (Arrival::read(query), Some(web.clock().now()));
    let origin = "https://shop.example";
    let page = OrderPage::new(web, session, (order, &admissions), starts_at, (&arrival, origin));
    page.render().unwrap()
}

#[test]
fn an_order_in_every_state() {
    let (web, session) = house();
    for (status, reason, query, shown) in [
        (OrderStatus::Created, None, "", "Cancel and let them go"),
        (OrderStatus::Created, None, "paid=1", "Payment received"),
        (OrderStatus::AwaitingPayment, None, "", "waiting for the bank"),
        (OrderStatus::AwaitingPayment, None, "paid=1", "Payment received"),
        (OrderStatus::Complete, None, "", "admission--used"),
        (OrderStatus::Complete, None, "problem=used", "cannot be cancelled"),
        (OrderStatus::Cancelled, Some(CancelReason::Buyer), "paid=1", "You let these tickets go"),
        (OrderStatus::Cancelled, Some(CancelReason::Expired), "", "The time to pay ran out"),
        (OrderStatus::Cancelled, Some(CancelReason::Refunded), "", "on its way back"),
    ] {
        let order = Order { reason, ..order(&web, &session, status) };
        let text = rendered(&web, &session, &order, query);
        assert!(text.contains(shown), "{shown}: {text}");
        assert!(text.contains(&format!("data-state=\"{status}\"")), "{text}");
        assert_eq!(text.contains("<svg"), status == OrderStatus::Complete);
        assert_harmless(&text);
    }
}

#[test]
fn the_address_chooses_a_sentence_and_cannot_write_one() {
    let (web, session) = house();
    let held = order(&web, &session, OrderStatus::Created);
    for trouble in TROUBLES {
        let at = |status| rendered(&web, &session, &order(&web, &session, status), &trouble.query());
        assert!(trouble.is_told(&at(OrderStatus::Created)) || trouble.is_told(&at(OrderStatus::Complete)));
    }
    for query in ["problem=<script>", "problem=", "problem=declined2", "x=problem", "paid=2"] {
        assert!(!rendered(&web, &session, &held, query).contains("role=\"alert\""), "{query}");
        assert_eq!(Stage::of(held.status, Arrival::read(query).paid), Stage::Held);
    }
}

#[test]
fn lists_with_and_without_rows() {
    let (web, session) = house();
    let page = || Page::new(&web, Some(&session), "My orders", "/orders");
    let order = order(&web, &session, OrderStatus::Created);
    let rows = vec![Row::new(&page(), &order, Some(web.clock().now()))];
    let full = OrdersPage { page: page(), rows, older: Some("/orders?after=x".into()), further: true };
    assert_harmless(&full.render().unwrap());
    let empty = OrdersPage { page: page(), rows: Vec::new(), older: None, further: false };
    assert!(empty.render().unwrap().contains("No orders yet"));

    let sale = Sale {
        order_id: order.id,
        ticket_id: order.ticket.id,
        title: HOSTILE.into(),
        quantity: 2,
        amount: order.amount,
        status: OrderStatus::Complete,
        payment_id: Some(PaymentId::new(web.clock())),
    };
    let figures = Figures { sold: 2, takings: order.amount, held: 0 };
    let text = SalesPage { later: true, ..SalesPage::new(page(), &figures, &[sale]) }.render().unwrap();
    assert!(text.contains("Refund it") && text.contains("<dd>$40.00</dd>"), "{text}");
    assert_harmless(&text);
    assert!(SalesPage::new(page(), &figures, &[]).render().unwrap().contains("Nothing sold yet"));
}

#[test]
fn every_verdict_and_a_refusal() {
    let (web, session) = house();
    let order = order(&web, &session, OrderStatus::Complete);
    for (verdict, word) in [
        (Verdict::Valid, "Admit one"),
        (Verdict::Admitted, "Admitted"),
        (Verdict::Used, "Already used"),
        (Verdict::Refunded, "Refunded"),
    ] {
        let page = AdmissionPage::new(&web, &session, "c0de", &order, verdict, Some(web.clock().now()));
        let text = page.render().unwrap();
        assert!(text.contains(word), "{text}");
        assert_harmless(&text);
    }
    let page = Page::new(&web, Some(&session), "Not held", "");
    let refused = RefusedPage { page, messages: vec![HOSTILE.into()], ticket: Some(order.ticket.id) };
    assert_harmless(&refused.render().unwrap());
}

#[test]
fn moments_read_without_a_script() {
    assert_eq!(Moment::from(Instant::from_millis(1_760_000_000_000)).text, "2025-10-09 08:53 UTC");
}
