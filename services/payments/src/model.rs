//! A payment's life, pure.
//!
//! ```text
//! pending ──charged──▶ captured ──refund requested──▶ captured (asked back) ──refunded──▶ refunded
//!    └─────refused──▶ failed
//! ```

use contracts::{CancelReason, Event, OrderStatus, PaymentState, PaymentStatus};
use kernel::{Error, Instant, Kind, Money, OrderId, PaymentId, Result, UserId};

/// A payment at one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Payment {
    /// The payment; also its name at the gateway.
    pub id: PaymentId,
    /// 0, 1, 2, … without gaps.
    pub version: i64,
    /// What it pays for.
    pub order_id: OrderId,
    /// Who pays.
    pub user_id: UserId,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub status: PaymentStatus,
    /// Whether the money has been asked back.
    pub refund_requested: bool,
    /// Why it failed, if it did.
    pub refusal: Option<Refusal>,
    /// When it was begun.
    pub created_at: Instant,
}

/// What can happen to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The gateway has the money.
    Charged,
    /// The gateway will never have it.
    Refused(Refusal),
    /// Somebody who may wants the money to go back.
    RefundRequested,
    /// The gateway gave it back.
    Refunded,
}

impl Payment {
    /// A payment for all of `order`, before the gateway is asked.
    pub fn begin(id: PaymentId, order: &Order, now: Instant) -> Self {
        Self {
            id,
            version: 0,
            order_id: order.id,
            user_id: order.user_id,
            amount: order.amount,
            status: PaymentStatus::Pending,
            refund_requested: false,
            refusal: None,
            created_at: now,
        }
    }

    /// The payment at its next version; `None` if nothing follows from `cause`.
    pub fn after(&self, cause: Cause) -> Option<Self> {
        let mut next = Self { version: self.version + 1, ..self.clone() };
        match (cause, self.status) {
            (Cause::Charged, PaymentStatus::Pending) => next.status = PaymentStatus::Captured,
            (Cause::Refused(refusal), PaymentStatus::Pending) => {
                next.status = PaymentStatus::Failed;
                next.refusal = Some(refusal);
            }
            (Cause::RefundRequested, PaymentStatus::Captured) if !self.refund_requested => {
                next.refund_requested = true;
            }
            (Cause::Refunded, PaymentStatus::Captured) if self.refund_requested => {
                next.status = PaymentStatus::Refunded;
            }
            _ => return None,
        }
        Some(next)
    }

    /// Its version follows from where it stands, for there is one way to get there.
    pub fn version_is_right(&self) -> bool {
        let steps = match self.status {
            PaymentStatus::Pending => 0,
            PaymentStatus::Failed => 1,
            PaymentStatus::Captured => 1 + i64::from(self.refund_requested),
            PaymentStatus::Refunded => 3,
        };
        self.version == steps
    }

    /// What the payer is told.
    ///
    /// # Errors
    /// Why no money was taken; `Unavailable` while nobody knows yet.
    pub fn outcome(self) -> Result<Self> {
        match (self.status, self.refusal) {
            (PaymentStatus::Pending, _) => Err(Error::unavailable("the payment is not settled yet")),
            (_, Some(refusal)) => Err(refusal.error()),
            (_, None) => Ok(self),
        }
    }

    /// The state that its events carry.
    pub fn state(&self) -> PaymentState {
        PaymentState {
            id: self.id,
            version: self.version,
            order_id: self.order_id,
            user_id: self.user_id,
            amount: self.amount,
            status: self.status,
            refund_requested: self.refund_requested,
        }
    }

    /// The event that announces this version.
    pub fn event(&self) -> Event {
        if self.version == 0 {
            Event::PaymentCreated(self.state())
        } else {
            Event::PaymentUpdated(self.state())
        }
    }
}

/// An order as payments knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The order.
    pub id: OrderId,
    /// The version that was heard last.
    pub version: i64,
    /// Its buyer.
    pub user_id: UserId,
    /// Who sells what it is for.
    pub seller_id: UserId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it was cancelled, if it was.
    pub reason: Option<CancelReason>,
    /// How many units.
    pub quantity: i64,
    /// For all units.
    pub amount: Money,
    /// When its hold ends.
    pub expires_at: Instant,
    /// What it is for.
    pub title: String,
    /// Whether the end of its hold was announced.
    pub expired: bool,
}

impl Order {
    /// Whether a payment may begin `now`; `standing` is the status of the order's payment that has not failed.
    ///
    /// # Errors
    /// Why not, in the words of the contract.
    pub fn payable(&self, standing: Option<PaymentStatus>, now: Instant) -> Result<()> {
        match (self.status, standing) {
            (OrderStatus::Cancelled, _) if self.reason == Some(CancelReason::Expired) => Err(expired()),
            // The copy may not have heard yet of what follows from the refund.
            (OrderStatus::Cancelled, _) | (_, Some(PaymentStatus::Refunded)) => {
                Err(Error::invalid("Cannot pay for a cancelled order"))
            }
            (OrderStatus::Complete, _) | (_, Some(PaymentStatus::Captured)) => {
                Err(Error::invalid("Order is already paid"))
            }
            _ if self.expired || now >= self.expires_at => Err(expired()),
            (_, Some(PaymentStatus::Pending)) => Err(in_progress()),
            (_, Some(PaymentStatus::Failed) | None) => Ok(()),
        }
    }
}

fn expired() -> Error {
    Error::invalid("Order has expired")
}

/// 409: somebody else is paying for this order right now.
pub(crate) fn in_progress() -> Error {
    Error::conflict("A payment for this order is already being processed")
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $sentence:literal;)+) => {
        /// Why the gateway took no money.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Refusal { $($(#[$doc])* $name),+ }
        impl Refusal {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];
            /// The code in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }
            /// Reads [`Self::as_str`] back.
            pub fn parse(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)+ _ => None }
            }
            /// For the payer.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence),+ }
            }
        }
    };
}

refusals! {
    /// The bank says no and does not say why.
    Declined = "declined", "Your card was declined";
    /// Not enough money.
    InsufficientFunds = "insufficient_funds", "Your card has insufficient funds";
    /// Reported lost; whoever holds it is not told.
    LostCard = "lost_card", "Your card was declined";
    /// Reported stolen; whoever holds it is not told.
    StolenCard = "stolen_card", "Your card was declined";
    /// Past its date.
    ExpiredCard = "expired_card", "Your card has expired";
    /// The security code is wrong.
    IncorrectCvc = "incorrect_cvc", "Your card's security code is incorrect";
    /// The bank stumbled.
    ProcessingError = "processing_error", "Your card could not be processed, try again in a little while";
    /// Too often, or too much.
    VelocityLimit = "velocity_limit", "Your card was used too often or is over its limit";
    /// Taken for fraud; whoever holds it is not told.
    Fraudulent = "fraudulent", "Your card was declined";
    /// The token means nothing to the gateway.
    NoSuchToken = "no_such_token", "No such token";
    /// Settled as never to be charged, before a charge arrived.
    Void = "void", "The payment did not go through in time, nothing was charged";
}

impl Refusal {
    /// 402 with its sentence; an unknown token is a 400 at its field.
    pub fn error(self) -> Error {
        match self {
            Self::NoSuchToken => Error::invalid(self.sentence()).at("token"),
            _ => Error::new(Kind::Declined, self.sentence()),
        }
    }
}

#[cfg(test)]
#[path = "tests/model.rs"]
mod tests;
