//! One order, from its hold to its admissions.

use askama::Template;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use contracts::{CancelReason, OrderStatus};
use fast_qr::convert::{Builder as _, Shape, svg::SvgBuilder};
use fast_qr::qr::QRBuilder;
use kernel::{Instant, Kind, OrderId, TicketId};
use serde::Serialize;
use web::{Form, FormView, Moment, Origin, Page, PageSession, PathId, Problem, Session, Web, see_other};

use super::{Badge, is_long};
use crate::model::{Admission, Film, Order, Showing, Window};
use crate::{Orders, store};

/// The cards of the built-in test gateway that the payment form offers.
pub(super) const CARDS: &[Card] = &[
    Card { token: "tok_visa", label: "Visa — succeeds" },
    Card { token: "tok_mastercard", label: "Mastercard — succeeds" },
    Card { token: "tok_chargeDeclined", label: "Declined" },
    Card { token: "tok_chargeDeclinedInsufficientFunds", label: "Declined — insufficient funds" },
];

/// A card of the test gateway.
pub(super) struct Card {
    token: &'static str,
    label: &'static str,
}

/// What the page is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// To be paid.
    Held,
    /// The gateway has not answered yet.
    Paying,
    /// Paid; orders has not heard of it yet.
    Issuing,
    Complete,
    Cancelled,
}

impl Stage {
    /// `paid` says that payments has the money.
    pub(super) fn of(status: OrderStatus, paid: bool) -> Self {
        match status {
            OrderStatus::Created | OrderStatus::AwaitingPayment if paid => Self::Issuing,
            OrderStatus::Created => Self::Held,
            OrderStatus::AwaitingPayment => Self::Paying,
            OrderStatus::Complete => Self::Complete,
            OrderStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// What went wrong before somebody was sent here. The address carries a word of this list, never a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    word: &'static str,
    class: &'static str,
    title: &'static str,
    text: &'static str,
    /// Where it still makes sense to say so.
    stages: &'static [Stage],
}

#[cfg(test)]
impl Trouble {
    pub(super) fn query(&self) -> String {
        format!("problem={}", self.word)
    }

    pub(super) fn is_told(&self, page: &str) -> bool {
        page.contains(self.title) && page.contains(self.text)
    }
}

pub(super) const TROUBLES: &[Trouble] = &[
    Trouble {
        word: "declined",
        class: "alert--error",
        title: "Your card was declined.",
        text: "No money was taken. Your tickets are still held: try again, or take another card.",
        stages: &[Stage::Held],
    },
    Trouble {
        word: "token",
        class: "alert--error",
        title: "We do not know that card.",
        text: "No money was taken. Choose one from the list.",
        stages: &[Stage::Held],
    },
    Trouble {
        word: "processing",
        class: "alert--warn",
        title: "A payment for this order is still being processed.",
        text: "Wait for a moment before you try again. This page moves on by itself.",
        stages: &[Stage::Held],
    },
    Trouble {
        word: "expired",
        class: "alert--warn",
        title: "The time to pay ran out.",
        text: "No money was taken. The tickets go back on sale.",
        stages: &[Stage::Held, Stage::Paying],
    },
    Trouble {
        word: "cancelled",
        class: "alert--warn",
        title: "This order was cancelled.",
        text: "It cannot be paid any more.",
        stages: &[Stage::Held, Stage::Paying],
    },
    Trouble {
        word: "unavailable",
        class: "alert--warn",
        title: "We cannot take payments at the moment.",
        text: "Your tickets are still held. Try again in a moment.",
        stages: &[Stage::Held],
    },
    Trouble {
        word: "used",
        class: "alert--error",
        title: "This order cannot be cancelled.",
        text: "One of its admissions was used already, the film was watched, or the event has begun.",
        stages: &[Stage::Complete],
    },
];

/// What the address says of how somebody came here.
#[derive(Default)]
pub(super) struct Arrival {
    pub paid: bool,
    pub trouble: Option<&'static Trouble>,
}

impl Arrival {
    pub(super) fn read(query: &str) -> Self {
        let asks = |pair: &str| query.split('&').any(|given| given == pair);
        let trouble = TROUBLES.iter().find(|trouble| asks(&format!("problem={}", trouble.word)));
        Self { paid: asks("paid=1") || asks("problem=paid"), trouble }
    }
}

/// `/orders/{id}`
#[derive(Template)]
#[template(path = "order.html")]
pub(super) struct OrderPage {
    pub page: Page,
    pub id: String,
    pub status: &'static str,
    pub stage: Stage,
    pub badge: Badge,
    pub trouble: Option<&'static Trouble>,
    pub ticket: String,
    pub title: String,
    pub long: bool,
    pub starts_at: Option<Moment>,
    pub price: String,
    pub quantity: i64,
    pub amount: String,
    pub expires_at: Moment,
    pub now: Moment,
    pub reason: &'static str,
    /// Whether a payment was begun for an order that is over.
    pub money: bool,
    pub refundable: bool,
    /// What a complete order admits to.
    pub film: Option<FilmView>,
    pub watched_at: Option<Moment>,
    pub admissions: Vec<Unit>,
    pub cards: &'static [Card],
    pub values: FormView,
}

/// A film that may be watched, or will be, or could be.
pub(super) struct FilmView {
    id: String,
    window: Window,
    opens_at: Option<Moment>,
    closes_at: Option<Moment>,
}

impl FilmView {
    fn new(film: Film, now: Instant) -> Self {
        Self {
            id: film.id.to_string(),
            window: film.window(now),
            opens_at: film.opens_at.map(Moment::from),
            closes_at: film.closes_at.map(Moment::from),
        }
    }
}

/// One admission.
pub(super) struct Unit {
    code: String,
    /// SVG of our own making.
    qr: String,
    redeemed_at: Option<Moment>,
}

impl OrderPage {
    pub(super) fn new(
        web: &Web,
        session: &Session,
        (order, admissions): (&Order, &[Admission]),
        showing: Showing,
        (arrival, origin): (&Arrival, &str),
    ) -> Self {
        let page =
            Page::new(web, Some(session), order.ticket.title.as_str(), format!("/orders/{}", order.id));
        let stage = Stage::of(order.status, arrival.paid);
        let now = web.clock().now();
        let used = admissions.iter().any(|a| a.redeemed_at.is_some());
        let unit = |a: &Admission| Unit {
            code: a.code.clone(),
            qr: qr(&format!("{origin}/admissions/{}", a.code)),
            redeemed_at: a.redeemed_at.map(Moment::from),
        };
        let complete = stage == Stage::Complete;
        let Showing { starts_at, film, watched_at } = showing;
        let begun = starts_at.is_some_and(|at| at <= now);
        Self {
            id: order.id.to_string(),
            status: order.status.as_str(),
            stage,
            badge: Badge::of(order.status, order.reason),
            trouble: arrival.trouble.filter(|trouble| trouble.stages.contains(&stage)),
            ticket: order.ticket.id.to_string(),
            title: order.ticket.title.clone(),
            long: is_long(&order.ticket.title, 80),
            starts_at: starts_at.map(Moment::from),
            price: page.price(order.ticket.price),
            quantity: order.quantity,
            amount: page.price(order.amount),
            expires_at: order.expires_at.into(),
            now: now.into(),
            reason: order.reason.map_or("", CancelReason::as_str),
            money: order.payment_id.is_some(),
            refundable: complete && !used && watched_at.is_none() && !begun,
            film: film.filter(|_| complete).map(|film| FilmView::new(film, now)),
            watched_at: watched_at.filter(|_| complete).map(Moment::from),
            admissions: admissions.iter().filter(|_| complete).map(unit).collect(),
            cards: CARDS,
            values: FormView::default(),
            page,
        }
    }
}

/// A QR code as SVG; empty for what fits into none.
fn qr(text: &str) -> String {
    QRBuilder::new(text)
        .build()
        .map(|code| SvgBuilder::default().shape(Shape::Square).to_str(&code))
        .unwrap_or_default()
}

pub(super) async fn show(
    State(orders): State<Orders>,
    PageSession(session): PageSession,
    PathId(id): PathId<OrderId>,
    Origin(origin): Origin,
    OriginalUri(uri): OriginalUri,
) -> web::Result<Response> {
    let (order, admissions) = orders.read(&session, id).await?;
    let showing = store::showing(&orders.0.db, id).await?;
    let arrival = Arrival::read(uri.query().unwrap_or_default());
    let shown = (&order, admissions.as_slice());
    Ok(web::html(&OrderPage::new(&orders.0.web, &session, shown, showing, (&arrival, &origin))))
}

/// A wish that could not be had.
#[derive(Template)]
#[template(path = "refused.html")]
pub(super) struct RefusedPage {
    pub page: Page,
    pub messages: Vec<String>,
    pub ticket: Option<TicketId>,
}

pub(super) async fn create(
    State(orders): State<Orders>,
    PageSession(session): PageSession,
    Form(fields): Form,
) -> web::Result<Response> {
    let ticket = fields.typed().get("ticketId").and_then(|id| id.trim().parse().ok());
    let held = match orders.wish(fields, &session, None) {
        Ok(wish) => orders.reserve(wish).await,
        Err(error) => Err(error),
    };
    match held {
        Ok(order) => Ok(see_other(&format!("/orders/{}", order.id))),
        Err(error) if matches!(error.kind, Kind::Invalid | Kind::NotFound) => {
            let problem = Problem::of(&error);
            let page = Page::new(&orders.0.web, Some(&session), "Not held", "");
            let messages = problem.messages().map(str::to_owned).collect();
            Ok(web::html_with(problem.status(), &RefusedPage { page, messages, ticket }))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn cancel(
    State(orders): State<Orders>,
    PageSession(session): PageSession,
    PathId(id): PathId<OrderId>,
) -> web::Result<Response> {
    match orders.cancel(&session, id).await {
        Ok(()) => Ok(see_other(&format!("/orders/{id}"))),
        Err(error) if error.kind == Kind::Conflict => Ok(see_other(&format!("/orders/{id}?problem=used"))),
        Err(error) => Err(error.into()),
    }
}

/// What the page watches.
#[derive(Serialize)]
struct Standing {
    status: OrderStatus,
}

pub(super) async fn live(
    State(orders): State<Orders>,
    session: Session,
    PathId(id): PathId<OrderId>,
) -> web::Result<Response> {
    orders.read(&session, id).await?;
    let web = orders.0.web.clone();
    Ok(web::live(&web, format!("order:{id}"), move || {
        let (orders, session) = (orders.clone(), session.clone());
        async move {
            orders.still_signed_in(&session)?;
            Ok(Standing { status: store::read(&orders.0.db, id).await?.status })
        }
    }))
}
