//! Orders that admit to a video: what watching one does to it, and what its page offers.

use super::*;
use contracts::PlayState;
use kernel::{PlayId, VideoId};

impl House {
    /// A ticket for a video, which orders has heard of.
    async fn ticket_for(&self, video: VideoId) -> TicketState {
        let ticket = TicketState { video_id: Some(video), starts_at: None, ..self.ticket_of(5) };
        self.hear(Event::TicketCreated(ticket.clone())).await;
        ticket
    }

    fn play(&self, video_id: VideoId, order_id: Option<OrderId>) -> PlayState {
        let (id, user_id) = (PlayId::new(&self.clock), Some(self.buyer.user));
        PlayState { id, version: 0, video_id, user_id, order_id, began_at: self.clock.now() }
    }

    async fn watched(&self, video: VideoId, order: OrderId) {
        self.hear(Event::PlayCreated(self.play(video, Some(order)))).await;
    }

    async fn page_of(&self, order: OrderId) -> String {
        self.get(Some(&self.buyer), &format!("/orders/{order}")).await.text
    }

    async fn watched_at(&self, order: OrderId) -> Option<Instant> {
        crate::store::showing(&self.db, order).await.unwrap().watched_at
    }
}

#[tokio::test]
async fn what_was_watched_is_used_and_its_seller_can_still_give_the_money_back() {
    let house = House::new().await;
    let video = VideoId::new(&house.clock);
    let ticket = house.ticket_for(video).await.id;
    let (watched, mut payment) = house.paid(ticket, 1).await;
    let (other, _) = house.paid(ticket, 1).await;
    assert!(house.page_of(watched).await.contains("Cancel and refund"));
    house.watched(video, watched).await;

    let refused = house.delete(Some(&house.buyer), &format!("/api/orders/{watched}")).await;
    assert_eq!((refused.status, refused.message()), (409, "This order has been watched already"));
    let page = house.page_of(watched).await;
    assert!(page.contains("Watched on <time datetime=\"2025-10-09T08:53:20.000Z\""), "{page}");
    assert!(!page.contains("Cancel and refund") && page.contains("Watch now"), "{page}");
    let kept = house.post_form(Some(&house.buyer), &format!("/orders/{watched}/cancel"), "").await;
    assert_eq!(kept.header("location"), format!("/orders/{watched}?problem=used"));
    let told = house.get(Some(&house.buyer), kept.header("location")).await.text;
    assert!(told.contains("the film was watched"), "{told}");
    let read = house.get(Some(&house.buyer), &format!("/api/orders/{watched}")).await;
    assert_eq!((&read.body["status"], &read.body["version"]), (&json!("complete"), &json!(2)));

    let free = house.delete(Some(&house.buyer), &format!("/api/orders/{other}")).await;
    assert_eq!(free.status, 204, "nobody watched by this one");

    house.settle(&mut payment, PaymentStatus::Refunded).await;
    let page = house.page_of(watched).await;
    assert!(page.contains("on its way back") && !page.contains("/videos/"), "{page}");
    house.assert_capacity_adds_up().await;
}

#[tokio::test]
async fn a_sitting_that_goes_on_by_another_order_uses_that_too() {
    let house = House::new().await;
    let video = VideoId::new(&house.clock);
    let ticket = house.ticket_for(video).await.id;
    let ((first, _), (second, _)) = (house.paid(ticket, 1).await, house.paid(ticket, 1).await);
    let play = house.play(video, Some(first));
    house.hear(Event::PlayCreated(play.clone())).await;
    assert_eq!(house.watched_at(second).await, None);
    house.clock.advance(Duration::from_secs(60));
    let began_at = house.clock.now();
    let next = PlayState { version: 1, order_id: Some(second), began_at, ..play };
    house.hear(Event::PlayUpdated(next)).await;
    assert_eq!(house.watched_at(second).await, Some(began_at));
    let refused = house.delete(Some(&house.buyer), &format!("/api/orders/{second}")).await;
    assert_eq!((refused.status, refused.message()), (409, "This order has been watched already"));
}

#[tokio::test]
async fn an_order_is_watched_once_however_often_it_is() {
    let house = House::new().await;
    let video = VideoId::new(&house.clock);
    let ticket = house.ticket_for(video).await.id;
    let (order, _) = house.paid(ticket, 1).await;
    let first = house.clock.now();
    // Of a batch the first moment counts, wherever it stands in it.
    let early = house.play(video, Some(order));
    house.clock.advance(Duration::from_secs(60));
    let late = house.play(video, Some(order));
    let nobody_s = house.play(video, None);
    let strange = house.play(video, Some(OrderId::new(&house.clock)));
    house.hear_all(&[late, early.clone(), nobody_s, strange].map(Event::PlayCreated)).await;
    assert_eq!(house.watched_at(order).await, Some(first));

    house.clock.advance(Duration::from_secs(60));
    house.watched(video, order).await;
    house.hear(Event::PlayCreated(early)).await;
    assert_eq!(house.watched_at(order).await, Some(first));
}

#[tokio::test]
async fn the_page_of_an_order_leads_to_its_film_while_that_is_open() {
    let house = House::new().await;
    let video = VideoId::new(&house.clock);
    let ticket = house.ticket_for(video).await;
    let (order, _) = house.paid(ticket.id, 1).await;
    let link = format!("href=\"/videos/{video}\">Watch now");
    assert!(house.page_of(order).await.contains(&link));
    let held = house.reserve(ticket.id, 1).await.order();
    assert!(!house.page_of(held).await.contains("/videos/"), "it is not paid");

    let hour = Duration::from_secs(3600);
    let (opens_at, closes_at) = (Some(house.clock.now() + hour), Some(house.clock.now() + 2 * hour));
    let timed = TicketState { version: 1, opens_at, closes_at, ..ticket.clone() };
    house.hear(Event::TicketUpdated(timed.clone())).await;
    house.hear(Event::TicketCreated(ticket.clone())).await;
    let copies = verify::ticket_copies_after(&house.db, None, 10).await.unwrap();
    let [copy] = &copies[..] else { panic!("{copies:?}") };
    assert_eq!(
        (copy.video_id, copy.opens_at, copy.closes_at, copy.starts_at),
        (Some(video), opens_at, closes_at, None)
    );
    let page = house.page_of(order).await;
    assert!(page.contains("here from <time") && page.contains(" until <time"), "{page}");
    assert!(!page.contains("Watch now"), "{page}");
    house.clock.advance(hour);
    assert!(house.page_of(order).await.contains(&link));
    house.clock.advance(hour);
    let page = house.page_of(order).await;
    assert!(page.contains("It could be watched until") && !page.contains("/videos/"), "{page}");

    house.hear(Event::TicketUpdated(TicketState { version: 2, video_id: None, ..timed })).await;
    assert!(!house.page_of(order).await.contains("Your film"));
}
