//! What a seller sold.

pub(super) mod picture;

use askama::Template;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use contracts::OrderStatus;
use kernel::{Kind, Result, UserId};
use web::{Moment, Page, PageSession, Paging};

use self::picture::Picture;
use super::{Badge, newest, older};
use crate::model::{Figures, Period, Sale, TicketFigures};
use crate::{Orders, store};

/// Tickets that are listed by themselves.
const TICKETS: i64 = 20;

/// `/sales`
#[derive(Template)]
#[template(path = "sales.html")]
pub(super) struct SalesPage {
    pub page: Page,
    /// Whether this is not the first part of the list.
    pub further: bool,
    /// What all sales come to; only on the first part of the list, and only if that can be had.
    pub overview: Option<Overview>,
    pub rows: Vec<Row>,
    pub older: Option<String>,
    /// Whether a refund was asked for that the gateway has yet to hear of.
    pub later: bool,
}

/// What stands above the list.
pub(super) struct Overview {
    sold: i64,
    held: i64,
    takings: String,
    /// What went back, if anything did.
    refunded: Option<String>,
    picture: Picture,
    tickets: Vec<TicketRow>,
}

/// What the orders of one ticket come to.
pub(super) struct TicketRow {
    id: String,
    title: String,
    capacity: i64,
    sold: i64,
    held: i64,
    takings: String,
}

/// One order.
pub(super) struct Row {
    ticket: String,
    title: String,
    quantity: i64,
    amount: String,
    badge: Badge,
    /// When it was paid, or else made.
    at: Moment,
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
            badge: Badge::of(sale.status, sale.end()),
            at: sale.completed_at.unwrap_or(sale.created_at).into(),
            refund: paid.map(|id| id.to_string()),
        }
    }
}

impl Overview {
    pub(super) fn new(page: &Page, all: &Figures, tickets: &[TicketFigures], picture: Picture) -> Self {
        let row = |ticket: &TicketFigures| TicketRow {
            id: ticket.id.to_string(),
            title: ticket.title.clone(),
            capacity: ticket.capacity,
            sold: ticket.figures.sold,
            held: ticket.figures.held,
            takings: page.price(ticket.figures.takings),
        };
        Self {
            sold: all.sold,
            held: all.held,
            takings: page.price(all.takings),
            refunded: (all.refunded.minor() != 0).then(|| page.price(all.refunded)),
            picture,
            tickets: tickets.iter().map(row).collect(),
        }
    }
}

impl SalesPage {
    pub(super) fn new(page: Page, overview: Option<Overview>, sales: &[Sale]) -> Self {
        let rows = sales.iter().map(|sale| Row::new(&page, sale)).collect();
        Self { page, further: false, overview, rows, older: None, later: false }
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
    let page = Page::new(&orders.0.web, Some(&session), "My sales", "/sales");
    let query = uri.query().unwrap_or_default();
    let further = paging.after.is_some();
    // Adding up takes the longer the more was sold, and may take too long. The list never does.
    let overview = if further || sales.is_empty() {
        None
    } else {
        at_hand(orders.overview(&page, session.user, picture::asked(query)).await)?
    };
    let later = query.split('&').any(|pair| pair == "refund=later");
    Ok(web::html(&SalesPage { further, older, later, ..SalesPage::new(page, overview, &sales) }))
}

/// `found`, unless it is only for now that it cannot be had.
fn at_hand<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(error) if error.kind == Kind::Unavailable => {
            tracing::warn!(error = ?error, "the figures of sales cannot be had");
            Ok(None)
        }
        found => found.map(Some),
    }
}

impl Orders {
    async fn overview(&self, page: &Page, seller: UserId, period: Period) -> Result<Overview> {
        let slots = store::sold(&self.0.db, seller, period, self.0.web.clock().now()).await?;
        let (all, tickets) = store::figures(&self.0.db, seller, TICKETS).await?;
        Ok(Overview::new(page, &all, &tickets, Picture::new(page, period, &slots)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Error;

    #[test]
    fn figures_that_cannot_be_had_for_now_are_left_out() {
        assert!(matches!(at_hand(Ok(1)), Ok(Some(1))));
        assert!(matches!(at_hand::<i64>(Err(Error::unavailable("too slow"))), Ok(None)));
        assert!(at_hand::<i64>(Err(Error::internal("broken"))).is_err());
    }
}
