//! The order's state machine, pure. Whatever happens to an order is a [`Cause`]; [`Order::after`] says
//! what follows, and nothing else does.
//!
//! ```text
//! created ──payment begun──▶ awaiting:payment ──captured──▶ complete
//!    ▲ └──────captured─────────────────────────────────────▶ │ │
//!    └────────failed──────────────┘                           │ redeemed
//!    created, awaiting:payment ──given up──▶ cancelled ◀──refunded, given up
//!    created, or awaiting:payment once the gateway has said no ──expired──▶ cancelled
//!    cancelled (expired) ──captured, capacity free──▶ complete
//! ```

use contracts::{CancelReason, Event, OrderState, OrderStatus, OrderTicket};
use kernel::{Instant, Money, OrderId, PaymentId, UserId};

mod film;
mod sales;

pub use film::{Film, Showing, Window};
pub use sales::{Figures, Period, Sale, Slot, TicketFigures, calendar};

/// An order at one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The order.
    pub id: OrderId,
    /// 0, 1, 2, … without gaps.
    pub version: i64,
    /// Its buyer.
    pub user_id: UserId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it was cancelled, if it was.
    pub reason: Option<CancelReason>,
    /// How many units it is for.
    pub quantity: i64,
    /// For all units.
    pub amount: Money,
    /// When the hold ends.
    pub expires_at: Instant,
    /// Whether the hold's end came while money was in flight.
    pub expired: bool,
    /// The payment in flight or captured.
    pub payment_id: Option<PaymentId>,
    /// What it holds, as it was then.
    pub ticket: OrderTicket,
}

/// One unit's admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// What the QR code carries.
    pub code: String,
    /// When it was used.
    pub redeemed_at: Option<Instant>,
}

/// An admission as it is shown at the door.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Its order.
    pub order: Order,
    /// Which of the order's units it admits, from 0.
    pub unit: i64,
    /// When it was used.
    pub redeemed_at: Option<Instant>,
    /// When the ticket begins, as orders has heard last.
    pub starts_at: Option<Instant>,
}

/// What can happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A payment was begun.
    PaymentBegun(PaymentId),
    /// Its money is ours.
    PaymentCaptured(PaymentId),
    /// It came to nothing.
    PaymentFailed(PaymentId),
    /// Its money went back.
    PaymentRefunded(PaymentId),
    /// The hold's time is up.
    Expired,
    /// The buyer lets it go.
    GivenUp,
    /// A unit was admitted.
    Redeemed,
}

/// What a step does to the ticket's capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capacity {
    /// Nothing.
    Keep,
    /// Gives the units back.
    Release,
    /// Takes them again; needs them to be free.
    Retake,
}

/// What follows from a cause.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The order at its next version.
    pub next: Order,
    /// What becomes of the capacity.
    pub capacity: Capacity,
    /// A captured payment that must go back.
    pub refund: Option<PaymentId>,
    /// Whether this step admits: each unit gets its code.
    pub admits: bool,
}

impl Order {
    /// What follows from `cause`; `None` if nothing does. `free` says whether the capacity of an expired
    /// order could be taken again.
    pub fn after(&self, cause: Cause, free: bool) -> Option<Step> {
        use OrderStatus::{AwaitingPayment, Cancelled, Complete, Created};
        match (cause, self.status) {
            (Cause::PaymentBegun(p), Created | AwaitingPayment) if self.payment_id != Some(p) => {
                Some(self.step(AwaitingPayment, Some(p)))
            }
            (Cause::PaymentCaptured(p), Created | AwaitingPayment) => Some(self.completed(p, Capacity::Keep)),
            (Cause::PaymentCaptured(p), Cancelled) if self.reason == Some(CancelReason::Expired) && free => {
                Some(self.completed(p, Capacity::Retake))
            }
            // Money for an order that is paid by another payment, or that is over.
            (Cause::PaymentCaptured(p), Complete | Cancelled)
                if self.payment_id != Some(p) || !self.was_paid() =>
            {
                Some(Step { refund: Some(p), ..self.step(self.status, self.payment_id) })
            }
            (Cause::PaymentFailed(p), AwaitingPayment) if self.payment_id == Some(p) => {
                Some(if self.expired {
                    self.cancelled(CancelReason::Expired)
                } else {
                    self.step(Created, None)
                })
            }
            (Cause::PaymentRefunded(p), Complete) if self.payment_id == Some(p) => {
                Some(self.cancelled(CancelReason::Refunded))
            }
            (Cause::Expired, Created) => Some(self.cancelled(CancelReason::Expired)),
            // The gateway is asked first; its answer, a capture or a failure, decides.
            (Cause::Expired, AwaitingPayment) if !self.expired => {
                let mut step = self.step(AwaitingPayment, self.payment_id);
                step.next.expired = true;
                Some(step)
            }
            (Cause::GivenUp, Created | AwaitingPayment) => Some(self.cancelled(CancelReason::Buyer)),
            (Cause::GivenUp, Complete) => {
                Some(Step { refund: self.payment_id, ..self.cancelled(CancelReason::Buyer) })
            }
            (Cause::Redeemed, Complete) => Some(self.step(Complete, self.payment_id)),
            _ => None,
        }
    }

    /// Whether `payment_id` is a captured payment that this order took for itself (rather than one in
    /// flight when the order was cancelled).
    fn was_paid(&self) -> bool {
        self.status == OrderStatus::Complete || self.reason == Some(CancelReason::Refunded)
    }

    fn step(&self, status: OrderStatus, payment_id: Option<PaymentId>) -> Step {
        let next = Self { version: self.version + 1, status, payment_id, ..self.clone() };
        Step { next, capacity: Capacity::Keep, refund: None, admits: false }
    }

    fn completed(&self, payment: PaymentId, capacity: Capacity) -> Step {
        let mut step = self.step(OrderStatus::Complete, Some(payment));
        step.next.reason = None;
        Step { capacity, admits: true, ..step }
    }

    fn cancelled(&self, reason: CancelReason) -> Step {
        let mut step = self.step(OrderStatus::Cancelled, self.payment_id);
        step.next.reason = Some(reason);
        Step { capacity: Capacity::Release, ..step }
    }

    /// Whether it holds capacity.
    pub fn holds(&self) -> bool {
        self.status != OrderStatus::Cancelled
    }

    /// The state that its events carry.
    pub fn state(&self, refund: Option<PaymentId>) -> OrderState {
        OrderState {
            id: self.id,
            version: self.version,
            user_id: self.user_id,
            status: self.status,
            reason: self.reason,
            quantity: self.quantity,
            amount: self.amount,
            expires_at: self.expires_at,
            ticket: self.ticket.clone(),
            payment_id: self.payment_id,
            refund,
        }
    }
}

impl Step {
    /// The event of a step from `previous`.
    pub fn event(&self, previous: &Order) -> Event {
        let state = self.next.state(self.refund);
        if previous.holds() && !self.next.holds() {
            Event::OrderCancelled(state)
        } else {
            Event::OrderUpdated(state)
        }
    }
}

/// Whether one version may follow another: the state machine's edges, for checking a history.
pub fn may_follow(from: OrderStatus, to: OrderStatus) -> bool {
    use OrderStatus::{AwaitingPayment, Cancelled, Complete, Created};
    matches!(
        (from, to),
        (Created, AwaitingPayment | Complete | Cancelled)
            | (AwaitingPayment, AwaitingPayment | Created | Complete | Cancelled)
            | (Complete, Complete | Cancelled)
            | (Cancelled, Complete | Cancelled)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Clock, TicketId};
    use proptest::prelude::*;

    fn order(clock: &Clock) -> Order {
        Order {
            id: OrderId::new(clock),
            version: 0,
            user_id: UserId::new(clock),
            status: OrderStatus::Created,
            reason: None,
            quantity: 2,
            amount: Money::from_minor(4000),
            expires_at: clock.now(),
            expired: false,
            payment_id: None,
            ticket: OrderTicket {
                id: TicketId::new(clock),
                title: "Metropolis".into(),
                price: Money::from_minor(2000),
                version: 0,
                seller_id: UserId::new(clock),
            },
        }
    }

    #[test]
    fn money_for_an_order_its_buyer_cancelled_goes_back() {
        let clock = Clock::system();
        let (order, p) = (order(&clock), PaymentId::new(&clock));
        let paying = order.after(Cause::PaymentBegun(p), true).unwrap().next;
        let gone = paying.after(Cause::GivenUp, true).unwrap();
        assert_eq!((gone.next.status, gone.capacity), (OrderStatus::Cancelled, Capacity::Release));
        let late = gone.next.after(Cause::PaymentCaptured(p), true).unwrap();
        assert_eq!((late.next.status, late.refund), (OrderStatus::Cancelled, Some(p)));
    }

    #[test]
    fn late_money_revives_an_expired_hold_or_goes_back() {
        let clock = Clock::system();
        let p = PaymentId::new(&clock);
        let expired = order(&clock).after(Cause::Expired, true).unwrap().next;
        let revived = expired.after(Cause::PaymentCaptured(p), true).unwrap();
        assert_eq!((revived.next.status, revived.capacity), (OrderStatus::Complete, Capacity::Retake));
        assert!(revived.admits && revived.next.reason.is_none());
        let refused = expired.after(Cause::PaymentCaptured(p), false).unwrap();
        assert_eq!((refused.next.status, refused.refund), (OrderStatus::Cancelled, Some(p)));
    }

    #[test]
    fn the_end_of_a_hold_waits_for_money_in_flight() {
        let clock = Clock::system();
        let p = PaymentId::new(&clock);
        let paying = order(&clock).after(Cause::PaymentBegun(p), true).unwrap().next;
        let waiting = paying.after(Cause::Expired, true).unwrap();
        assert_eq!((waiting.next.status, waiting.capacity), (OrderStatus::AwaitingPayment, Capacity::Keep));
        assert_eq!(
            waiting.next.after(Cause::PaymentFailed(p), true).unwrap().next.reason,
            Some(CancelReason::Expired)
        );
        assert_eq!(
            waiting.next.after(Cause::PaymentCaptured(p), true).unwrap().next.status,
            OrderStatus::Complete
        );
    }

    #[test]
    fn a_second_payment_goes_back() {
        let clock = Clock::system();
        let (first, second) = (PaymentId::new(&clock), PaymentId::new(&clock));
        let paid = order(&clock).after(Cause::PaymentCaptured(first), true).unwrap().next;
        let twice = paid.after(Cause::PaymentCaptured(second), true).unwrap();
        assert_eq!(
            (twice.next.status, twice.next.payment_id, twice.refund),
            (OrderStatus::Complete, Some(first), Some(second))
        );
    }

    #[derive(Debug, Clone, Copy)]
    enum Act {
        Begin(usize),
        Finish(usize, bool),
        Refund(usize),
        Expire,
        GiveUp,
        Redeem,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0..3usize).prop_map(Act::Begin),
            (0..3usize, any::<bool>()).prop_map(|(n, ok)| Act::Finish(n, ok)),
            (0..3usize).prop_map(Act::Refund),
            Just(Act::Expire),
            Just(Act::GiveUp),
            Just(Act::Redeem),
        ]
    }

    proptest! {
        /// Whatever comes in whatever order: versions have no gaps, the path is the machine's, capacity
        /// is held exactly while the status says so, and each captured payment either completes the
        /// order or is sent back, once, never both.
        #[test]
        fn any_life_keeps_the_books(acts in prop::collection::vec((act(), any::<bool>()), 0..40)) {
            let clock = Clock::system();
            let payments: Vec<PaymentId> = (0..3).map(|_| PaymentId::new(&clock)).collect();
            let mut order = order(&clock);
            let mut held = true;
            // What payments would publish: each is begun, then captured or failed once, then maybe refunded.
            let mut captured = [false; 3];
            let mut ended = [false; 3];
            let mut sent_back = [0; 3];
            let mut refunded = [false; 3];
            for (act, free) in acts {
                let cause = match act {
                    Act::Begin(n) if !ended[n] => Cause::PaymentBegun(payments[n]),
                    Act::Finish(n, ok) if !ended[n] => {
                        ended[n] = true;
                        captured[n] = ok;
                        if ok { Cause::PaymentCaptured(payments[n]) } else { Cause::PaymentFailed(payments[n]) }
                    }
                    Act::Refund(n) if captured[n] && !refunded[n] => {
                        refunded[n] = true;
                        Cause::PaymentRefunded(payments[n])
                    }
                    Act::Expire => Cause::Expired,
                    Act::GiveUp => Cause::GivenUp,
                    Act::Redeem => Cause::Redeemed,
                    _ => continue,
                };
                let Some(step) = order.after(cause, free) else { continue };
                prop_assert_eq!(step.next.version, order.version + 1);
                prop_assert!(may_follow(order.status, step.next.status), "{} -> {}", order.status, step.next.status);
                match step.capacity {
                    Capacity::Keep => {}
                    Capacity::Release => { prop_assert!(held); held = false; }
                    Capacity::Retake => { prop_assert!(!held && free); held = true; }
                }
                prop_assert_eq!(held, step.next.holds());
                if let Some(p) = step.refund {
                    sent_back[payments.iter().position(|known| *known == p).unwrap()] += 1;
                }
                order = step.next;
            }
            for n in 0..3 {
                let keeps = order.status == OrderStatus::Complete && order.payment_id == Some(payments[n]);
                if captured[n] && !refunded[n] {
                    prop_assert_eq!(sent_back[n] + i32::from(keeps), 1, "payment {} of {:?}", n, order);
                } else {
                    prop_assert!(sent_back[n] <= 1);
                    prop_assert!(!keeps || !refunded[n]);
                }
            }
        }
    }
}
