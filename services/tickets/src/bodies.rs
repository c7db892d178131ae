//! What the calls take, as the API's reference says it. Nothing is ever made of these: `Draft::read` reads the
//! members, with a sentence for each that is wrong.
#![allow(dead_code)]

use kernel::{Instant, VideoId};
use utoipa::ToSchema;
use web::Price;

/// What a seller asks for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "title": "Metropolis — with live organ", "price": 24, "capacity": 120, "startsAt": "2026-12-24T19:30:00Z",
}))]
pub(crate) struct TicketBody {
    /// What it admits to, in words; white space around it is dropped.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    title: String,
    price: Price,
    /// How many units there are; 1 unless it is said.
    #[schema(minimum = 1, maximum = 1_000_000)]
    capacity: Option<i64>,
    /// When it begins.
    starts_at: Option<Instant>,
    /// The video that it admits to: one of the seller's own, and not a private one.
    video_id: Option<VideoId>,
    /// From when the video may be watched.
    opens_at: Option<Instant>,
    /// Until when the video may be watched; after `opensAt`.
    closes_at: Option<Instant>,
}
