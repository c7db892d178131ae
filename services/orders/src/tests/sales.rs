//! What a seller sees: figures, sales over time, and the export.

use futures_util::StreamExt as _;

use super::*;
use crate::model::{Figures, Period, Slot};
use crate::store;

const ORDERS: &str = "SELECT id, completed_at FROM orders ORDER BY id LIMIT 10000";
const HOUR: Duration = Duration::from_secs(3600);

fn utc(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

impl House {
    async fn figures(&self) -> Figures {
        store::figures(&self.db, self.seller.user, 20).await.unwrap().0
    }

    async fn slots(&self, period: Period) -> Vec<Slot> {
        store::sold(&self.db, self.seller.user, period, self.clock.now()).await.unwrap()
    }

    /// What was sold in each slot.
    async fn sold(&self, period: Period) -> Vec<i64> {
        self.slots(period).await.iter().map(|slot| slot.sold).collect()
    }

    async fn completed_at(&self) -> Vec<Option<Instant>> {
        let rows: Vec<(OrderId, Option<Instant>)> = self.db.all(ORDERS, &[]).await.unwrap();
        rows.into_iter().map(|(_, at)| at).collect()
    }

    /// The export of the seller, as a parser of CSV reads it.
    async fn export(&self) -> Vec<Vec<String>> {
        let reply = self.get(Some(&self.seller), "/sales.csv").await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        parsed(&reply.text)
    }
}

fn parsed(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn figures_count_what_is_paid_and_what_went_back_apart() {
    let house = House::new().await;
    assert_eq!(house.figures().await, Figures::NONE);
    let (first, second) = (house.ticket(9).await, house.ticket(9).await);
    house.paid(first, 2).await;
    house.paid(second, 3).await;
    house.reserve(second, 1).await.order();
    // Given back by the seller, by the buyer, and never paid at all.
    let (_, mut payment) = house.paid(first, 1).await;
    house.settle(&mut payment, PaymentStatus::Refunded).await;
    let (order, _) = house.paid(first, 2).await;
    house.delete(Some(&house.buyer), &format!("/api/orders/{order}")).await;
    let expired = house.reserve(first, 4).await.order();
    house.hold_ends(expired).await;

    let price = |quantity: i64| Money::from_minor(quantity * 1999);
    let all = Figures { sold: 5, takings: price(5), held: 1, refunded: price(3) };
    let (found, tickets) = store::figures(&house.db, house.seller.user, 20).await.unwrap();
    assert_eq!(found, all);
    let each: Vec<_> = tickets.iter().map(|t| (t.id, t.capacity, t.figures)).collect();
    assert_eq!(
        each,
        [
            (second, 9, Figures { sold: 3, takings: price(3), held: 1, refunded: price(0) }),
            (first, 9, Figures { sold: 2, takings: price(2), held: 0, refunded: price(3) }),
        ]
    );
    let (found, tickets) = store::figures(&house.db, house.seller.user, 1).await.unwrap();
    assert_eq!((found, tickets.len()), (all, 1), "the sums are those of all tickets");
    assert_eq!(store::figures(&house.db, house.buyer.user, 20).await.unwrap(), (Figures::NONE, Vec::new()));
}

#[tokio::test]
async fn an_order_counts_at_the_moment_of_its_completion() {
    // A millisecond before midnight in UTC, wherever the machine is.
    let house = House::at(utc("2026-02-28T23:59:59.999Z")).await;
    let ticket = house.ticket(90).await;
    house.paid(ticket, 1).await;
    let late = house.reserve(ticket, 2).await.order();
    house.clock.advance(Duration::from_millis(1));
    let mut payment = house.begin_payment(late).await;
    house.settle(&mut payment, PaymentStatus::Captured).await;

    let tail = async |period| house.sold(period).await.split_off(period.slots(house.clock.now()).len() - 3);
    assert_eq!(tail(Period::Day).await, [0, 1, 2]);
    assert_eq!(tail(Period::Month).await, [0, 1, 2]);
    assert_eq!(tail(Period::Year).await, [0, 1, 2]);
    let last = house.slots(Period::Month).await.pop().unwrap();
    assert_eq!(last.takings, Money::from_minor(2 * 1999));

    // At the other end of each period an order is in its first slot, and gone an instant later.
    for (period, back) in [(Period::Day, HOUR * 23), (Period::Month, HOUR * 24 * 29)] {
        let now = utc("2026-03-01T00:00:00Z") + back;
        let seen = |at| store::sold(&house.db, house.seller.user, period, at);
        let inside: Vec<i64> = seen(now).await.unwrap().iter().map(|slot| slot.sold).collect();
        assert_eq!((inside[0], inside.iter().sum::<i64>()), (2, 2), "{period:?}");
        let step = Duration::from_millis(period.grain().unsigned_abs());
        assert!(seen(now + step).await.unwrap().iter().all(|slot| slot.sold == 0), "{period:?}");
    }
    assert!(
        store::sold(&house.db, house.buyer.user, Period::Day, house.clock.now()).await.unwrap()[23].sold == 0
    );
}

#[tokio::test]
async fn what_went_back_is_no_longer_sold_but_when_it_was_stays_known() {
    let house = House::at(utc("2026-05-05T12:00:00.000Z")).await;
    let ticket = house.ticket(9).await;
    let (order, mut payment) = house.paid(ticket, 2).await;
    let paid = house.clock.now();
    house.clock.advance(HOUR);
    // A unit is used: the order stays complete, and counts when it was completed.
    let code = house.codes(order).await.remove(0);
    house.redeem(Some(&house.seller), &code).await;
    assert_eq!(house.sold(Period::Day).await[22..], [2, 0]);
    house.settle(&mut payment, PaymentStatus::Refunded).await;
    assert_eq!(house.sold(Period::Day).await[22..], [0, 0]);
    assert_eq!(house.completed_at().await, [Some(paid)]);
    let page = house.get(Some(&house.seller), "/sales").await.text;
    assert!(
        page.contains("Nothing was sold in the last 30 days.") && page.contains("<dd>$39.98</dd>"),
        "{page}"
    );
    assert!(page.contains("badge--off\">Refunded"), "{page}");
}

#[tokio::test]
async fn an_expired_order_that_money_revives_counts_when_the_money_came() {
    let house = House::at(utc("2026-05-05T12:00:00.000Z")).await;
    let order = house.reserve(house.ticket(9).await, 1).await.order();
    house.hold_ends(order).await;
    assert_eq!(house.completed_at().await, [None]);
    house.clock.advance(HOUR);
    let mut payment = house.payment(order);
    house.hear(Event::PaymentCreated(payment.clone())).await;
    house.settle(&mut payment, PaymentStatus::Captured).await;
    assert_eq!(house.completed_at().await, [Some(house.clock.now())]);
    assert_eq!(house.sold(Period::Day).await[22..], [0, 1]);
}

#[tokio::test]
async fn orders_from_before_learn_their_moment_from_their_history() {
    let home = Home::new().await;
    let clock = Clock::manual(Instant::from_millis(1_760_000_000_000));
    let location = Location::new(home.url(), home.directory(), "orders");
    let db = Db::open(&location, "orders", clock.clone()).unwrap();
    db.migrate(&MIGRATIONS[..1]).await.unwrap();
    const OLD: &str =
        "INSERT INTO orders (id, version, user_id, status, quantity, amount, expires_at, expired,
            ticket_id, ticket_title, ticket_price, ticket_version, seller_id, history)
        VALUES ($1, $2, 'u', $3, 1, 100, 0, FALSE, '01980000-0000-7000-8000-000000000000', 'T', 100, 0, 's', $4)";
    const LATER: &str = "UPDATE orders SET version = version + 1, status = 'complete',
        history = history || ',complete@5' WHERE id = $1";
    let lives = [
        ("created@1760000000001", None),
        ("created@1760000000001,awaiting:payment@1760000000002", None),
        ("created@1760000000001,cancelled@1760000000002", None),
        ("created@1760000000001,complete@1760000000002", Some(1_760_000_000_002)),
        ("created@1,awaiting:payment@23,complete@456,complete@789,cancelled@7890", Some(456)),
        (
            "created@1760000000001,cancelled@1760000000002,complete@17600000000033,complete@17600000000044",
            Some(17_600_000_000_033),
        ),
    ];
    let mut ids = Vec::new();
    for (history, _) in lives {
        let (id, version) = (OrderId::new(&clock), history.matches(',').count() as i64);
        let status = history.rsplit(',').next().unwrap().split('@').next().unwrap();
        let write = |tx: db::Tx| async move { tx.execute(OLD, &[&id, &version, &status, &history]).await };
        db.write(write).await.unwrap();
        ids.push(id);
    }
    assert_eq!(db.migrate(MIGRATIONS).await.unwrap(), MIGRATIONS.len() - 1);
    let web = Web::new(Config { clock: clock.clone(), ..Config::default() });
    let orders = Orders::new(db.clone(), web, Settings::default());
    let found = async || {
        let found: Vec<(OrderId, Option<i64>)> = db.all(ORDERS, &[]).await.unwrap();
        found.into_iter().map(|(_, at)| at).collect::<Vec<_>>()
    };
    assert_eq!(store::date(&db, 2).await.unwrap(), 2, "a batch at a time");
    orders.date_sales().await.unwrap();
    let mut dated = lives.map(|(_, at)| at);
    assert_eq!(found().await, dated);
    // A copy of the older version runs on meanwhile.
    let id = &ids[0];
    db.write(|tx| async move { tx.execute(LATER, &[id]).await.map(drop) }).await.unwrap();
    orders.date_sales().await.unwrap();
    dated[0] = Some(5);
    assert_eq!(found().await, dated);
    assert_eq!(store::date(&db, 10).await.unwrap(), 0, "what is dated is left alone");
    let checked = verify::orders_after(&db, None, 10).await.unwrap();
    assert_eq!(checked.iter().filter_map(verify::Checked::fault).collect::<Vec<_>>(), Vec::<String>::new());
}

#[tokio::test]
async fn the_export_has_the_sellers_orders_and_no_others() {
    let house = House::at(utc("2026-05-05T12:00:00.000Z")).await;
    let header = vec![
        "orderId",
        "ticketId",
        "title",
        "quantity",
        "amount",
        "currency",
        "status",
        "reason",
        "createdAt",
        "completedAt",
        "paymentId",
    ];
    assert_eq!(house.export().await, std::slice::from_ref(&header));
    let ticket = TicketState { title: "=1+1, \"so\"\r\nthey say".into(), ..house.ticket_of(9) };
    house.hear(Event::TicketCreated(ticket.clone())).await;
    let elsewhere = TicketState { user_id: house.stranger().user, ..house.ticket_of(9) };
    house.hear(Event::TicketCreated(elsewhere.clone())).await;

    let made = house.clock.now();
    let held = house.reserve(ticket.id, 1).await.order();
    house.reserve(elsewhere.id, 1).await.order();
    let (paid, payment) = house.paid(ticket.id, 2).await;
    let expired = house.reserve(ticket.id, 1).await.order();
    let given_up = house.reserve(ticket.id, 1).await.order();
    let (refunded, mut refund) = house.paid(ticket.id, 1).await;
    house.clock.advance(HOUR);
    house.hold_ends(expired).await;
    house.delete(Some(&house.buyer), &format!("/api/orders/{given_up}")).await;
    house.settle(&mut refund, PaymentStatus::Refunded).await;

    let reply = house.get(Some(&house.seller), "/sales.csv").await;
    assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8; header=present");
    let name = "attachment; filename=\"marquee-sales-2026-05-05.csv\"";
    assert_eq!((reply.header("content-disposition"), reply.header("cache-control")), (name, "no-store"));
    assert!(
        reply.text.contains(",\"'=1+1, \"\"so\"\"\r\nthey say\",1,19.99,USD,created,,"),
        "{}",
        reply.text
    );
    let line = |order: OrderId, quantity: i64, status: &str, reason: &str, payment: Option<PaymentId>| {
        let completed = if payment.is_some() { made.to_string() } else { String::new() };
        vec![
            order.to_string(),
            ticket.id.to_string(),
            "'=1+1, \"so\"\r\nthey say".to_owned(),
            quantity.to_string(),
            Money::from_minor(1999 * quantity).to_string(),
            "USD".to_owned(),
            status.to_owned(),
            reason.to_owned(),
            made.to_string(),
            completed,
            payment.map_or_else(String::new, |id| id.to_string()),
        ]
    };
    let lines = parsed(&reply.text);
    assert_eq!(lines[0], header);
    assert_eq!(
        lines[1..],
        [
            line(held, 1, "created", "", None),
            line(paid, 2, "complete", "", Some(payment.id)),
            line(expired, 1, "cancelled", "expired", None),
            line(given_up, 1, "cancelled", "cancelled", None),
            line(refunded, 1, "cancelled", "refunded", Some(refund.id)),
        ]
    );
    let away = house.get(None, "/sales.csv").await;
    assert_eq!((away.status, away.header("location")), (303, "/signin?next=%2Fsales.csv"));
}

impl House {
    /// So many orders of one ticket, written at once.
    async fn many_orders(&self, many: usize) {
        let ticket = self.ticket(1_000_000).await;
        for _ in 0..many.div_ceil(10) {
            let wishes = (0..10).map(|_| self.reserve(ticket, 1));
            for reply in futures_util::future::join_all(wishes).await {
                reply.order();
            }
        }
    }
}

#[tokio::test]
async fn a_long_export_comes_in_pieces_and_ends_with_what_was_there() {
    let house = House::new().await;
    house.many_orders(1010).await;
    let request = house.request("GET", Some(&house.seller), "/sales.csv").body(Body::empty()).unwrap();
    let mut pieces = house.app.clone().oneshot(request).await.unwrap().into_body().into_data_stream();
    let first = pieces.next().await.unwrap().unwrap();
    // What comes meanwhile is for the next export.
    house.many_orders(10).await;
    let mut text = String::from_utf8(first.to_vec()).unwrap();
    let mut many = 1;
    while let Some(piece) = pieces.next().await {
        text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        many += 1;
    }
    let lines = parsed(&text);
    assert_eq!((many, lines.len()), (3, 1011));
    let ids: std::collections::BTreeSet<&String> = lines[1..].iter().map(|line| &line[0]).collect();
    assert_eq!(ids.len(), 1010);
    assert_eq!(house.export().await.len(), 1021);
}

#[tokio::test]
async fn an_export_that_cannot_go_on_is_broken_off() {
    let house = House::new().await;
    house.many_orders(510).await;
    let request = house.request("GET", Some(&house.seller), "/sales.csv").body(Body::empty()).unwrap();
    let mut pieces = house.app.clone().oneshot(request).await.unwrap().into_body().into_data_stream();
    assert!(pieces.next().await.unwrap().is_ok());
    house.web.revocations().revoke(house.seller.id, house.seller.expires_at);
    assert!(pieces.next().await.unwrap().is_err());
    assert!(pieces.next().await.is_none());
}

#[tokio::test]
async fn the_page_shows_the_period_that_was_asked_for() {
    let house = House::at(utc("2026-05-05T12:00:00.000Z")).await;
    let empty = house.get(Some(&house.seller), "/sales").await.text;
    assert!(empty.contains("Nothing sold yet") && !empty.contains("<svg"), "{empty}");
    let ticket = house.ticket(9).await;
    house.paid(ticket, 2).await;
    for (query, part) in [
        ("", "6 Apr"),
        ("?period=24h", "5 May, 12:00: 2 tickets"),
        ("?period=30d", "5 May 2026: 2 tickets"),
        ("?period=12m", "May 2026: 2 tickets"),
        ("?refund=later&period=12m", "The refund was noted"),
    ] {
        let page = house.get(Some(&house.seller), &format!("/sales{query}")).await.text;
        assert!(page.contains(part) && page.matches("<svg").count() == 2, "{query}: {page}");
        assert!(page.contains("2 of 9") && page.contains("href=\"/sales.csv\""), "{page}");
    }
    let further = format!("/sales?after={}", OrderId::new(&house.clock));
    let further = house.get(Some(&house.seller), &further).await.text;
    assert!(further.contains("Older orders") && !further.contains("<svg"), "{further}");
}
