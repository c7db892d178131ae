//! What `marquee verify` asks of tickets: its side of the copies (I4).

use db::Db;
use kernel::{Result, TicketId, VideoId};

use crate::model::{Ticket, Video};
use crate::store::{self, Span};

/// A ticket, to be compared with its copies.
///
/// # Errors
/// As the database says; 404 if it is not there.
pub async fn ticket(db: &Db, id: TicketId) -> Result<Ticket> {
    store::read(db, id).await
}

/// Tickets after `after` in order of their ids, at most `limit`.
///
/// # Errors
/// As the database says.
pub async fn tickets_after(db: &Db, after: Option<TicketId>, limit: i64) -> Result<Vec<Ticket>> {
    store::all(db, &Span { after, limit, descending: false }).await
}

/// Copies of videos after `after` in order of their ids, at most `limit`.
///
/// # Errors
/// As the database says.
pub async fn video_copies_after(db: &Db, after: Option<VideoId>, limit: i64) -> Result<Vec<Video>> {
    store::videos::after(db, after, limit).await
}
