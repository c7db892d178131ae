//! What a seller sold.

use askama::Template;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use contracts::OrderStatus;
use web::{Page, PageSession, Paging};

use super::{Badge, newest, older};
use crate::model::{Figures, Sale};
use crate::{Orders, store};

/// `/sales`
#[derive(Template)]
#[template(path = "sales.html")]
pub(super) struct SalesPage {
    pub page: Page,
    pub sold: i64,
    pub held: i64,
    pub takings: String,
    pub rows: Vec<Row>,
    pub older: Option<String>,
    pub further: bool,
    /// Whether a refund was asked for that the gateway has yet to hear of.
    pub later: bool,
}

pub(super) struct Row {
    ticket: String,
    title: String,
    quantity: i64,
    amount: String,
    badge: Badge,
    /// The payment that can be given back.
    refund: Option<String>,
}

impl Row {
    fn new(page: &Page, sale: &Sale) -> Self {
        let paid = sale.payment_id.filter(|_| sale.status == OrderStatus::Complete);
        Self {
            ticket: sale.ticket_id.to_string(),
            title: sale.title.clone(),
            quantity: sale.quantity,
            amount: page.price(sale.amount),
            badge: Badge::of(sale.status, None),
            refund: paid.map(|id| id.to_string()),
        }
    }
}

impl SalesPage {
    pub(super) fn new(page: Page, figures: &Figures, sales: &[Sale]) -> Self {
        Self {
            sold: figures.sold,
            held: figures.held,
            takings: page.price(figures.takings),
            rows: sales.iter().map(|sale| Row::new(&page, sale)).collect(),
            older: None,
            further: false,
            later: false,
            page,
        }
    }
}

pub(super) async fn show(
    State(orders): State<Orders>,
    PageSession(session): PageSession,
    paging: Paging,
    OriginalUri(uri): OriginalUri,
) -> web::Result<Response> {
    let mut sales = store::sales(&orders.0.db, session.user, &newest(&paging)?).await?;
    let older = older("/sales", &paging, &mut sales, |sale| sale.order_id);
    let figures = store::figures(&orders.0.db, session.user).await?;
    let page = Page::new(&orders.0.web, Some(&session), "My sales", "/sales");
    let later = uri.query() == Some("refund=later");
    let shown = SalesPage::new(page, &figures, &sales);
    Ok(web::html(&SalesPage { older, further: paging.after.is_some(), later, ..shown }))
}
