//! Making a video of an upload: what it is by its first bytes, how long it lasts, how it has to lie to play at once; then
//! the object, all at once; then its row and its event, in one transaction. Whatever breaks in between is done again by
//! whoever comes next: the request that is repeated, or a job.

use std::time::Duration;

use containers::Step;
use db::{IdempotencyKey, StoredAnswer};
use kernel::{Error, Kind, Result, VideoId};
use objects::Piece;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::known::LookUp;
use crate::model::{self, Video};
use crate::store;
use crate::store::uploads::{self, Taken, Upload};
use crate::telling::telling;
use crate::uploads::Abandon;
use crate::{Streaming, api, meters};

/// Who finishes an upload says so this often, and is believed for twice as long and more.
const TOLD_EVERY: Duration = Duration::from_secs(20);
const BELIEVED: Duration = Duration::from_secs(60);
/// How long a request waits for another that finishes the same upload.
const PATIENCE: Duration = Duration::from_secs(50);
const LOOK: Duration = Duration::from_millis(100);
/// How long it is tried to finish an upload, from when it came whole.
const GIVEN_UP: Duration = Duration::from_secs(86_400);
/// So much longer where all that is wrong may be that something is away.
const AWAY: Duration = Duration::from_secs(6 * 86_400);
/// How long its owner is told that it was given up.
const TOLD: Duration = Duration::from_secs(7 * 86_400);
const NO_ROOM: &str = "For a day there was no room here to make it ready: upload it again later";
const IN_VAIN: &str = "It could not be made ready: upload it again later";
/// The shortest and the longest rest after a failure.
const RESTS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(3600)];
/// Uploads that are looked through and put together at once, here: each takes memory and disk.
pub(crate) const AT_ONCE: usize = 2;
/// What it takes longer to read through than others should wait, in bytes.
const LARGE: usize = 64 * 1024;

/// How long an upload rests that could not be finished, and not so often before.
fn rest(failures: i64) -> Duration {
    let [shortest, longest] = RESTS;
    let doubled = u32::try_from(failures).ok().and_then(|failures| 2_u32.checked_pow(failures));
    doubled.and_then(|times| shortest.checked_mul(times)).map_or(longest, |rest| rest.min(longest))
}

/// What an upload turned out to be.
struct Found {
    content_type: &'static str,
    duration: Option<i64>,
    /// How it must be put together, if not as it is.
    pieces: Option<Vec<Piece>>,
}

impl Streaming {
    /// Makes a video of an upload that is whole; on a task of its own, so that a client that goes away does not stop it.
    /// With a `key`, the answer is kept under it. Whoever would give the upload up, `unless_kept`, comes along, and does so
    /// only if this fails.
    ///
    /// # Errors
    /// 415 for what is no video, and then the upload is over.
    pub(crate) async fn finish(
        &self,
        upload: Upload,
        key: Option<IdempotencyKey>,
        unless_kept: Option<Abandon>,
    ) -> Result<Video> {
        let this = self.clone();
        let finishing = async move {
            let made = this.finish_here(&upload, key.as_ref()).await;
            if made.is_ok()
                && let Some(given_up) = unless_kept
            {
                given_up.keep();
            }
            made
        };
        let done = tokio::spawn(finishing.in_current_span()).await;
        done.map_err(|e| Error::internal("an upload was finished half-way").because(e))?
    }

    async fn finish_here(&self, upload: &Upload, key: Option<&IdempotencyKey>) -> Result<Video> {
        match self.take(upload).await? {
            Some(taken) => self.finish_taken(upload, taken, key).await,
            None => self.settled(upload.id).await,
        }
    }

    /// Finishes an upload that is whole, unless somebody does.
    ///
    /// # Errors
    /// As [`Streaming::finish`].
    pub(crate) async fn finish_if_left(&self, upload: &Upload) -> Result<()> {
        if let Some(taken) = self.take(upload).await? {
            self.finish_taken(upload, taken, None).await?;
        }
        Ok(())
    }

    async fn take(&self, upload: &Upload) -> Result<Option<Taken>> {
        let ends = self.0.web.clock().now() + GIVEN_UP;
        uploads::take(&self.0.db, upload.id, self.believed(), ends).await
    }

    async fn finish_taken(
        &self,
        upload: &Upload,
        taken: Taken,
        key: Option<&IdempotencyKey>,
    ) -> Result<Video> {
        let hold = || uploads::hold(&self.0.db, upload.id, self.believed());
        let made = telling(TOLD_EVERY, hold, self.make(upload, key)).await?;
        match &made {
            Err(error) if error.kind == Kind::UnsupportedType => {
                self.refuse(upload, &error.to_string(), self.kept(upload.kind)).await?;
                meters::refused();
            }
            // Its owner is gone.
            Err(error) if error.kind == Kind::Unauthorized => self.give_up(upload).await?,
            Err(error) => self.failed(upload, &taken, error).await?,
            Ok(_) => meters::published(),
        }
        made
    }

    /// Leaves an upload to whoever tries next, or gives it up once that has failed for long enough.
    async fn failed(&self, upload: &Upload, taken: &Taken, error: &Error) -> Result<()> {
        let now = self.0.web.clock().now();
        let lasts = if error.is_transient() { AWAY } else { Duration::ZERO };
        if upload.kind != uploads::Kind::Resumable || now <= taken.ends_at + lasts {
            return uploads::rest(&self.0.db, upload.id, now + rest(taken.failures)).await;
        }
        tracing::error!(upload = %upload.id, error = ?error, "an upload that is whole is given up: it could not be finished");
        let why = if error.kind == Kind::Full { NO_ROOM } else { IN_VAIN };
        meters::given_up();
        self.refuse(upload, why, TOLD).await
    }

    async fn refuse(&self, upload: &Upload, why: &str, told: Duration) -> Result<()> {
        uploads::refuse(&self.0.db, upload, why, self.0.web.clock().now() + told).await?;
        self.0.leaving.notify_one();
        Ok(())
    }

    fn believed(&self) -> kernel::Instant {
        self.0.web.clock().now() + BELIEVED
    }

    async fn make(&self, upload: &Upload, key: Option<&IdempotencyKey>) -> Result<Video> {
        let turn = self.0.finishing.acquire().await;
        let _turn = turn.map_err(|e| Error::internal("nothing is finished any more").because(e))?;
        let found = self.inspect(upload).await?;
        let stored = self.0.objects.publish(upload.object_id, found.pieces).await?;
        let size = i64::try_from(stored.size).map_err(|_| Error::internal("an object is too large"))?;
        let (content_type, duration) = (found.content_type, found.duration);
        self.0
            .db
            .write(|tx| async move {
                if !uploads::end(&tx, upload.id).await? {
                    return Err(Error::not_found());
                }
                if store::is_departed(&tx, upload.owner_id).await? {
                    return Err(Error::unauthorized());
                }
                // Whoever finishes another of the same name waits here, and then sees this one.
                store::lock(&tx).await?;
                let id = upload.id.to_string();
                let mut path = model::path(&upload.name, None);
                if store::is_taken(&tx, &path).await? {
                    // The end of an id is random.
                    path = model::path(&upload.name, id.get(id.len() - 8..));
                    if store::is_taken(&tx, &path).await? {
                        path = model::path(&upload.name, Some(&id));
                    }
                }
                let video = Video {
                    id: upload.id,
                    version: 0,
                    owner_id: upload.owner_id,
                    title: upload.title.clone(),
                    path,
                    visibility: upload.visibility,
                    size,
                    content_type: content_type.to_owned(),
                    duration,
                    object_id: upload.object_id,
                    poster: None,
                    created_at: tx.clock().now(),
                    change: 0,
                };
                let video = store::insert(&tx, &video).await?;
                if let Some(key) = key {
                    let answer = StoredAnswer { status: 201, body: api::body(&video)? };
                    if !tx.remember(key, Some(&answer)).await? {
                        return Err(Error::unavailable("the first request with this key is still running"));
                    }
                }
                self.changed(&tx, &video, false);
                Ok(video)
            })
            .await
    }

    /// What an upload is, as its bytes say.
    async fn inspect(&self, upload: &Upload) -> Result<Found> {
        let (objects, id) = (&self.0.objects, upload.object_id);
        let size = objects.uploaded(id).await?;
        if size == 0 {
            return Err(Error::new(Kind::UnsupportedType, "This file is empty"));
        }
        let head = objects.read_upload(id, 0..size.min(containers::HEAD as u64)).await?;
        let kind = containers::sniff(&head).ok_or_else(|| {
            Error::new(
                Kind::UnsupportedType,
                "This is no video that can be played here: send MP4, WebM, MOV, MKV or Ogg",
            )
        })?;
        let mut step = containers::read(kind, size);
        let facts = loop {
            match step {
                Step::Read(reader) => {
                    let bytes = objects.read_upload(id, reader.range()).await?;
                    step = if bytes.len() < LARGE {
                        reader.feed(&bytes)
                    } else {
                        let reading = tokio::task::spawn_blocking(move || reader.feed(&bytes));
                        reading.await.map_err(|e| Error::internal("an index was read half-way").because(e))?
                    };
                }
                Step::Done(facts) => break facts,
            }
        };
        let pieces = facts.pieces.map(|pieces| {
            let piece = |piece| match piece {
                containers::Piece::Bytes(bytes) => Piece::Bytes(bytes.into()),
                containers::Piece::Upload(range) => Piece::Upload(range),
            };
            pieces.into_iter().map(piece).collect()
        });
        let duration = facts.duration.and_then(|duration| i64::try_from(duration.as_millis()).ok());
        Ok(Found { content_type: kind.content_type(), duration, pieces })
    }

    /// What becomes of an upload that somebody else finishes.
    async fn settled(&self, id: VideoId) -> Result<Video> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match uploads::find(&self.0.db, id).await? {
                None => return self.video(&LookUp::Id(id)).await.map(Video::from),
                Some(Upload { refused: Some(why), .. }) => {
                    return Err(Error::new(Kind::UnsupportedType, why));
                }
                Some(_) if Instant::now() > deadline => {
                    return Err(Error::unavailable("an upload is being finished"));
                }
                Some(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }
}
