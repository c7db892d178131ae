//! Each template with sample data, hostile text among it.

use askama::Template as _;
use contracts::{OrderTicket, Role};
use kernel::{Clock, Instant, Money, OrderId, PaymentId, SessionId, TicketId, UserId, VideoId};
use web::{Config, FormView, Page, Session, Web};

use super::admission::{AdmissionPage, JUST_NOW};
use super::door::DoorPage;
use super::list::{OrdersPage, Row};
use super::order::{Arrival, OrderPage, RefusedPage, Stage, TROUBLES};
use super::sales::picture::Picture;
use super::sales::{Overview, SalesPage};
use super::*;
use crate::model::{Admission, Figures, Film, Order, Period, Sale, Showing, Shown, TicketFigures};

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
    let showing = Showing { starts_at: Some(web.clock().now()), ..Showing::default() };
    let (arrival, origin) = (Arrival::read(query), "https://shop.example");
    OrderPage::new(web, session, (order, &admissions), showing, (&arrival, origin)).render().unwrap()
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
fn a_film_is_offered_while_it_may_be_watched() {
    let (web, session) = house();
    let (now, id) = (web.clock().now(), VideoId::new(web.clock()));
    let (before, after) = (now - JUST_NOW, now + JUST_NOW);
    let page = |status, opens_at, closes_at, watched_at| {
        let order = order(&web, &session, status);
        let showing = Showing { starts_at: None, film: Some(Film { id, opens_at, closes_at }), watched_at };
        let text = OrderPage::new(&web, &session, (&order, &[]), showing, (&Arrival::default(), ""));
        let text = text.render().unwrap();
        assert_harmless(&text);
        text
    };
    let complete = |opens_at, closes_at| page(OrderStatus::Complete, opens_at, closes_at, None);
    let link = format!("href=\"/videos/{id}\">Watch now</a>");
    let open = complete(Some(before), Some(after));
    assert!(open.contains(&link) && open.contains("here until <time"), "{open}");
    assert!(!open.contains(" from <time") && open.contains("Cancel and refund"), "{open}");
    let always = complete(None, None);
    assert!(always.contains(&link) && always.contains("You can watch it here.</p>"), "{always}");
    let early = complete(Some(after), None);
    assert!(early.contains("here from <time") && early.contains("See the film"), "{early}");
    assert!(!early.contains("Watch now") && !early.contains(" until <time"), "{early}");
    let over = complete(None, Some(now));
    assert!(over.contains("It could be watched until <time") && !over.contains("/videos/"), "{over}");

    let watched = page(OrderStatus::Complete, None, None, Some(before));
    assert!(watched.contains("Watched on <time") && watched.contains(&link), "{watched}");
    assert!(!watched.contains("Cancel and refund"), "{watched}");
    for status in [OrderStatus::Created, OrderStatus::AwaitingPayment, OrderStatus::Cancelled] {
        let text = page(status, None, None, Some(before));
        assert!(!text.contains("/videos/") && !text.contains("Watched on"), "{text}");
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
}

fn sale(web: &Web, status: OrderStatus, reason: Option<CancelReason>) -> Sale {
    Sale {
        order_id: OrderId::new(web.clock()),
        ticket_id: TicketId::new(web.clock()),
        title: HOSTILE.into(),
        quantity: 2,
        amount: Money::from_minor(4000),
        status,
        reason,
        payment_id: Some(PaymentId::new(web.clock())),
        created_at: web.clock().now(),
        completed_at: Some(web.clock().now()).filter(|_| status == OrderStatus::Complete),
    }
}

/// The sales page of somebody who sold something, over `period`.
fn sales_page(web: &Web, session: &Session, period: Period, sold: i64, sales: &[Sale]) -> String {
    let page = Page::new(web, Some(session), "My sales", "/sales");
    let takings = Money::from_minor(2000 * sold);
    let all = Figures { sold, takings, held: 6789, refunded: Money::from_minor(700) };
    let id = TicketId::new(web.clock());
    let ticket = TicketFigures { id, title: HOSTILE.into(), capacity: 9, figures: all };
    let slots = period.filled(web.clock().now(), &[(web.clock().now(), sold, takings)]);
    let picture = Picture::new(&page, period, &slots);
    let overview = Overview::new(&page, &all, &[ticket], picture);
    SalesPage { later: true, ..SalesPage::new(page, Some(overview), sales) }.render().unwrap()
}

#[test]
fn sales_over_each_period() {
    let (web, session) = house();
    let sales = [
        sale(&web, OrderStatus::Complete, None),
        sale(&web, OrderStatus::Created, None),
        sale(&web, OrderStatus::Cancelled, Some(CancelReason::Expired)),
    ];
    for (period, stretch, label, words) in [
        (Period::Day, "the last 24 hours", "<span>09:00</span>", "9 Oct, 08:00: 2 tickets"),
        (Period::Month, "the last 30 days", "<span>10 Sep</span>", "9 Oct 2025: $40.00"),
        (Period::Year, "the last 12 months", "<span>Nov 2024</span>", "October 2025: 2 tickets"),
    ] {
        let text = sales_page(&web, &session, period, 2, &sales);
        for part in [stretch, label, words, "Refund it", "<dd>$40.00</dd>", "<dd>$7.00</dd>", "2 of 9", "UTC"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!((text.matches("<svg").count(), text.matches("aria-current=\"true\"").count()), (2, 1));
        assert_eq!((text.matches("chart__bar\"").count(), text.matches("chart__step--now").count()), (2, 2));
        assert!(text.contains("badge--done\">Paid") && text.contains("badge--off\">Expired"), "{text}");
        assert_harmless(&text);
        let none = sales_page(&web, &session, period, 0, &sales);
        assert!(
            none.contains(&format!("Nothing was sold in {stretch}.")) && !none.contains("<svg"),
            "{none}"
        );
    }
}

#[test]
fn sales_without_rows() {
    let (web, session) = house();
    let empty = sales_page(&web, &session, Period::Month, 0, &[]);
    assert!(empty.contains("Nothing sold yet") && !empty.contains("sales.csv"), "{empty}");
    let page = || Page::new(&web, Some(&session), "My sales", "/sales");
    let further = SalesPage { further: true, ..SalesPage::new(page(), None, &[]) }.render().unwrap();
    assert!(further.contains("There are no older sales") && further.contains("Newest sales"), "{further}");
    let sales = [sale(&web, OrderStatus::Complete, None)];
    let older = Some("/sales?after=x".into());
    let further =
        SalesPage { further: true, older, ..SalesPage::new(page(), None, &sales) }.render().unwrap();
    assert!(further.contains("Older orders") && further.contains("rel=\"next\""), "{further}");
    assert_harmless(&further);
    let bare = SalesPage::new(page(), None, &sales).render().unwrap();
    assert!(
        bare.contains("The figures cannot be had at the moment.") && bare.contains("Refund it"),
        "{bare}"
    );
}

#[test]
fn large_counts_are_grouped() {
    let (web, session) = house();
    let text = sales_page(&web, &session, Period::Month, 12_345, &[sale(&web, OrderStatus::Created, None)]);
    assert!(text.contains("<dd>12,345</dd>") && !text.contains(">12345<"), "{text}");
    assert_eq!(
        (text.matches("<dd>6,789</dd>").count(), text.matches(">6,789</td>").count()),
        (1, 1),
        "{text}"
    );
}

#[test]
fn what_was_paid_and_is_over_was_refunded() {
    let (web, _) = house();
    let over = |reason| sale(&web, OrderStatus::Cancelled, reason);
    let paid = Sale { completed_at: Some(web.clock().now()), ..over(Some(CancelReason::Buyer)) };
    assert_eq!(paid.end(), Some(CancelReason::Refunded));
    assert_eq!(over(Some(CancelReason::Buyer)).end(), Some(CancelReason::Buyer));
    assert_eq!(over(Some(CancelReason::Expired)).end(), Some(CancelReason::Expired));
    assert_eq!(sale(&web, OrderStatus::Complete, None).end(), None);
}

#[test]
fn a_cell_of_the_export_is_no_formula() {
    let (web, _) = house();
    for (title, cell) in [
        ("Metropolis", "Metropolis"),
        ("a, b", "\"a, b\""),
        ("say \"so\"", "\"say \"\"so\"\"\""),
        ("two\nlines", "\"two\nlines\""),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "\"'\r=1\""),
        ("1=1", "1=1"),
        ("äöü €", "äöü €"),
    ] {
        let sale = Sale { title: title.into(), ..sale(&web, OrderStatus::Complete, None) };
        let text = String::from_utf8(export::written(false, &[sale], "eur").unwrap()).unwrap();
        assert!(text.contains(&format!(",{cell},2,40.00,EUR,complete,,2025-10-09T")), "{title:?}: {text}");
        assert!(text.ends_with("\r\n"), "{text}");
    }
}

#[test]
fn every_verdict_and_a_refusal() {
    let (web, session) = house();
    let order = order(&web, &session, OrderStatus::Complete);
    let seller = Session { user: order.ticket.seller_id, ..session };
    let shown = |status, redeemed_at| {
        let order = Order { status, ..order.clone() };
        Shown { order, unit: 1, redeemed_at, starts_at: Some(web.clock().now()) }
    };
    let page = |who: &Session, shown: &Shown, redeemed| {
        let text = AdmissionPage::new(&web, who, "c0de", shown, redeemed).render().unwrap();
        assert!(text.contains("2 of 2") && text.contains("Thu 9 Oct 2025, 08:53 UTC"), "{text}");
        assert_eq!(text.contains("href=\"/door\""), who.user == seller.user);
        assert_harmless(&text);
        text
    };
    let valid = shown(OrderStatus::Complete, None);
    assert!(page(&seller, &valid, true).contains("Admit one"), "the address admits nobody");
    assert!(page(&session, &valid, false).contains("Not used yet"));
    let used = shown(OrderStatus::Complete, Some(web.clock().now()));
    assert!(page(&seller, &used, true).contains("Admitted"));
    assert!(page(&seller, &used, false).contains("Already used"));
    assert!(page(&session, &used, true).contains("Already used"), "for who redeemed it alone");
    let early = shown(OrderStatus::Complete, Some(web.clock().now() - JUST_NOW));
    assert!(page(&seller, &early, true).contains("Already used"));
    let refunded = shown(OrderStatus::Cancelled, Some(web.clock().now()));
    assert!(page(&seller, &refunded, true).contains("Refunded"));
    let page = Page::new(&web, Some(&session), "Not held", "");
    let refused = RefusedPage { page, messages: vec![HOSTILE.into()], ticket: Some(order.ticket.id) };
    assert_harmless(&refused.render().unwrap());
}

#[test]
fn the_door_says_what_it_does_not_know() {
    let (web, session) = house();
    let door = |values| {
        let page = Page::new(&web, Some(&session), "At the door", "/door");
        DoorPage { page, values }.render().unwrap()
    };
    let first = door(FormView::default());
    assert!(first.contains("name=\"code\"") && !first.contains("aria-invalid"), "{first}");
    let unknown = kernel::Error::invalid("No such code").at("code");
    let again = door(FormView::failed([("code".to_owned(), HOSTILE.to_owned())].into(), &unknown));
    assert_harmless(&again);
    assert!(again.contains("No such code") && again.contains("aria-invalid"), "{again}");
}
