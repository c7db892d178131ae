//! Collecting what nobody needs: uploads that were abandoned, and what lies in the store without a row.
//!
//! A row is there before anything is written and as long as anything is kept, so what was found in the store *before* no
//! row was found is garbage, however young, unless the store is another installation's (`owner.rs`).

use std::collections::HashSet;
use std::time::Duration;

use ::events::Job;
use db::Db;
use kernel::{ObjectId, Result};
use objects::{Failures, Lying, Store};

use crate::{Storage, meters, store};

/// How often it is looked.
const PERIOD: Duration = Duration::from_secs(3600);
/// An upload that nobody has touched for so long is abandoned. Whoever began it lets it go long before that.
const ABANDONED: Duration = Duration::from_secs(72 * 3600);
/// Rows asked for at a time.
const BATCH: usize = 500;

/// What a collection found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Uploads that nobody touched for three days.
    pub abandoned: Vec<ObjectId>,
    /// Objects that lay in the store without a row.
    pub orphans: Vec<ObjectId>,
    /// Uploads of which parts lay in the store without a row: they have become objects, or were let go.
    pub remains: Vec<ObjectId>,
    /// Whether the store is another installation's: then all of it stays, and has its rows there.
    pub is_anothers: bool,
}

pub(crate) fn job(storage: &Storage) -> Job {
    let storage = storage.clone();
    Job::periodic("storage: collect", PERIOD, move || {
        let storage = storage.clone();
        async move { storage.collect(false).await.map(drop) }
    })
}

impl Storage {
    /// Lets go what nobody needs; a `dry` run only finds it.
    ///
    /// # Errors
    /// As the database and the store say; where something could not be let go, all else was nevertheless.
    pub async fn collect(&self, dry: bool) -> Result<Collected> {
        let before = self.0.db.clock().now() - ABANDONED;
        let is_anothers = !self.is_ours().await?;
        let stays = dry || is_anothers;
        let (mut found, mut failures) =
            (Collected { is_anothers, ..Collected::default() }, Failures::default());
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        loop {
            let uploads = store::abandoned(&self.0.db, before, limit).await?;
            let (full, gone) = (uploads.len() == BATCH, found.abandoned.len());
            for (id, _) in uploads {
                if stays || failures.gone(id, self.let_go(id).await) {
                    found.abandoned.push(id);
                }
            }
            // What stays where it is would be found again; so would what fails.
            if stays || !full || found.abandoned.len() == gone {
                break;
            }
        }
        let not_abandoned = failures.count();
        let Garbage { orphans, remains } = garbage(&self.0.db, &self.0.store).await?;
        (found.orphans, found.remains) = (orphans, remains);
        let all = found.abandoned.len() + found.orphans.len() + found.remains.len();
        let left = if stays { all } else { 0 };
        if is_anothers {
            tracing::error!(
                "the store belongs to another installation, and nothing in it is let go: see marquee collect"
            );
        }
        if !stays {
            for id in &found.orphans {
                let _turn = self.turn().await;
                failures.gone(*id, self.0.store.remove(*id).await);
            }
            for id in &found.remains {
                failures.gone(*id, self.0.store.clear(*id).await);
            }
        }
        meters::collected(left + failures.count(), all - left - (failures.count() - not_abandoned));
        meters::kept(store::count_all(&self.0.db).await?);
        if all > 0 {
            let Collected { abandoned, orphans, remains, .. } = &found;
            let (abandoned, orphans, remains) = (abandoned.len(), orphans.len(), remains.len());
            tracing::info!(abandoned, orphans, remains, stays, "collected what nobody needs");
        }
        failures.report(found)
    }
}

/// What has no row.
pub(crate) struct Garbage {
    /// Those without a row.
    pub(crate) orphans: Vec<ObjectId>,
    /// Uploads without a row of which parts lie there.
    pub(crate) remains: Vec<ObjectId>,
}

/// What lies in the store and has no row. It is listed before rows are asked for.
pub(crate) async fn garbage(db: &Db, store: &Store) -> Result<Garbage> {
    let Lying { objects, uploads } = store.list().await?;
    let (mut orphans, mut remains) = (Vec::new(), Vec::new());
    for ids in objects.chunks(BATCH) {
        let known: HashSet<ObjectId> = store::known(db, ids).await?.into_iter().collect();
        orphans.extend(ids.iter().filter(|id| !known.contains(id)));
    }
    for ids in uploads.chunks(BATCH) {
        let begun: HashSet<ObjectId> = store::begun(db, ids).await?.into_iter().collect();
        remains.extend(ids.iter().filter(|id| !begun.contains(id)));
    }
    Ok(Garbage { orphans, remains })
}
