//! The events that pass between services. Each carries the whole state of its aggregate at one
//! version, so a copy applies a newer version and ignores an older one.
//!
//! `ticket:created`, `ticket:updated`, `order:created`, `order:cancelled`, `expiration:complete` and
//! `payment:created` are the six of seed 3; the others publish the versions in between.

mod state;

pub use state::{
    CancelReason, ExpirationState, OrderState, OrderStatus, OrderTicket, PaymentState, PaymentStatus,
    PlayState, Role, SessionState, StockState, TicketState, UserState, VideoState, Visibility,
};

use serde::{Deserialize, Serialize};

/// An event: its subject and the state that it announces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "subject", content = "state")]
pub enum Event {
    /// A seller listed a ticket.
    #[serde(rename = "ticket:created")]
    TicketCreated(TicketState),
    /// A seller edited a ticket or withdrew it from sale.
    #[serde(rename = "ticket:updated")]
    TicketUpdated(TicketState),
    /// A buyer holds capacity.
    #[serde(rename = "order:created")]
    OrderCreated(OrderState),
    /// An order moved on and still holds capacity, or a cancelled order asks for a refund.
    #[serde(rename = "order:updated")]
    OrderUpdated(OrderState),
    /// An order let its capacity go.
    #[serde(rename = "order:cancelled")]
    OrderCancelled(OrderState),
    /// Orders kept more capacity than the seller asked for, since it was taken already.
    #[serde(rename = "stock:updated")]
    StockUpdated(StockState),
    /// A hold's time is up.
    #[serde(rename = "expiration:complete")]
    ExpirationComplete(ExpirationState),
    /// A payment was begun: money is in flight.
    #[serde(rename = "payment:created")]
    PaymentCreated(PaymentState),
    /// A payment was captured, failed, or was refunded.
    #[serde(rename = "payment:updated")]
    PaymentUpdated(PaymentState),
    /// Somebody signed up.
    #[serde(rename = "user:created")]
    UserCreated(UserState),
    /// A user's e-mail, name or role changed.
    #[serde(rename = "user:updated")]
    UserUpdated(UserState),
    /// A user is gone.
    #[serde(rename = "user:deleted")]
    UserDeleted(UserState),
    /// A session or API token is no longer valid.
    #[serde(rename = "session:revoked")]
    SessionRevoked(SessionState),
    /// A video was published.
    #[serde(rename = "video:created")]
    VideoCreated(VideoState),
    /// A video's title, visibility or poster changed.
    #[serde(rename = "video:updated")]
    VideoUpdated(VideoState),
    /// A video is gone.
    #[serde(rename = "video:deleted")]
    VideoDeleted(VideoState),
    /// Somebody began to watch a video.
    #[serde(rename = "play:created")]
    PlayCreated(PlayState),
    /// Somebody watches on by another order.
    #[serde(rename = "play:updated")]
    PlayUpdated(PlayState),
}

impl Event {
    /// The subject, e.g. `order:created`.
    pub fn subject(&self) -> &'static str {
        match self {
            Self::TicketCreated(_) => "ticket:created",
            Self::TicketUpdated(_) => "ticket:updated",
            Self::OrderCreated(_) => "order:created",
            Self::OrderUpdated(_) => "order:updated",
            Self::OrderCancelled(_) => "order:cancelled",
            Self::StockUpdated(_) => "stock:updated",
            Self::ExpirationComplete(_) => "expiration:complete",
            Self::PaymentCreated(_) => "payment:created",
            Self::PaymentUpdated(_) => "payment:updated",
            Self::UserCreated(_) => "user:created",
            Self::UserUpdated(_) => "user:updated",
            Self::UserDeleted(_) => "user:deleted",
            Self::SessionRevoked(_) => "session:revoked",
            Self::VideoCreated(_) => "video:created",
            Self::VideoUpdated(_) => "video:updated",
            Self::VideoDeleted(_) => "video:deleted",
            Self::PlayCreated(_) => "play:created",
            Self::PlayUpdated(_) => "play:updated",
        }
    }

    /// The order, if this announces a version of one.
    pub fn order(&self) -> Option<&OrderState> {
        match self {
            Self::OrderCreated(order) | Self::OrderUpdated(order) | Self::OrderCancelled(order) => {
                Some(order)
            }
            _ => None,
        }
    }

    /// The video, if this announces a version of one.
    pub fn video(&self) -> Option<&VideoState> {
        match self {
            Self::VideoCreated(video) | Self::VideoUpdated(video) | Self::VideoDeleted(video) => Some(video),
            _ => None,
        }
    }

    /// The aggregate whose version this is, e.g. `order:0198…`. Order is kept within one aggregate.
    pub fn aggregate(&self) -> String {
        match self {
            Self::TicketCreated(s) | Self::TicketUpdated(s) => format!("ticket:{}", s.id),
            Self::OrderCreated(s) | Self::OrderUpdated(s) | Self::OrderCancelled(s) => {
                format!("order:{}", s.id)
            }
            Self::StockUpdated(s) => format!("stock:{}", s.ticket_id),
            Self::ExpirationComplete(s) => format!("expiration:{}", s.order_id),
            Self::PaymentCreated(s) | Self::PaymentUpdated(s) => format!("payment:{}", s.id),
            Self::UserCreated(s) | Self::UserUpdated(s) | Self::UserDeleted(s) => format!("user:{}", s.id),
            Self::SessionRevoked(s) => format!("session:{}", s.id),
            Self::VideoCreated(s) | Self::VideoUpdated(s) | Self::VideoDeleted(s) => {
                format!("video:{}", s.id)
            }
            Self::PlayCreated(s) | Self::PlayUpdated(s) => format!("play:{}", s.id),
        }
    }

    /// The things that it is about, by the bits of their ids: itself, and what may have been the cause of it or be
    /// changed because of it. A ticket is about itself alone, for the orders of a crowd share it.
    pub fn about(&self) -> impl Iterator<Item = u128> {
        let bits = match self {
            Self::TicketCreated(s) | Self::TicketUpdated(s) => [Some(s.id.as_uuid()), None, None],
            Self::OrderCreated(s) | Self::OrderUpdated(s) | Self::OrderCancelled(s) => {
                let payment = |id: kernel::PaymentId| id.as_uuid();
                [Some(s.id.as_uuid()), s.payment_id.map(payment), s.refund.map(payment)]
            }
            Self::StockUpdated(s) => [Some(s.ticket_id.as_uuid()), None, None],
            Self::ExpirationComplete(s) => [Some(s.order_id.as_uuid()), None, None],
            Self::PaymentCreated(s) | Self::PaymentUpdated(s) => {
                [Some(s.id.as_uuid()), Some(s.order_id.as_uuid()), None]
            }
            Self::UserCreated(s) | Self::UserUpdated(s) | Self::UserDeleted(s) => {
                [Some(s.id.as_uuid()), None, None]
            }
            Self::SessionRevoked(s) => [Some(s.id.as_uuid()), Some(s.user_id.as_uuid()), None],
            Self::VideoCreated(s) | Self::VideoUpdated(s) | Self::VideoDeleted(s) => {
                [Some(s.id.as_uuid()), None, None]
            }
            Self::PlayCreated(s) | Self::PlayUpdated(s) => {
                [Some(s.id.as_uuid()), s.order_id.map(|id| id.as_uuid()), None]
            }
        };
        bits.into_iter().flatten().map(|id| id.as_u128())
    }

    /// The aggregate's version: 0, 1, 2, … without gaps.
    pub fn version(&self) -> i64 {
        match self {
            Self::TicketCreated(s) | Self::TicketUpdated(s) => s.version,
            Self::OrderCreated(s) | Self::OrderUpdated(s) | Self::OrderCancelled(s) => s.version,
            Self::StockUpdated(s) => s.version,
            Self::ExpirationComplete(_) | Self::SessionRevoked(_) => 0,
            Self::PlayCreated(s) | Self::PlayUpdated(s) => s.version,
            Self::VideoCreated(s) | Self::VideoUpdated(s) | Self::VideoDeleted(s) => s.version,
            Self::PaymentCreated(s) | Self::PaymentUpdated(s) => s.version,
            Self::UserCreated(s) | Self::UserUpdated(s) | Self::UserDeleted(s) => s.version,
        }
    }
}

/// The service that publishes a subject; `None` if nobody does.
///
/// An aggregate belongs to one service, so the word before the colon decides.
pub fn publisher(subject: &str) -> Option<&'static str> {
    match subject.split_once(':')?.0 {
        "ticket" => Some("tickets"),
        "order" | "stock" => Some("orders"),
        "expiration" => Some("expiration"),
        "payment" => Some("payments"),
        "user" | "session" => Some("accounts"),
        "video" | "play" => Some("streaming"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Clock, Instant, SessionId, UserId};

    #[test]
    fn a_subject_belongs_to_the_service_of_its_aggregate() {
        assert_eq!(publisher("order:created"), Some("orders"));
        assert_eq!(publisher("stock:updated"), Some("orders"));
        assert_eq!(publisher("session:revoked"), Some("accounts"));
        assert_eq!(publisher("weather:changed"), None);
        assert_eq!(publisher("order"), None);
    }

    #[test]
    fn the_subject_on_the_wire_is_the_subject_in_code() {
        let clock = Clock::system();
        let event = Event::SessionRevoked(SessionState {
            id: SessionId::new(&clock),
            user_id: UserId::new(&clock),
            expires_at: Instant::from_millis(0),
        });
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["subject"], event.subject());
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
    }
}
