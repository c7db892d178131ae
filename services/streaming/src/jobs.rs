//! Work in the background, all of it found in rows.

use std::time::Duration;

use ::events::{Job, every};
use kernel::{Kind, ObjectId, Result};
use objects::Failures;

use crate::seats::{NOTED_EVERY, PAUSE};
use crate::store::uploads::{self, Upload};
use crate::store::{self, sittings};
use crate::{Streaming, meters};

/// How often it is looked for uploads whose time is up, or that were left half-finished.
const UPLOADS: Duration = Duration::from_secs(30);
/// And for objects that nobody needs, videos of those who are gone, and what else grows. Each fails for itself.
const SWEEP: Duration = Duration::from_secs(3600);
const BATCH: i64 = 100;
/// Where more than this, and more than half of all, seems to be garbage, something else is wrong.
const MANY: usize = 20;

pub(crate) fn all(streaming: &Streaming) -> Vec<Job> {
    let leaving = streaming.clone();
    vec![
        Job::new("streaming: let objects go", move |stop| async move {
            let step = || async { leaving.let_objects_go().await };
            every("streaming: let objects go", UPLOADS, &leaving.0.leaving, stop, step).await;
        }),
        {
            let this = streaming.clone();
            Job::periodic("streaming: end uploads", UPLOADS, move || {
                let this = this.clone();
                async move { this.end_uploads().await }
            })
        },
        {
            let this = streaming.clone();
            Job::periodic("streaming: note who watches", NOTED_EVERY, move || {
                let this = this.clone();
                async move { this.note_seats().await }
            })
        },
        {
            let this = streaming.clone();
            Job::periodic("streaming: collect objects", SWEEP, move || {
                let this = this.clone();
                async move { this.collect(false).await.map(drop) }
            })
        },
        {
            let this = streaming.clone();
            Job::periodic("streaming: finish departures", SWEEP, move || {
                let this = this.clone();
                async move { this.finish_departures().await }
            })
        },
        {
            let this = streaming.clone();
            Job::periodic("streaming: forget sittings", SWEEP, move || {
                let this = this.clone();
                async move { this.prune().await }
            })
        },
    ]
}

/// What was found in storage that no video needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unneeded {
    /// The objects.
    pub objects: Vec<ObjectId>,
    /// Whether they stay though it was no dry run: they are most of all objects.
    pub suspicious: bool,
}

impl Streaming {
    /// Has storage let objects go that are to leave.
    pub(crate) async fn let_objects_go(&self) -> Result<()> {
        loop {
            let objects = store::removals(&self.0.db, BATCH).await?;
            let mut stays = None;
            for object in &objects {
                match self.0.objects.remove(*object).await {
                    Ok(()) => store::removed(&self.0.db, *object).await?,
                    // It is tried again, and the others are not to wait for it.
                    Err(error) => {
                        tracing::warn!(object = %object, error = ?error, "an object could not be let go");
                        store::stays(&self.0.db, *object).await?;
                        stays = Some(error);
                    }
                }
            }
            if let Some(error) = stays {
                return Err(error);
            }
            if objects.len() < usize::try_from(BATCH).unwrap_or(usize::MAX) {
                return Ok(());
            }
        }
    }

    /// Finishes uploads that somebody began to finish and then was gone or failed, and gives up those whose time is up.
    pub(crate) async fn end_uploads(&self) -> Result<()> {
        let now = self.0.web.clock().now();
        for upload in uploads::left(&self.0.db, now, BATCH).await? {
            let id = upload.id;
            if let Err(error) = self.finish(upload, None, None).await {
                tracing::warn!(upload = %id, error = ?error, "an upload that was left could not be finished");
            }
        }
        for upload in uploads::expired(&self.0.db, now, BATCH).await? {
            let id = upload.id;
            let is_whole = match self.is_whole(&upload).await {
                Ok(is_whole) => is_whole,
                // What nobody knows is not given up.
                Err(error) => {
                    tracing::warn!(upload = %id, error = ?error, "it is not known how far an upload has come");
                    continue;
                }
            };
            if is_whole {
                // It comes again after a rest; the others are not to wait for it.
                if let Err(error) = self.finish(upload, None, None).await {
                    tracing::warn!(upload = %id, error = ?error, "an upload that is whole could not be finished");
                }
            } else {
                meters::given_up();
                self.give_up(&upload).await?;
            }
        }
        Ok(())
    }

    /// Whether all of an upload is here, and may be a video.
    async fn is_whole(&self, upload: &Upload) -> Result<bool> {
        if upload.kind != uploads::Kind::Resumable || upload.refused.is_some() {
            return Ok(false);
        }
        match self.0.objects.uploaded(upload.object_id).await {
            Ok(end) => Ok(end >= upload.length.unsigned_abs()),
            Err(error) if error.kind == Kind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Forgets whoever has no name and has not watched for a day, and what was to be forgotten and is no sitting any more.
    pub(crate) async fn prune(&self) -> Result<()> {
        let now = self.0.web.clock().now();
        while !sittings::prune(&self.0.db, now - PAUSE * 48, now - PAUSE).await? {}
        Ok(())
    }

    pub(crate) async fn finish_departures(&self) -> Result<()> {
        loop {
            let mut gone = 0;
            for user in store::departed(&self.0.db, BATCH).await? {
                gone += self.0.db.write(|tx| async move { self.let_go_of(&tx, user, BATCH).await }).await?;
            }
            self.0.leaving.notify_one();
            if gone == 0 {
                return Ok(());
            }
        }
    }

    /// Lets objects go of which nothing here speaks; a `dry` run only finds them. They are listed before it is looked who
    /// speaks of them, and whoever uploads speaks first, so none is taken for garbage that is only young.
    ///
    /// # Errors
    /// As the database and storage say; where an object could not be let go, all others were nevertheless.
    pub async fn collect(&self, dry: bool) -> Result<Unneeded> {
        let (mut found, mut all, mut after) = (Vec::new(), 0, None);
        loop {
            let objects = self.0.objects.list(after).await?;
            let Some(last) = objects.last().copied() else { break };
            all += objects.len();
            for object in objects {
                if !store::is_known(&self.0.db, object).await? {
                    found.push(object);
                }
            }
            after = Some(last);
        }
        let has_rows = store::any(&self.0.db).await?;
        let suspicious = !dry && is_suspicious(found.len(), all, has_rows);
        if suspicious {
            let (orphans, objects) = (found.len(), all);
            tracing::error!(
                orphans,
                objects,
                "most objects belong to no video: is this their database? They stay"
            );
        }
        let (stay, mut failures) = (dry || suspicious, Failures::default());
        if !stay {
            for object in &found {
                failures.gone(*object, self.0.objects.remove(*object).await);
            }
        }
        meters::orphans(if stay { found.len() } else { failures.count() });
        failures.report(Unneeded { objects: found, suspicious })
    }
}

/// Whether so much `garbage` among `all` objects is too much to be believed: they are most of them, or whoever has to know
/// what is needed `has_rows` of nothing at all. Then it is rather the database that is new, or another one.
fn is_suspicious(garbage: usize, all: usize, has_rows: bool) -> bool {
    let is_most = garbage > MANY && garbage * 2 > all;
    is_most || (garbage > 0 && !has_rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heap_of_garbage_is_not_believed() {
        for (garbage, all, has_rows, suspicious) in [
            (0, 0, false, false),
            (0, 100, true, false),
            (1, 1, true, false),
            (1, 1, false, true),
            (20, 20, true, false),
            (21, 42, true, false),
            (21, 41, true, true),
        ] {
            assert_eq!(is_suspicious(garbage, all, has_rows), suspicious, "{garbage} of {all}, {has_rows}");
        }
    }
}
