//! A crowd's wishes share a transaction, and each order's event is a part of its own buyer's trace.

use ::traces::{About, Span};
use futures_util::future::join_all;
use kernel::Trace;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::*;

#[tokio::test]
async fn each_order_of_a_group_is_announced_in_the_trace_of_its_own_request() {
    opentelemetry::global::set_tracer_provider(SdkTracerProvider::builder().build());
    ::traces::turn_on();
    let house = House::new().await;
    let (ticket, user) = (house.ticket(100).await, house.buyer.user);
    // On one thread all of them are in the lane before it begins; the last comes from nowhere.
    let wishes = (1..=20).chain([0]).map(|number: u128| {
        let reserved = house.orders.reserve(crate::Reserve { user, ticket, quantity: 1, key: None });
        async move {
            if number == 0 {
                return (number, reserved.await.unwrap().id);
            }
            let request = Span::after(Trace::new(number, 77, 1), || About::named("request"));
            (number, request.around(reserved).await.unwrap().id)
        }
    });
    let orders = join_all(wishes).await;
    let announced = house.db.outbox_waiting(100).await.unwrap();
    assert_eq!(announced.len(), orders.len());
    for (number, order) in orders {
        let event = announced.iter().find(|event| event.aggregate == format!("order:{order}")).unwrap();
        assert_eq!(event.trace.trace(), number);
        assert_ne!(event.trace.span(), 77, "it follows from the ride in the lane");
    }
}
