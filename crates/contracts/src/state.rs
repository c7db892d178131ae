//! The state of each aggregate as its events carry it. Members are named as on the wire.

use kernel::{Instant, Money, OrderId, PaymentId, PlayId, SessionId, TicketId, UserId, VideoId};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Writes an enum's text once, for the wire, for the database and for the API's reference.
macro_rules! text_enum {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }
        impl $name {
            /// The text on the wire and in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
            /// Reads [`Self::as_str`] back.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let texts = [$($text),+];
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some(concat!($($doc),*).trim_ascii()))
                    .enum_values(Some(texts))
                    .into()
            }
        }
        impl ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

text_enum! {
    /// Where an order stands. All but `cancelled` hold capacity.
    OrderStatus {
        /// Held, not paid.
        Created = "created",
        /// Money is in flight.
        AwaitingPayment = "awaiting:payment",
        /// Paid.
        Complete = "complete",
        /// Let go.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// Why an order was cancelled; late money may revive an expired one only.
    CancelReason {
        /// Its buyer gave it up.
        Buyer = "buyer",
        /// Its hold ran out.
        Expired = "expired",
        /// Its payment was given back.
        Refunded = "refunded",
    }
}

text_enum! {
    /// Where a payment stands.
    PaymentStatus {
        /// The gateway has been asked, or is about to be.
        Pending = "pending",
        /// The money is ours.
        Captured = "captured",
        /// The money went back.
        Refunded = "refunded",
        /// The gateway declined, or was never reached.
        Failed = "failed",
    }
}

text_enum! {
    /// What a user may do.
    Role {
        /// Buys and sells.
        User = "user",
        /// Runs the house.
        Operator = "operator",
    }
}

text_enum! {
    /// Who may watch a video besides its owner.
    Visibility {
        /// Anybody.
        Public = "public",
        /// Holders of a completed order for a ticket that admits to it, while that is open.
        Ticket = "ticket",
        /// Nobody.
        Private = "private",
    }
}

/// A ticket. `version` grows by one with each act of its owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketState {
    /// The ticket.
    pub id: TicketId,
    /// 0 at its creation.
    pub version: i64,
    /// Its seller.
    pub user_id: UserId,
    /// What it admits to, in words.
    pub title: String,
    /// For one unit.
    pub price: Money,
    /// How many units there are, as its seller asked.
    pub capacity: i64,
    /// Whether its seller took it from sale.
    pub withdrawn: bool,
    /// When it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Instant>,
    /// The video that it admits to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_id: Option<VideoId>,
    /// From when the video may be watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Instant>,
    /// Until when the video may be watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<Instant>,
}

/// The ticket of an order, as it was when the order was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderTicket {
    /// The ticket.
    pub id: TicketId,
    /// Its title.
    pub title: String,
    /// Its price for one unit.
    pub price: Money,
    /// Its version.
    pub version: i64,
    /// Who sells it.
    pub seller_id: UserId,
}

/// An order. Every transition is a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderState {
    /// The order.
    pub id: OrderId,
    /// 0 at its creation.
    pub version: i64,
    /// Its buyer.
    pub user_id: UserId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it was cancelled, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<CancelReason>,
    /// How many units.
    pub quantity: i64,
    /// For all units.
    pub amount: Money,
    /// When an unpaid hold ends.
    pub expires_at: Instant,
    /// What it holds.
    pub ticket: OrderTicket,
    /// The payment in flight or captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<PaymentId>,
    /// A captured payment that must go back because of this version. Set in that one version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<PaymentId>,
}

/// Capacity as orders keep it, published when it differs from what the seller asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StockState {
    /// The ticket.
    pub ticket_id: TicketId,
    /// Counts these events from 0.
    pub version: i64,
    /// The version of the ticket that asked for less.
    pub ticket_version: i64,
    /// What the capacity is.
    pub capacity: i64,
}

/// A hold's end has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpirationState {
    /// The order whose hold it is.
    pub order_id: OrderId,
    /// When the hold was to end.
    pub expires_at: Instant,
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentState {
    /// The payment.
    pub id: PaymentId,
    /// 0 at its creation.
    pub version: i64,
    /// What it pays for.
    pub order_id: OrderId,
    /// Who pays.
    pub user_id: UserId,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub status: PaymentStatus,
    /// Whether the money has been asked back; `status` says whether it is.
    pub refund_requested: bool,
}

/// A user, without anything secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserState {
    /// The user.
    pub id: UserId,
    /// 0 at sign-up.
    pub version: i64,
    /// Address, as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Public name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// What they may do.
    pub role: Role,
    /// The number of the change that made this version, of all changes of all users; 0 where it was not counted yet.
    #[serde(default)]
    pub change: i64,
    /// The address that the version before had and this one has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_email: Option<String>,
    /// The public name that the version before had and this one has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_username: Option<String>,
}

/// A session that ended before its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionState {
    /// The session.
    pub id: SessionId,
    /// Whose it was.
    pub user_id: UserId,
    /// When it would have ended; it can be forgotten then.
    pub expires_at: Instant,
}

/// A video of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VideoState {
    /// The video.
    pub id: VideoId,
    /// 0 when it was published.
    pub version: i64,
    /// Who uploaded it.
    pub owner_id: UserId,
    /// Its title.
    pub title: String,
    /// The uploaded file's name, made unique. It never changes.
    pub path: String,
    /// Who may watch it.
    pub visibility: Visibility,
    /// In milliseconds, if its container says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<i64>,
    /// Whether there is a poster.
    pub has_poster: bool,
    /// The number of the change that made this version, of all changes of all videos.
    pub change: i64,
}

/// Somebody began to watch: bytes of a video were delivered to a viewer who had not been watching it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayState {
    /// This sitting.
    pub id: PlayId,
    /// 0 as it begins; grows by one with each other order that admits.
    #[serde(default)]
    pub version: i64,
    /// What was watched.
    pub video_id: VideoId,
    /// Who watched, if they were signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The order that admitted them, if it took one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// When the first bytes were delivered; of a later version, the first by its order.
    pub began_at: Instant,
}
