//! What `marquee verify` asks of storage: that every row has its object, and every object its row (I7).

use db::Db;
use kernel::{ObjectId, Result};
use objects::Store;

use crate::collect::{self, Garbage};
use crate::store;

const BATCH: i64 = 1000;

/// How many objects there are, and a sentence for each that is not as its row says, or has none.
///
/// # Errors
/// As the database and the store say.
pub async fn objects(db: &Db, kept: &Store) -> Result<(usize, Vec<String>)> {
    let (mut count, mut wrong, mut after) = (0, Vec::new(), None);
    loop {
        let rows = store::list(db, after, BATCH).await?;
        for row in &rows {
            let size = kept.size(row.id).await?;
            if size == Some(row.size.unsigned_abs()) {
                continue;
            }
            // It may have been removed since.
            if store::object(db, row.id).await?.is_some() {
                let is = size.map_or_else(|| "is not there".to_owned(), |size| format!("has {size} bytes"));
                wrong.push(format!("object {} of {} bytes {is}", row.id, row.size));
            }
        }
        count += rows.len();
        match rows.last() {
            Some(last) if rows.len() == usize::try_from(BATCH).unwrap_or(usize::MAX) => after = Some(last.id),
            _ => break,
        }
    }
    let (id, owner) = (store::installation(db).await?, kept.owner().await?);
    if owner.is_some() && owner != id {
        wrong.push("the store says that it is another installation's: see marquee collect".to_owned());
        return Ok((count, wrong));
    }
    let Garbage { orphans, remains } = collect::garbage(db, kept).await?;
    wrong.extend(orphans.iter().chain(&remains).map(|id| format!("{id} lies in the store and has no row")));
    Ok((count, wrong))
}

/// Which of these are objects.
///
/// # Errors
/// As the database says.
pub async fn known(db: &Db, ids: &[ObjectId]) -> Result<Vec<ObjectId>> {
    store::objects(db, ids).await
}
