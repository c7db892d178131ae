//! The page that a QR code leads to: at the door, it admits; to the buyer, it says whether it still will.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Instant, Kind};
use web::{Moment, Page, PageSession, Session, Web};

use crate::Orders;
use crate::model::Order;

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

/// `/admissions/{code}`
#[derive(Template)]
#[template(path = "admission.html")]
pub(super) struct AdmissionPage {
    pub page: Page,
    pub verdict: Verdict,
    /// Whether whoever looks may redeem it.
    pub door: bool,
    pub title: String,
    pub code: String,
    /// The order, for its buyer.
    pub order: Option<String>,
    pub redeemed_at: Option<Moment>,
}

impl AdmissionPage {
    pub(super) fn new(
        web: &Web,
        session: &Session,
        code: &str,
        order: &Order,
        verdict: Verdict,
        redeemed_at: Option<Instant>,
    ) -> Self {
        Self {
            page: Page::new(web, Some(session), "Admission", format!("/admissions/{code}")),
            verdict,
            door: session.is_operator() || session.user == order.ticket.seller_id,
            title: order.ticket.title.clone(),
            code: code.to_owned(),
            order: (session.user == order.user_id).then(|| order.id.to_string()),
            redeemed_at: redeemed_at.map(Moment::from),
        }
    }
}

pub(super) async fn show(
    State(orders): State<Orders>,
    PageSession(session): PageSession,
    Path(code): Path<String>,
) -> web::Result<Response> {
    Ok(web::html(&orders.standing(&session, &code).await?))
}

pub(super) async fn redeem(
    State(orders): State<Orders>,
    PageSession(session): PageSession,
    Path(code): Path<String>,
) -> web::Result<Response> {
    let status = match orders.redeem(&session, &code).await {
        Ok((order, at)) => {
            let admitted = Verdict::Admitted;
            let page = AdmissionPage::new(&orders.0.web, &session, &code, &order, admitted, Some(at));
            return Ok(web::html(&page));
        }
        Err(error) if error.kind == Kind::Conflict => StatusCode::CONFLICT,
        Err(error) if error.kind == Kind::Gone => StatusCode::GONE,
        Err(error) => return Err(error.into()),
    };
    Ok(web::html_with(status, &orders.standing(&session, &code).await?))
}

impl Orders {
    /// What a code is worth now.
    async fn standing(&self, session: &Session, code: &str) -> kernel::Result<AdmissionPage> {
        let (order, redeemed_at) = self.look_at(session, code).await?;
        let verdict = match redeemed_at {
            _ if !order.holds() => Verdict::Refunded,
            Some(_) => Verdict::Used,
            None => Verdict::Valid,
        };
        Ok(AdmissionPage::new(&self.0.web, session, code, &order, verdict, redeemed_at))
    }
}
