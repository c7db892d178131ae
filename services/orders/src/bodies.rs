//! What the calls take, as the API's reference says it. Nothing is ever made of these: `Orders::wish` reads the
//! members, with a sentence for each that is wrong.
#![allow(dead_code)]

use kernel::TicketId;
use utoipa::ToSchema;

/// What a buyer wants to hold.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct OrderBody {
    ticket_id: TicketId,
    /// How many units, 1 unless it is said. An installation sets the most (`--max-per-order`).
    #[schema(minimum = 1, maximum = 10, example = 2)]
    quantity: Option<i64>,
}
