//! What a buyer or a seller does with an order that exists: read it, cancel it, redeem its admissions.

use kernel::{Error, Instant, Kind, OrderId, Result};
use web::Session;

use crate::model::{Admission, Cause, Order, Shown};
use crate::{Orders, store};

impl Orders {
    /// One's own order with its admissions.
    ///
    /// # Errors
    /// 404; 401 for another's.
    pub async fn read(&self, session: &Session, id: OrderId) -> Result<(Order, Vec<Admission>)> {
        let order = store::read(&self.0.db, id).await?;
        session.require_owner(order.user_id)?;
        let admissions = store::admissions(&self.0.db, id).await?;
        Ok((order, admissions))
    }

    /// Ends a live page whose session has ended since it was opened.
    ///
    /// # Errors
    /// 401.
    pub(crate) fn still_signed_in(&self, session: &Session) -> Result<()> {
        let web = &self.0.web;
        let ended = web.revocations().is_revoked(session.id) || session.expires_at <= web.clock().now();
        if ended { Err(Error::unauthorized()) } else { Ok(()) }
    }

    /// Lets an order go. A paid one is refunded, once. One that is over already stays as it is.
    ///
    /// # Errors
    /// 404; 401 for another's; 409 if it was paid and used.
    pub async fn cancel(&self, session: &Session, id: OrderId) -> Result<()> {
        self.0
            .db
            .write(|tx| async move {
                let order = store::find(&tx, id).await?.ok_or_else(Error::not_found)?;
                session.require_owner(order.user_id)?;
                if order.status == contracts::OrderStatus::Complete {
                    self.refuse_if_used(&tx, &order).await?;
                }
                if store::advance(&tx, &order, Cause::GivenUp).await?.is_some() {
                    self.announce(&tx, id);
                }
                Ok(())
            })
            .await
    }

    async fn refuse_if_used(&self, tx: &db::Tx, order: &Order) -> Result<()> {
        let redeemed = store::admissions_in(tx, order.id).await?.iter().any(|a| a.redeemed_at.is_some());
        let showing = store::showing_in(tx, order.id).await?;
        let begun = showing.starts_at.is_some_and(|at| at <= tx.clock().now());
        match (redeemed, showing.watched_at.is_some(), begun) {
            (true, ..) => Err(Error::conflict("This order has been used already")),
            (_, true, _) => Err(Error::conflict("This order has been watched already")),
            (.., true) => Err(Error::conflict("This order's event has already begun")),
            _ => Ok(()),
        }
    }

    /// Admits one unit, once. Answers its order and when it was admitted: now.
    ///
    /// # Errors
    /// 404 for an unknown code; 401 unless the seller or an operator asks; 409 if it was redeemed before,
    /// with when; 410 if the order was cancelled.
    pub async fn redeem(&self, session: &Session, code: &str) -> Result<(Order, Instant)> {
        let (id, ..) = self.admission(code).await?;
        self.0
            .db
            .write(|tx| async move {
                let order = store::find(&tx, id).await?.ok_or_else(Error::not_found)?;
                if !session.is_operator() {
                    session.require_owner(order.ticket.seller_id)?;
                }
                if !order.holds() {
                    return Err(Error::new(Kind::Gone, "This admission was refunded"));
                }
                let now = tx.clock().now();
                if !store::redeem(&tx, code, now).await? {
                    let when = store::admissions_in(&tx, id).await?.into_iter().find(|a| a.code == code);
                    let when = when.and_then(|a| a.redeemed_at).unwrap_or(now);
                    return Err(Error::conflict(format!("Already redeemed at {when}")));
                }
                let next = store::advance(&tx, &order, Cause::Redeemed).await?;
                self.announce(&tx, id);
                Ok((next.unwrap_or(order), now))
            })
            .await
    }

    /// What a code admits to, for the page that redeems it.
    ///
    /// # Errors
    /// 404 for an unknown code; 401 unless the seller, the buyer or an operator asks.
    pub async fn look_at(&self, session: &Session, code: &str) -> Result<Shown> {
        let (id, unit, redeemed_at) = self.admission(code).await?;
        let order = store::read(&self.0.db, id).await?;
        if !session.is_operator() && session.user != order.user_id {
            session.require_owner(order.ticket.seller_id)?;
        }
        let starts_at = store::begins(&self.0.db, order.ticket.id).await?;
        Ok(Shown { order, unit, redeemed_at, starts_at })
    }

    /// Which order a code belongs to, which of its units it admits, and when it was redeemed.
    ///
    /// # Errors
    /// 404 for an unknown code.
    pub(crate) async fn admission(&self, code: &str) -> Result<(OrderId, i64, Option<Instant>)> {
        // Anything may stand in a path; a NUL, say, no database takes.
        let is_code = code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let known = if is_code { store::admission(&self.0.db, code).await? } else { None };
        known.ok_or_else(Error::not_found)
    }
}
