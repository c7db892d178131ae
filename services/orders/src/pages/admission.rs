//! The page that a QR code leads to: at the door, it admits; to the buyer, it says whether it still will.

use std::time::Duration;

use askama::Template;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Instant, Kind};
use web::{Moment, Page, PageSession, Session, Web, see_other};

use crate::Orders;
use crate::code::PathCode;
use crate::model::Shown;

/// What the page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It admits one.
    Valid,
    /// It has just admitted one.
    Admitted,
    /// It admitted one before.
    Used,
    /// It admits nobody any more.
    Refunded,
}

/// How long whoever redeems is told that it was done just now, however often the page is loaded.
pub(super) const JUST_NOW: Duration = Duration::from_secs(60);

/// `/admissions/{code}`
#[derive(Template)]
#[template(path = "admission.html")]
pub(super) struct AdmissionPage {
    pub page: Page,
    pub verdict: Verdict,
    /// Whether whoever looks may redeem it.
    pub door: bool,
    pub title: String,
    pub starts_at: Option<Moment>,
    /// Which of the order's units this is, from 1.
    pub unit: i64,
    pub quantity: i64,
    pub code: String,
    /// The order, for its buyer.
    pub order: Option<String>,
    pub redeemed_at: Option<Moment>,
}

impl AdmissionPage {
    /// `redeemed` says whether whoever looks comes from redeeming it.
    pub(super) fn new(web: &Web, session: &Session, code: &str, shown: &Shown, redeemed: bool) -> Self {
        let Shown { order, unit, redeemed_at, starts_at } = shown;
        let door = session.is_operator() || session.user == order.ticket.seller_id;
        let is_fresh = |at: Instant| web.clock().now() < at + JUST_NOW;
        let verdict = match *redeemed_at {
            _ if !order.holds() => Verdict::Refunded,
            Some(at) if redeemed && door && is_fresh(at) => Verdict::Admitted,
            Some(_) => Verdict::Used,
            None => Verdict::Valid,
        };
        Self {
            page: Page::new(web, Some(session), "Admission", format!("/admissions/{code}")),
            verdict,
            door,
            title: order.ticket.title.clone(),
            starts_at: starts_at.map(Moment::from),
            unit: unit + 1,
            quantity: order.quantity,
            code: code.to_owned(),
            order: (session.user == order.user_id).then(|| order.id.to_string()),
            redeemed_at: redeemed_at.map(Moment::from),
        }
    }
}

pub(super) async fn show(
    State(orders): State<Orders>,
    PageSession(session): PageSession,
    PathCode(code): PathCode,
    OriginalUri(uri): OriginalUri,
) -> web::Result<Response> {
    let shown = orders.look_at(&session, &code).await?;
    let redeemed = uri.query() == Some("admitted");
    Ok(web::html(&AdmissionPage::new(&orders.0.web, &session, &code, &shown, redeemed)))
}

pub(super) async fn redeem(
    State(orders): State<Orders>,
    PageSession(session): PageSession,
    PathCode(code): PathCode,
) -> web::Result<Response> {
    let status = match orders.redeem(&session, &code).await {
        // Loaded again, that page says the same; an answer to the form would redeem a second time.
        Ok(_) => return Ok(see_other(&format!("/admissions/{code}?admitted"))),
        Err(error) if error.kind == Kind::Conflict => StatusCode::CONFLICT,
        Err(error) if error.kind == Kind::Gone => StatusCode::GONE,
        Err(error) => return Err(error.into()),
    };
    let shown = orders.look_at(&session, &code).await?;
    let page = AdmissionPage::new(&orders.0.web, &session, &code, &shown, false);
    Ok(web::html_with(status, &page))
}
