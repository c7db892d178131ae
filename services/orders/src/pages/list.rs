//! A buyer's orders.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use kernel::{Instant, OrderId};
use web::{Moment, Page, PageSession, Paging};

use super::{Badge, is_long, newest, older};
use crate::model::Order;
use crate::{Orders, store};

/// `/orders`
#[derive(Template)]
#[template(path = "orders.html")]
pub(super) struct OrdersPage {
    pub page: Page,
    pub rows: Vec<Row>,
    pub older: Option<String>,
    /// Whether this is not the first part of the list.
    pub further: bool,
}

pub(super) struct Row {
    id: String,
    ticket: String,
    title: String,
    long: bool,
    starts_at: Option<Moment>,
    badge: Badge,
    amount: String,
    quantity: i64,
    over: bool,
}

impl Row {
    pub(super) fn new(page: &Page, order: &Order, starts_at: Option<Instant>) -> Self {
        Self {
            id: order.id.to_string(),
            ticket: order.ticket.id.to_string(),
            title: order.ticket.title.clone(),
            long: is_long(&order.ticket.title, 40),
            starts_at: starts_at.map(Moment::from),
            badge: Badge::of(order.status, order.reason),
            amount: page.price(order.amount),
            quantity: order.quantity,
            over: !order.holds(),
        }
    }
}

pub(super) async fn show(
    State(orders): State<Orders>,
    PageSession(session): PageSession,
    paging: Paging,
) -> web::Result<Response> {
    let mut found = store::of_user(&orders.0.db, session.user, &newest(&paging)?).await?;
    let older = older("/orders", &paging, &mut found, |order| order.id);
    let starts = orders.beginnings(&session, &found).await?;
    let page = Page::new(&orders.0.web, Some(&session), "My orders", "/orders");
    let rows = found.iter().map(|order| Row::new(&page, order, starts.get(&order.id).copied())).collect();
    Ok(web::html(&OrdersPage { page, rows, older, further: paging.after.is_some() }))
}

impl Orders {
    /// When the tickets of a buyer's orders begin, where that is known.
    async fn beginnings(
        &self,
        session: &web::Session,
        orders: &[Order],
    ) -> kernel::Result<HashMap<OrderId, Instant>> {
        match (orders.iter().map(|o| o.id).min(), orders.iter().map(|o| o.id).max()) {
            (Some(first), Some(last)) => store::starts_between(&self.0.db, session.user, first, last).await,
            _ => Ok(HashMap::new()),
        }
    }
}
