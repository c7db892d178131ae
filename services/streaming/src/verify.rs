//! What `marquee verify` asks of streaming: that each video's object is there, and what its copies of others say.

use db::Db;
use kernel::{ObjectId, OrderId, Result, TicketId, VideoId};
use web::Span;

use crate::model::Video;
use crate::store::{self, admissions};

pub use crate::store::admissions::{OrderCopy, TicketCopy};

/// Objects that videos and what belongs to them need, after the video `after`; and the last video of these.
///
/// # Errors
/// As the database says.
pub async fn needed(
    db: &Db,
    after: Option<VideoId>,
    limit: i64,
) -> Result<(Vec<(VideoId, ObjectId)>, Option<VideoId>)> {
    let videos = store::all(db, &Span { after, limit, descending: false }).await?;
    let mut needed = Vec::new();
    for video in &videos {
        needed.push((video.id, video.object_id));
        needed.extend(video.poster.iter().map(|poster| (video.id, poster.object_id)));
        let captions = store::captions(db, video.id).await?;
        needed.extend(captions.into_iter().map(|(_, object)| (video.id, object)));
    }
    Ok((needed, videos.last().map(|video| video.id)))
}

/// Videos after `after` in order of their ids, at most `limit`.
///
/// # Errors
/// As the database says.
pub async fn videos_after(db: &Db, after: Option<VideoId>, limit: i64) -> Result<Vec<Video>> {
    store::all(db, &Span { after, limit, descending: false }).await
}

/// Copies of tickets after `after` in order of their ids, at most `limit`.
///
/// # Errors
/// As the database says.
pub async fn ticket_copies_after(db: &Db, after: Option<TicketId>, limit: i64) -> Result<Vec<TicketCopy>> {
    admissions::tickets_after(db, after, limit).await
}

/// Copies of orders after `after` in order of their ids, at most `limit`.
///
/// # Errors
/// As the database says.
pub async fn order_copies_after(db: &Db, after: Option<OrderId>, limit: i64) -> Result<Vec<OrderCopy>> {
    admissions::orders_after(db, after, limit).await
}
