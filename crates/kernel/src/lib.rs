//! The words that every service shares: typed ids, money, instants, and a closed set of errors.
//! Nothing here does I/O; time comes from a [`Clock`] that the caller passes in.

mod clock;
mod code;
mod error;
mod id;
mod money;
mod schema;
mod trace;

pub use clock::{Clock, Instant};
pub use code::random_code;
pub use error::{Error, FieldError, Kind, Result};
pub use id::{
    EventId, Id, MalformedId, ObjectId, OrderId, PaymentId, PlayId, SessionId, TicketId, UserId, VideoId,
};
pub use money::{MAX_PRICE, Money, ParseMoneyError};
pub use trace::Trace;
