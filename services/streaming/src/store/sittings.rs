//! Who watched what, and how far.

use std::time::Duration;

use contracts::{Event, PlayState};
use db::{Db, Param, Tx, from_row};
use kernel::{Instant, OrderId, PlayId, Result, UserId, VideoId};
use web::Span;

/// Whoever is second, in whatever process, finds that somebody has just sat down.
const BEGIN: &str = "INSERT INTO sittings
        (viewer, video_id, user_id, play_id, order_id, play_version, began_at, watched_at, position, played, told,
            forgotten)
    VALUES ($1, $2, $3, $4, $5, 0, $6, $6, 0, 0, FALSE, FALSE)
    ON CONFLICT (viewer, video_id) DO UPDATE SET play_id = excluded.play_id, order_id = excluded.order_id,
        play_version = 0, watched_at = excluded.watched_at, told = FALSE, forgotten = FALSE,
        began_at = CASE WHEN sittings.forgotten THEN excluded.began_at ELSE sittings.began_at END
    WHERE sittings.watched_at <= $7";
/// Another order than before admits.
const ADMIT: &str = "UPDATE sittings SET order_id = $3, play_version = play_version + 1
    WHERE viewer = $1 AND video_id = $2 AND (order_id IS NULL OR order_id <> $3) RETURNING play_id, play_version";
/// What was forgotten begins anew.
const AGAIN: &str =
    "UPDATE sittings SET watched_at = $3, began_at = CASE WHEN forgotten THEN $3 ELSE began_at END,
        forgotten = FALSE
    WHERE viewer = $1 AND video_id = $2";
/// What is delivered runs ahead of what is seen: once a player has said where its viewer is, that counts.
const GO_ON: &str =
    "UPDATE sittings SET watched_at = $3, position = CASE WHEN told THEN position ELSE $4 END,
        played = CASE WHEN played + $5 > $6 THEN $6 ELSE played + $5 END
    WHERE viewer = $1 AND video_id = $2 AND NOT forgotten";
const TOLD: &str = "UPDATE sittings SET watched_at = $3, position = $4, told = TRUE
    WHERE viewer = $1 AND video_id = $2 AND NOT forgotten";
/// What is private now and somebody else's is not told of.
const HISTORY: &str = "SELECT s.video_id, v.title, s.began_at, s.watched_at, s.position, s.played, v.duration
    FROM sittings s JOIN videos v ON v.id = s.video_id
    WHERE s.user_id = $1 AND NOT s.forgotten AND (v.visibility <> 'private' OR v.owner_id = $1)
        AND (s.began_at, s.video_id) > ($2, $3)
    ORDER BY s.began_at, s.video_id LIMIT $4";
const HISTORY_LATEST: &str =
    "SELECT s.video_id, v.title, s.began_at, s.watched_at, s.position, s.played, v.duration
    FROM sittings s JOIN videos v ON v.id = s.video_id
    WHERE s.user_id = $1 AND NOT s.forgotten AND (v.visibility <> 'private' OR v.owner_id = $1)
        AND (s.began_at, s.video_id) < ($2, $3)
    ORDER BY s.began_at DESC, s.video_id DESC LIMIT $4";
const BEGAN: &str = "SELECT began_at FROM sittings WHERE user_id = $1 AND video_id = $2 AND NOT forgotten";
const RECENT: &str = "SELECT s.video_id, v.title, s.began_at, s.watched_at, s.position, s.played, v.duration
    FROM sittings s JOIN videos v ON v.id = s.video_id
    WHERE s.user_id = $1 AND NOT s.forgotten AND (v.visibility <> 'private' OR v.owner_id = $1)
        AND (s.watched_at, s.video_id) < ($2, $3)
    ORDER BY s.watched_at DESC, s.video_id DESC LIMIT $4";
const OF_VIEWER: &str = "SELECT position FROM sittings WHERE viewer = $1 AND video_id = $2 AND NOT forgotten";
const FORGET: &str = "DELETE FROM sittings WHERE video_id = $1";
const FORGET_ONE: &str = "UPDATE sittings SET forgotten = TRUE, position = 0, played = 0, told = FALSE
    WHERE user_id = $1 AND video_id = $2 AND NOT forgotten";
const FORGET_USER: &str = "DELETE FROM sittings WHERE user_id = $1";
const PRUNE_GUESTS: &str = "DELETE FROM sittings WHERE (viewer, video_id) IN
    (SELECT viewer, video_id FROM sittings WHERE user_id IS NULL AND watched_at < $1 LIMIT 1000)";
const PRUNE_FORGOTTEN: &str = "DELETE FROM sittings WHERE (viewer, video_id) IN
    (SELECT viewer, video_id FROM sittings WHERE forgotten AND watched_at < $1 LIMIT 1000)";
/// Those that were begun while it was heard that their viewer is gone.
const PRUNE_DEPARTED: &str = "DELETE FROM sittings WHERE (viewer, video_id) IN
    (SELECT s.viewer, s.video_id FROM departed d CROSS JOIN sittings s WHERE s.user_id = d.user_id LIMIT 1000)";

/// An entry of somebody's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What was watched.
    pub video_id: VideoId,
    /// Its title.
    pub title: String,
    /// When it was first.
    pub began_at: Instant,
    /// When it was last.
    pub watched_at: Instant,
    /// Where to go on, in milliseconds.
    pub position: i64,
    /// How much was played, in milliseconds.
    pub played: i64,
    /// How long the video is, if that is known.
    pub duration: Option<i64>,
}
from_row!(Entry { video_id, title, began_at, watched_at, position, played, duration });

/// Somebody who watches a video.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seat {
    /// A user's id, or what tells viewers without one apart.
    pub viewer: String,
    /// What they watch.
    pub video: VideoId,
    /// Who they are, if they were signed in.
    pub user: Option<UserId>,
}

/// Somebody watches. If they had not been for `pause`, that is a new sitting, and announced; answers
/// whether it is. So is that one goes on by another order, which is the same sitting. Whoever is gone is not noted.
pub async fn sit(
    db: &Db,
    seat: &Seat,
    play: PlayId,
    order: Option<OrderId>,
    pause: Duration,
) -> Result<bool> {
    db.write(|tx| async move {
        if let Some(user) = seat.user
            && super::is_departed(&tx, user).await?
        {
            return Ok(false);
        }
        let now = tx.clock().now();
        let before = now - pause;
        let begun = &[&seat.viewer as &dyn Param, &seat.video, &seat.user, &play, &order, &now, &before];
        let is_new = tx.execute(BEGIN, begun).await? == 1;
        let state = |id, version| PlayState {
            id,
            version,
            video_id: seat.video,
            user_id: seat.user,
            order_id: order,
            began_at: now,
        };
        if is_new {
            tx.emit(&Event::PlayCreated(state(play, 0))).await?;
            return Ok(true);
        }
        tx.execute(AGAIN, &[&seat.viewer, &seat.video, &now]).await?;
        if let Some(order) = order {
            let admitted = tx.optional(ADMIT, &[&seat.viewer, &seat.video, &order]).await?;
            if let Some((id, version)) = admitted {
                tx.emit(&Event::PlayUpdated(state(id, version))).await?;
            }
        }
        Ok(false)
    })
    .await
}

/// How far somebody has come: `position` and `played` more, of at most `duration`, all in milliseconds. False if they
/// have no sitting: it was forgotten.
pub async fn go_on(tx: &Tx, seat: &Seat, position: i64, played: i64, duration: i64) -> Result<bool> {
    let now = tx.clock().now();
    let moved = &[&seat.viewer as &dyn Param, &seat.video, &now, &position, &played, &duration];
    Ok(tx.execute(GO_ON, moved).await? == 1)
}

/// A player says where its viewer is.
pub async fn told(tx: &Tx, seat: &Seat, position: i64) -> Result<bool> {
    Ok(tx.execute(TOLD, &[&seat.viewer, &seat.video, &tx.clock().now(), &position]).await? == 1)
}

/// A part of somebody's history, in order of when they first watched; `None` if they never watched what it should come
/// after.
pub async fn history(db: &Db, user: UserId, span: &Span<VideoId>) -> Result<Option<Vec<Entry>>> {
    let (began, id) = match span.after {
        Some(id) => match db.optional::<(Instant,)>(BEGAN, &[&user, &id]).await? {
            Some((began,)) => (began.as_millis(), id.to_string()),
            None => return Ok(None),
        },
        None => (if span.descending { i64::MAX } else { i64::MIN }, String::new()),
    };
    let sql = if span.descending { HISTORY_LATEST } else { HISTORY };
    db.all(sql, &[&user, &began, &id, &span.limit]).await.map(Some)
}

/// What somebody watched, what they watched last first; after the one that they watched then, if one is given.
pub async fn recent(
    db: &Db,
    user: UserId,
    after: Option<(Instant, VideoId)>,
    limit: i64,
) -> Result<Vec<Entry>> {
    let (watched, id) = match after {
        Some((watched, id)) => (watched.as_millis(), id.to_string()),
        None => (i64::MAX, String::new()),
    };
    db.all(RECENT, &[&user, &watched, &id, &limit]).await
}

/// Where somebody is in a video, if they watched it.
pub async fn position(db: &Db, seat: &Seat) -> Result<Option<i64>> {
    Ok(db.optional::<(i64,)>(OF_VIEWER, &[&seat.viewer, &seat.video]).await?.map(|(position,)| position))
}

/// Nobody has watched a video any more.
pub async fn forget(tx: &Tx, video: VideoId) -> Result<()> {
    tx.execute(FORGET, &[&video]).await.map(drop)
}

/// Somebody has not watched a video any more; false if they never did. That they did is kept for a pause, out of sight.
pub async fn forget_one(db: &Db, user: UserId, video: VideoId) -> Result<bool> {
    db.write(|tx| async move { Ok(tx.execute(FORGET_ONE, &[&user, &video]).await? > 0) }).await
}

/// Somebody is gone.
pub async fn forget_user(tx: &Tx, user: UserId) -> Result<()> {
    tx.execute(FORGET_USER, &[&user]).await.map(drop)
}

/// Lets sittings go that nobody asks for any more: of guests who have not watched since `guests`, those that were
/// forgotten and not watched since `forgotten`, and those of users who are gone. Answers whether that was all of them.
pub async fn prune(db: &Db, guests: Instant, forgotten: Instant) -> Result<bool> {
    let gone = db.write(|tx| async move {
        let guests = tx.execute(PRUNE_GUESTS, &[&guests]).await?;
        let forgotten = tx.execute(PRUNE_FORGOTTEN, &[&forgotten]).await?;
        Ok(guests.max(forgotten).max(tx.execute(PRUNE_DEPARTED, &[]).await?))
    });
    Ok(gone.await? < 1000)
}
