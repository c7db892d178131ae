//! All of a seller's sales as a file for their books: CSV as RFC 4180 has it.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use contracts::CancelReason;
use csv::{Terminator, WriterBuilder};
use futures_util::stream;
use kernel::{Error, Instant, OrderId, Result};
use web::{PageSession, Session};

use crate::model::Sale;
use crate::store::Span;
use crate::{Orders, store};

/// Orders that are read and sent at a time. Nothing but these is kept in memory.
const PIECE: i64 = 500;

const COLUMNS: [&str; 11] = [
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

pub(super) async fn show(
    State(orders): State<Orders>,
    PageSession(session): PageSession,
) -> web::Result<Response> {
    let newest = Span { after: None, limit: 1, descending: true };
    let last = store::sales(&orders.0.db, session.user, &newest).await?.first().map(|sale| sale.order_id);
    let today = orders.0.web.clock().now().to_string();
    let name = format!("attachment; filename=\"marquee-sales-{}.csv\"", today.get(..10).unwrap_or_default());
    let name =
        HeaderValue::try_from(name).map_err(|e| Error::internal("a file without a name").because(e))?;
    let mut export = Export { orders, session, after: None, last, begun: false };
    // The first piece before the answer: what fails here still has a status to say so.
    let first = export.piece().await?;
    let rest = stream::try_unfold(export, async |mut export: Export| {
        let piece = match export.piece().await {
            Ok(piece) => piece,
            // The answer has begun. It is broken off, so that nobody takes a part for the whole.
            Err(error) => {
                tracing::warn!(error = ?error, "an export of sales was broken off");
                return Err(error);
            }
        };
        Ok::<_, Error>(piece.map(|piece| (piece, export)))
    });
    let first = stream::iter(first.map(Ok));
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(futures_util::StreamExt::chain(first, rest))).into_response())
}

/// An export on its way.
struct Export {
    orders: Orders,
    session: Session,
    after: Option<OrderId>,
    /// The newest order when it was asked for. Those that come meanwhile are for the next one, or it might
    /// never end.
    last: Option<OrderId>,
    begun: bool,
}

impl Export {
    /// The next piece of the file, which has at least its header; `None` at the end.
    async fn piece(&mut self) -> Result<Option<Vec<u8>>> {
        self.orders.still_signed_in(&self.session)?;
        let wanted = self.last.filter(|last| self.after.is_none_or(|after| after < *last));
        let sales = match wanted {
            Some(last) => {
                let span = Span { after: self.after, limit: PIECE, descending: false };
                let mut sales = store::sales(&self.orders.0.db, self.session.user, &span).await?;
                sales.retain(|sale| sale.order_id <= last);
                sales
            }
            None => Vec::new(),
        };
        let heading = !std::mem::replace(&mut self.begun, true);
        if sales.is_empty() && !heading {
            return Ok(None);
        }
        self.after = sales.last().map_or(self.last, |sale| Some(sale.order_id));
        written(heading, &sales, self.orders.0.web.currency())
            .map(Some)
            .map_err(|e| Error::internal("a sale has no line").because(e))
    }
}

/// Sales as lines, below the heading if that is wanted.
pub(super) fn written(heading: bool, sales: &[Sale], currency: &str) -> Result<Vec<u8>, csv::Error> {
    let mut lines = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    if heading {
        lines.write_record(COLUMNS)?;
    }
    let currency = currency.to_uppercase();
    let moment = |at: Option<Instant>| at.map_or_else(String::new, |at| at.to_string());
    for sale in sales {
        lines.write_record([
            &sale.order_id.to_string(),
            &sale.ticket_id.to_string(),
            &harmless(&sale.title),
            &sale.quantity.to_string(),
            &sale.amount.to_string(),
            &currency,
            sale.status.as_str(),
            end_of(sale),
            &sale.created_at.to_string(),
            &moment(sale.completed_at),
            &sale.payment_id.map_or_else(String::new, |id| id.to_string()),
        ])?;
    }
    lines.into_inner().map_err(|e| csv::Error::from(e.into_error()))
}

/// Why an order came to nothing; empty for one that did not.
fn end_of(sale: &Sale) -> &'static str {
    match sale.end() {
        None => "",
        Some(CancelReason::Expired) => "expired",
        Some(CancelReason::Refunded) => "refunded",
        Some(CancelReason::Buyer) => "cancelled",
    }
}

/// A text that no spreadsheet takes for a formula: such a one gets an apostrophe before it, which spreadsheets
/// do not show.
fn harmless(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if formula { format!("'{text}") } else { text.to_owned() }
}
