//! What the calls take, as the API's reference says it. Nothing is ever made of these: `api::wish` reads the
//! members, with a sentence for each that is wrong.
#![allow(dead_code)]

use kernel::OrderId;
use utoipa::ToSchema;

/// What is to be paid, and with what.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct PaymentBody {
    order_id: OrderId,
    /// What the gateway gave for a card. The built-in one takes Stripe's test tokens.
    #[schema(
        min_length = 1,
        max_length = 255,
        example = "tok_visa",
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    token: String,
}

/// Nothing has to be said.
#[derive(ToSchema)]
pub(crate) struct RefundBody {}
