//! What counters hears of orders and plays, and what `marquee verify` asks of it afterwards.

use ::events::Bus;
use contracts::{CancelReason, Event, OrderState, OrderStatus, OrderTicket, PlayState};
use db::Recorded;
use kernel::{EventId, Money, OrderId, PlayId, TicketId, VideoId};

use super::*;
use crate::verify;

impl House {
    fn order(&self, ticket: TicketId, quantity: i64) -> OrderState {
        OrderState {
            id: OrderId::new(&self.clock),
            version: 0,
            user_id: self.user.user,
            status: OrderStatus::Created,
            reason: None,
            quantity,
            amount: Money::from_minor(1999 * quantity),
            expires_at: self.clock.now() + Duration::from_secs(900),
            ticket: OrderTicket {
                id: ticket,
                title: "Metropolis".into(),
                price: Money::from_minor(1999),
                version: 0,
                seller_id: self.user.user,
            },
            payment_id: None,
            refund: None,
        }
    }

    fn recorded(&self, event: &Event) -> Recorded {
        Recorded {
            seq: 0,
            id: EventId::new(&self.clock),
            subject: event.subject().to_owned(),
            aggregate: event.aggregate(),
            version: event.version(),
            payload: serde_json::to_string(event).unwrap(),
            occurred_at: self.clock.now(),
            trace: kernel::Trace::NONE,
        }
    }

    /// Brings these in one batch.
    async fn hear(&self, orders: &[OrderState]) {
        self.heard_by(&self.counters, orders).await;
    }

    async fn heard_by(&self, counters: &Counters, orders: &[OrderState]) {
        let events: Vec<Event> = orders.iter().map(announced).collect();
        self.events_heard_by(counters, &events).await;
    }

    async fn events_heard_by(&self, counters: &Counters, events: &[Event]) {
        let batch = events.iter().map(|event| self.recorded(event)).collect();
        Bus::local(vec![counters.subscription()]).publish(batch).await.unwrap();
    }

    /// Somebody watches.
    fn play(&self, video_id: VideoId) -> Event {
        let (id, began_at) = (PlayId::new(&self.clock), self.clock.now());
        Event::PlayCreated(PlayState { id, version: 0, video_id, user_id: None, order_id: None, began_at })
    }

    /// How often somebody watched, in all and one video.
    async fn plays(&self, video: VideoId) -> [Option<i64>; 2] {
        [self.read("marquee:plays").await, self.read(&format!("marquee:plays:{video}")).await]
    }

    /// What was sold and refunded, in all and of one ticket.
    async fn sales(&self, ticket: TicketId) -> [Option<i64>; 4] {
        let [sold, refunded] = ["sold", "refunded"].map(|what| format!("marquee:{what}"));
        [
            self.read(&sold).await,
            self.read(&refunded).await,
            self.read(&format!("{sold}:{ticket}")).await,
            self.read(&format!("{refunded}:{ticket}")).await,
        ]
    }

    async fn faults(&self) -> Vec<String> {
        verify::sums(&self.db).await.unwrap().1
    }
}

fn announced(order: &OrderState) -> Event {
    match order.status {
        OrderStatus::Created => Event::OrderCreated(order.clone()),
        OrderStatus::Cancelled => Event::OrderCancelled(order.clone()),
        _ => Event::OrderUpdated(order.clone()),
    }
}

/// An order's next version.
fn then(order: &OrderState, status: OrderStatus) -> OrderState {
    let reason = (status == OrderStatus::Cancelled).then_some(CancelReason::Buyer);
    OrderState { version: order.version + 1, status, reason, ..order.clone() }
}

/// From the reservation to the money.
fn bought(order: &OrderState) -> [OrderState; 3] {
    let awaiting = then(order, OrderStatus::AwaitingPayment);
    [order.clone(), awaiting.clone(), then(&awaiting, OrderStatus::Complete)]
}

#[tokio::test]
async fn units_count_when_their_order_is_complete_and_again_when_it_is_cancelled() {
    let house = House::new().await;
    let (one, other) = (TicketId::new(&house.clock), TicketId::new(&house.clock));
    let mut complete = Vec::new();
    for (ticket, quantity) in [(one, 2), (one, 3), (other, 10)] {
        let versions = bought(&house.order(ticket, quantity));
        house.hear(&versions[..2]).await;
        house.hear(&versions[2..]).await;
        complete.push(versions[2].clone());
    }
    assert_eq!(house.sales(one).await, [Some(15), None, Some(5), None]);
    assert_eq!(house.sales(other).await, [Some(15), None, Some(10), None]);
    house.hear(&[then(&complete[1], OrderStatus::Cancelled)]).await;
    assert_eq!(house.sales(one).await, [Some(15), Some(3), Some(5), Some(3)]);
    assert_eq!(house.sales(other).await, [Some(15), Some(3), Some(10), None]);
    assert_eq!(house.faults().await, [""; 0]);
}

#[tokio::test]
async fn whatever_a_batch_is_made_of_each_unit_counts_once() {
    let house = House::new().await;
    let ticket = TicketId::new(&house.clock);
    let first = bought(&house.order(ticket, 1));
    // Redeemed, say: complete at one version more.
    let later = then(&first[2], OrderStatus::Complete);
    let second = bought(&house.order(ticket, 4));
    let back = then(&second[2], OrderStatus::Cancelled);
    let batch = [&first[..], &second[..], &[later.clone(), back.clone()]].concat();
    for _ in 0..2 {
        house.hear(&batch).await;
        assert_eq!(house.sales(ticket).await, [Some(5), Some(4), Some(5), Some(4)]);
    }
    for order in batch.iter().rev() {
        house.hear(std::slice::from_ref(order)).await;
    }
    house.heard_by(&house.another(), &batch).await;
    assert_eq!(house.sales(ticket).await, [Some(5), Some(4), Some(5), Some(4)]);
    assert_eq!(house.faults().await, [""; 0]);
}

#[tokio::test]
async fn what_was_never_complete_is_neither_sold_nor_refunded() {
    let house = House::new().await;
    let ticket = TicketId::new(&house.clock);
    let given_up = house.order(ticket, 2);
    house.hear(&[given_up.clone(), then(&given_up, OrderStatus::Cancelled)]).await;
    let [created, awaiting, _] = bought(&house.order(ticket, 2));
    house.hear(&[created, awaiting.clone(), then(&awaiting, OrderStatus::Cancelled)]).await;
    assert_eq!(house.sales(ticket).await, [None; 4]);
}

/// Late money completes an order that had expired, and may go back after all.
#[tokio::test]
async fn a_revived_order_is_sold_and_not_refunded_in_one_batch_or_several() {
    for together in [true, false] {
        let house = House::new().await;
        let ticket = TicketId::new(&house.clock);
        let order = house.order(ticket, 2);
        let expired = then(&order, OrderStatus::Cancelled);
        let revived = then(&expired, OrderStatus::Complete);
        let versions = [order, expired, revived.clone()];
        for batch in versions.chunks(if together { 3 } else { 1 }) {
            house.hear(batch).await;
        }
        assert_eq!(house.sales(ticket).await, [Some(2), None, Some(2), None], "together: {together}");
        house.hear(&[then(&revived, OrderStatus::Cancelled)]).await;
        assert_eq!(house.sales(ticket).await, [Some(2), Some(2), Some(2), Some(2)]);
        assert_eq!(house.faults().await, [""; 0]);
    }
}

/// As over a bus between processes, where each event may come to both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_hear_it_at_once_count_it_once() {
    let house = House::new().await;
    let other = house.another();
    let tickets: Vec<TicketId> = (0..3).map(|_| TicketId::new(&house.clock)).collect();
    let complete: Vec<OrderState> =
        (0..60).map(|n| bought(&house.order(tickets[n % 3], n as i64 + 1))[2].clone()).collect();
    let back: Vec<OrderState> =
        complete.iter().step_by(2).map(|order| then(order, OrderStatus::Cancelled)).collect();
    for all in [complete, back] {
        // Each begins elsewhere, with batches of other sizes.
        let mut turned = all.clone();
        turned.rotate_left(all.len() / 2);
        let hear = async |counters: &Counters, orders: &[OrderState], size| {
            for batch in orders.chunks(size) {
                house.heard_by(counters, batch).await;
            }
        };
        tokio::join!(hear(&house.counters, &all, 7), hear(&other, &turned, 4));
    }
    let (sold, refunded) = ((1..=60).sum::<i64>(), (1..=60).step_by(2).sum::<i64>());
    let [all_sold, all_refunded, ..] = house.sales(tickets[0]).await;
    assert_eq!((all_sold, all_refunded), (Some(sold), Some(refunded)));
    for (n, ticket) in tickets.iter().enumerate() {
        let of_it = (1..=60i64).skip(n).step_by(3);
        let [.., sold, refunded] = house.sales(*ticket).await;
        assert_eq!(sold, Some(of_it.clone().sum()));
        assert_eq!(refunded, Some(of_it.filter(|n| n % 2 == 1).sum()));
    }
    assert_eq!(house.faults().await, [""; 0]);
}

/// As over a bus between processes: each play comes to both, to one of them in another order, and once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_play_counts_once_however_often_it_is_heard() {
    let house = House::new().await;
    let other = house.another();
    let videos: Vec<VideoId> = (0..2).map(|_| VideoId::new(&house.clock)).collect();
    assert_eq!(house.plays(videos[0]).await, [None; 2]);
    // Two in three are of the first one.
    let plays: Vec<Event> = (0..30).map(|n| house.play(videos[usize::from(n % 3 == 2)])).collect();
    let turned: Vec<Event> = plays.iter().rev().cloned().collect();
    let hear = async |counters: &Counters, plays: &[Event], size| {
        for batch in plays.chunks(size) {
            house.events_heard_by(counters, batch).await;
        }
    };
    tokio::join!(hear(&house.counters, &plays, 7), hear(&other, &turned, 4));
    assert_eq!(house.plays(videos[0]).await, [Some(30), Some(20)]);
    hear(&other, &plays, 30).await;
    assert_eq!(house.plays(videos[1]).await, [Some(30), Some(10)]);

    // A batch may be of both, and what is sold is counted apart.
    let order = bought(&house.order(TicketId::new(&house.clock), 2))[2].clone();
    let both = [announced(&order), house.play(videos[1])];
    hear(&house.counters, &both, 2).await;
    assert_eq!(house.plays(videos[1]).await, [Some(31), Some(11)]);
    assert_eq!(house.sales(order.ticket.id).await, [Some(2), None, Some(2), None]);
    assert_eq!(house.faults().await, [""; 0]);
}

#[tokio::test]
async fn verify_sees_a_sum_that_is_not_what_its_orders_come_to() {
    let house = House::new().await;
    assert_eq!((house.faults().await.len(), verify::began(&house.db).await.unwrap()), (0, None));
    let (ticket, began) = (TicketId::new(&house.clock), house.clock.now());
    let versions = bought(&house.order(ticket, 2));
    house.hear(&versions).await;
    house.clock.advance(Duration::from_secs(60));
    let later = bought(&house.order(ticket, 3));
    house.hear(&later).await;
    assert_eq!(verify::began(&house.db).await.unwrap(), Some(began));
    assert_eq!(verify::sums(&house.db).await.unwrap(), (2, vec![]));

    let (first, second) = (versions[2].id, later[2].id);
    let all = verify::sold_between(&house.db, None, None, 10).await.unwrap();
    assert_eq!(
        all.iter().map(|sold| (sold.order_id, sold.quantity)).collect::<Vec<_>>(),
        [(first, 2), (second, 3)]
    );
    assert_eq!(verify::sold_between(&house.db, Some(first), None, 10).await.unwrap(), all[1..]);
    assert_eq!(verify::sold_between(&house.db, None, Some(first), 10).await.unwrap(), all[..1]);
    assert_eq!(verify::sold_between(&house.db, None, None, 1).await.unwrap(), all[..1]);

    // What anybody may count is none of it, however alike it looks.
    let alike =
        "INSERT INTO counters (key, value, created_at) VALUES ('Marquee:sold', 1, 0), ('marquee', 1, 0)";
    house.db.write(|tx| async move { tx.execute(alike, &[]).await }).await.unwrap();
    assert_eq!(house.faults().await, [""; 0]);

    // One more than was sold; one that nobody sold; one that is gone.
    for (statement, faults) in [
        ("UPDATE counters SET value = value + 1 WHERE key = 'marquee:sold'", 1),
        ("INSERT INTO counters (key, value, created_at) VALUES ('marquee:refunded:x', 1, 0)", 2),
        ("DELETE FROM counters WHERE key LIKE 'marquee:sold:%'", 3),
    ] {
        house.db.write(|tx| async move { tx.execute(statement, &[]).await }).await.unwrap();
        assert_eq!(house.faults().await.len(), faults, "{:?}", house.faults().await);
    }
}
