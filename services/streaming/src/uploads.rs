//! An upload's life: noted before storage hears of it, filled by one request or by many, finished or given up.

use std::time::Duration;

use contracts::Visibility;
use futures_util::FutureExt as _;
use kernel::{Error, Kind as Failing, ObjectId, Result, UserId, VideoId};
use objects::{Appended, Part};

use crate::store::uploads::{self, Kind, Upload};
use crate::telling::telling;
use crate::{Streaming, model};

/// An upload by one request that has not been heard of for so long has nobody any more.
const SIGN_OF_LIFE: Duration = Duration::from_secs(600);
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Uploads that one user may have under way.
const UNDER_WAY: i64 = 20;

/// What an uploader says of a video, to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    /// What the file is called where it comes from.
    pub name: String,
    /// A title, if they gave one.
    pub title: Option<String>,
    /// Who may watch it.
    pub visibility: Visibility,
    /// In bytes, if it is said.
    pub length: Option<u64>,
    /// `Upload-Metadata` as it was given, of a resumable one.
    pub metadata: Option<String>,
}

impl Streaming {
    /// Notes an upload, and has storage expect it.
    ///
    /// # Errors
    /// 413 beyond the limit; 507 beyond the quota; 409 with too many under way.
    pub(crate) async fn begin(&self, owner: UserId, wish: Wish, kind: Kind) -> Result<Upload> {
        let clock = self.0.web.clock();
        let limit = self.0.settings.limit;
        if wish.length.is_some_and(|length| length > limit) {
            return Err(self.too_large());
        }
        let name = model::file_name(&wish.name, "mp4");
        let quota = i64::try_from(self.0.settings.quota).unwrap_or(i64::MAX);
        // Of what does not say how long it will be, what room there is, is set aside.
        let length = match wish.length {
            Some(length) => i64::try_from(length).unwrap_or(i64::MAX),
            None => {
                let room = quota - uploads::used(&self.0.db, owner).await?;
                if room <= 0 {
                    return Err(self.over_quota());
                }
                room.min(i64::try_from(limit).unwrap_or(i64::MAX))
            }
        };
        let upload = Upload {
            id: VideoId::new(clock),
            object_id: ObjectId::new(clock),
            owner_id: owner,
            kind,
            length,
            title: wish.title.unwrap_or_else(|| model::title(&name)),
            name,
            visibility: wish.visibility,
            expires_at: clock.now() + self.kept(kind),
            refused: None,
            metadata: wish.metadata,
        };
        if !uploads::begin(&self.0.db, &upload, quota, UNDER_WAY).await? {
            return Err(self.over_quota());
        }
        let given_up = self.unless_kept(upload.clone());
        self.0.objects.begin(upload.object_id).await?;
        given_up.keep();
        Ok(upload)
    }

    /// How long an upload is kept that nobody goes on with.
    pub(crate) fn kept(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Once | Kind::Attached => SIGN_OF_LIFE,
            Kind::Resumable => self.0.settings.kept,
        }
    }

    fn over_quota(&self) -> Error {
        let quota = crate::bytes::told(self.0.settings.quota);
        Error::new(
            Failing::Full,
            format!("That is more than the {quota} that you may keep: delete a video first"),
        )
    }

    pub(crate) fn too_large(&self) -> Error {
        let limit = crate::bytes::told(self.0.settings.limit);
        Error::new(Failing::TooLarge, format!("A video must be at most {limit}"))
    }

    /// Appends to an upload; while bytes come, it is kept.
    ///
    /// # Errors
    /// 429 for whoever sends too many at once.
    pub(crate) async fn append(&self, upload: &Upload, part: Part) -> Result<Appended> {
        let _sending = self.0.senders.send(upload.owner_id, upload.object_id)?;
        let until = || self.0.web.clock().now() + self.kept(upload.kind);
        let keep = || uploads::put_off(&self.0.db, upload.id, until());
        keep().await?;
        telling(TOLD_EVERY, keep, self.0.objects.append(upload.object_id, part)).await?
    }

    /// Somebody's uploads, the latest first, with how much of each is here.
    pub(crate) async fn under_way(&self, user: UserId) -> Result<Vec<(Upload, u64)>> {
        let mut all = Vec::new();
        for upload in uploads::of_owner(&self.0.db, user).await? {
            let offset = match &upload.refused {
                None => match self.0.objects.uploaded(upload.object_id).await {
                    Err(error) if error.kind == Failing::NotFound => {
                        // It is over since, or storage never heard of it.
                        if uploads::find(&self.0.db, upload.id).await?.is_none() {
                            continue;
                        }
                        0
                    }
                    offset => offset?,
                },
                Some(_) => 0,
            };
            all.push((upload, offset));
        }
        Ok(all)
    }

    /// Gives one's own upload up.
    ///
    /// # Errors
    /// 404, also for another's.
    pub(crate) async fn terminate(&self, user: UserId, id: VideoId) -> Result<()> {
        let own = |upload: &Upload| upload.owner_id == user && upload.kind == Kind::Resumable;
        let upload = uploads::find(&self.0.db, id).await?.filter(own);
        self.give_up(&upload.ok_or_else(Error::not_found)?).await
    }

    /// Has an upload given up when it is dropped, unless it was kept: its request ended, however it did.
    pub(crate) fn unless_kept(&self, upload: Upload) -> Abandon {
        Abandon { streaming: self.clone(), upload: Some(upload) }
    }

    /// Gives an upload up; its bytes go soon.
    pub(crate) async fn give_up(&self, upload: &Upload) -> Result<()> {
        uploads::give_up(&self.0.db, upload).await?;
        self.0.leaving.notify_one();
        Ok(())
    }
}

/// Gives an upload up when it is dropped.
pub(crate) struct Abandon {
    streaming: Streaming,
    upload: Option<Upload>,
}

impl Abandon {
    /// The upload is to stay.
    pub(crate) fn keep(mut self) {
        self.upload = None;
    }
}

impl Drop for Abandon {
    fn drop(&mut self) {
        let Some(upload) = self.upload.take() else { return };
        let streaming = self.streaming.clone();
        // At the end of a process there is nobody who would: the next start finds the row.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let giving_up = async move { streaming.give_up(&upload).await };
            runtime.spawn(giving_up.map(|given| {
                if let Err(error) = given {
                    tracing::warn!(error = ?error, "an upload that nobody needs stays until its time is up");
                }
            }));
        }
    }
}
