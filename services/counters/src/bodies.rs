//! What the calls take, as the API's reference says it. Nothing is ever made of these: `Increment::read` reads the
//! members, with a sentence for each that is wrong.
#![allow(dead_code)]

use utoipa::ToSchema;

/// What is to be added to which counter.
#[derive(ToSchema)]
pub(crate) struct IncrementBody {
    /// Any text, but for those that begin with `marquee:`, which belong to the system.
    #[schema(min_length = 1, max_length = 256, pattern = r"^(?!marquee:)[^\x00]*$", example = "visits")]
    key: String,
    /// A whole number of 64 bits, 0 and below 0 too; its decimal digits may be sent as text.
    #[schema(minimum = -9_223_372_036_854_775_808_i64, maximum = 9_223_372_036_854_775_807_i64, example = 3)]
    value: i64,
}
