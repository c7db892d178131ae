//! The pages of orders, sales and admissions. Each handler reads as its JSON twin does; what a page
//! shows is put into words here and in `templates/`.

mod admission;
mod door;
mod export;
mod list;
mod order;
mod sales;
#[cfg(test)]
mod tests;

use axum::routing::{get, post};
use contracts::{CancelReason, OrderStatus};
use web::{Paging, Routes};

use crate::Orders;
use crate::store::Span;

pub(crate) fn routes() -> Routes<Orders> {
    Routes::new()
        .route("/orders", get(list::show).post(order::create))
        .route("/orders/{id}", get(order::show))
        .route("/orders/{id}/live", get(order::live))
        .route("/orders/{id}/cancel", post(order::cancel))
        .route("/sales", get(sales::show))
        .route("/sales.csv", get(export::show))
        .route("/door", get(door::show))
        .route("/admissions/{code}", get(admission::show))
        .route("/admissions/{code}/redeem", post(admission::redeem))
}

/// Whether a title needs smaller letters, lest it fill the screen: more than `most` characters.
fn is_long(title: &str, most: usize) -> bool {
    title.chars().count() > most
}

/// Where an order stands, in a word and a colour.
struct Badge {
    class: &'static str,
    text: &'static str,
}

impl Badge {
    fn of(status: OrderStatus, reason: Option<CancelReason>) -> Self {
        let (class, text) = match (status, reason) {
            (OrderStatus::Created, _) => ("badge--held", "Held"),
            (OrderStatus::AwaitingPayment, _) => ("badge--flight", "Payment under way"),
            (OrderStatus::Complete, _) => ("badge--done", "Paid"),
            (OrderStatus::Cancelled, Some(CancelReason::Expired)) => ("badge--off", "Expired"),
            (OrderStatus::Cancelled, Some(CancelReason::Refunded)) => ("badge--off", "Refunded"),
            (OrderStatus::Cancelled, _) => ("badge--off", "Cancelled"),
        };
        Self { class, text }
    }
}

/// One part of a list, newest first, and one more, which says whether there are older ones.
fn newest(paging: &Paging) -> kernel::Result<Span> {
    let span = paging.span()?;
    Ok(Span { limit: span.limit + 1, descending: true, ..span })
}

/// Cuts off the one more. Answers the address of the older ones, if there are any.
fn older<T>(
    path: &str,
    paging: &Paging,
    found: &mut Vec<T>,
    id: impl Fn(&T) -> kernel::OrderId,
) -> Option<String> {
    let limit = usize::try_from(paging.limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more)?;
    Some(format!("{path}?after={}&limit={limit}", id(last)))
}
