//! Any interleaving of what can happen to a payment keeps the books.

use super::*;
use kernel::Clock;
use proptest::prelude::*;

fn order(clock: &Clock) -> Order {
    Order {
        id: OrderId::new(clock),
        version: 0,
        user_id: UserId::new(clock),
        seller_id: UserId::new(clock),
        status: OrderStatus::Created,
        reason: None,
        quantity: 1,
        amount: Money::from_minor(2000),
        expires_at: clock.now() + std::time::Duration::from_secs(900),
        title: "Metropolis".into(),
        expired: false,
    }
}

#[test]
fn each_reason_not_to_pay_has_its_sentence() {
    let clock = Clock::manual(Instant::from_millis(1_700_000_000_000));
    let (open, now) = (order(&clock), clock.now());
    let said = |order: &Order, standing, now| order.payable(standing, now).err().map(|e| e.to_string());
    assert_eq!(said(&open, None, now), None);
    assert_eq!(said(&open, Some(PaymentStatus::Failed), now), None);
    let cancelled = |reason| Order { status: OrderStatus::Cancelled, reason: Some(reason), ..open.clone() };
    let complete = Order { status: OrderStatus::Complete, ..open.clone() };
    let announced = Order { expired: true, ..open.clone() };
    for (order, standing, now, sentence) in [
        (&cancelled(CancelReason::Buyer), None, now, "Cannot pay for a cancelled order"),
        (&cancelled(CancelReason::Refunded), None, now, "Cannot pay for a cancelled order"),
        (&open, Some(PaymentStatus::Refunded), now, "Cannot pay for a cancelled order"),
        (&cancelled(CancelReason::Expired), None, now, "Order has expired"),
        (&announced, None, now, "Order has expired"),
        (&open, None, open.expires_at, "Order has expired"),
        (&open, Some(PaymentStatus::Pending), open.expires_at, "Order has expired"),
        (&complete, None, now, "Order is already paid"),
        (&complete, None, open.expires_at, "Order is already paid"),
        (&open, Some(PaymentStatus::Captured), now, "Order is already paid"),
        (&open, Some(PaymentStatus::Pending), now, "A payment for this order is already being processed"),
    ] {
        assert_eq!(said(order, standing, now).as_deref(), Some(sentence), "{order:?} {standing:?}");
    }
    let last = Instant::from_millis(open.expires_at.as_millis() - 1);
    assert_eq!(said(&open, None, last), None, "up to the last millisecond");
}

#[test]
fn refusals_read_back() {
    for refusal in Refusal::ALL {
        assert_eq!(Refusal::parse(refusal.as_str()), Some(*refusal));
        let kind = if *refusal == Refusal::NoSuchToken { Kind::Invalid } else { Kind::Declined };
        assert_eq!(refusal.error().kind, kind);
    }
    assert_eq!(Refusal::parse("?"), None);
}

#[derive(Debug, Clone, Copy)]
enum Act {
    /// The charge arrives at the gateway: once, or again, or late.
    Charge,
    /// Recovery asks the gateway.
    Settle,
    /// One of the gateway's answers takes effect here, maybe not for the first time.
    Hear(usize),
    RequestRefund,
    /// The refund job asks the gateway.
    Refund,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Charge),
        Just(Act::Settle),
        (0..8usize).prop_map(Act::Hear),
        (0..8usize).prop_map(Act::Hear),
        Just(Act::RequestRefund),
        Just(Act::Refund),
    ]
}

/// The gateway's promise, without the gateway: the first word is the last.
#[derive(Default)]
struct Books {
    refusal: Option<Option<Refusal>>,
    refunds: u32,
}

impl Books {
    fn post(&mut self, proposed: Option<Refusal>) -> Cause {
        self.refusal.get_or_insert(proposed).map_or(Cause::Charged, Cause::Refused)
    }

    fn charged(&self) -> bool {
        self.refusal == Some(None)
    }

    fn give_back(&mut self) -> Cause {
        assert!(self.charged(), "nothing to give back");
        self.refunds = 1;
        Cause::Refunded
    }
}

fn edge(from: PaymentStatus, to: PaymentStatus) -> bool {
    use PaymentStatus::{Captured, Failed, Pending, Refunded};
    matches!((from, to), (Pending, Captured | Failed) | (Captured, Captured | Refunded))
}

fn apply(payment: &mut Payment, cause: Cause, books: &Books) -> Result<(), TestCaseError> {
    let Some(next) = payment.after(cause) else { return Ok(()) };
    prop_assert_eq!(next.version, payment.version + 1);
    prop_assert!(edge(payment.status, next.status), "{} -> {}", payment.status, next.status);
    prop_assert!(next.version_is_right());
    prop_assert!(next.after(cause).is_none(), "the same again changes nothing");
    *payment = next;
    match payment.status {
        PaymentStatus::Captured => prop_assert!(books.charged()),
        PaymentStatus::Refunded => prop_assert!(books.refunds == 1),
        PaymentStatus::Failed => prop_assert!(!books.charged()),
        PaymentStatus::Pending => {}
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_life_keeps_the_books(
        acts in prop::collection::vec(act(), 0..40),
        token in prop_oneof![Just(None), Just(Some(Refusal::Declined)), Just(Some(Refusal::NoSuchToken))],
    ) {
        let clock = Clock::system();
        let mut payment = Payment::begin(PaymentId::new(&clock), &order(&clock), clock.now());
        let (mut books, mut answers) = (Books::default(), Vec::new());
        for act in acts {
            match act {
                // The books do not know a token that means nothing.
                Act::Charge if token == Some(Refusal::NoSuchToken) => {
                    answers.push(Cause::Refused(Refusal::NoSuchToken));
                }
                Act::Charge => answers.push(books.post(token)),
                Act::Settle => answers.push(books.post(Some(Refusal::Void))),
                Act::Hear(n) if n < answers.len() => apply(&mut payment, answers[n], &books)?,
                Act::Hear(_) => {}
                Act::RequestRefund => apply(&mut payment, Cause::RefundRequested, &books)?,
                Act::Refund if payment.refund_requested => answers.push(books.give_back()),
                Act::Refund => {}
            }
            prop_assert!(payment.status != PaymentStatus::Failed || !books.charged(), "failed, yet charged later");
        }
        // In the end somebody settles it, and gives back what was asked back.
        let settled = books.post(Some(Refusal::Void));
        apply(&mut payment, settled, &books)?;
        if payment.refund_requested {
            let refunded = books.give_back();
            apply(&mut payment, refunded, &books)?;
        }
        let end = match (books.charged(), books.refunds) {
            (true, 0) => PaymentStatus::Captured,
            (true, _) => PaymentStatus::Refunded,
            (false, _) => PaymentStatus::Failed,
        };
        prop_assert_eq!(payment.status, end);
        prop_assert_eq!(payment.clone().outcome().is_ok(), books.charged());
    }
}
