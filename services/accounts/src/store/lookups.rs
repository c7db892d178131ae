//! Users as they are looked up: each read says as of which change it is true, whether or not it finds somebody.

use cache::Read;
use db::{Db, FromRow, Row};
use kernel::{Instant, Result, UserId};

use crate::known::{Known, LookUp};
use crate::model::User;

const BY_ID: &str =
    "SELECT c.latest, u.id, u.version, u.email, u.username, u.role, u.created_at, u.change, u.changed_at
    FROM changes c LEFT JOIN users u ON u.id = $1";
const BY_EMAIL: &str =
    "SELECT c.latest, u.id, u.version, u.email, u.username, u.role, u.created_at, u.change, u.changed_at
    FROM changes c LEFT JOIN users u ON u.email_key = $1";
const BY_USERNAME: &str =
    "SELECT c.latest, u.id, u.version, u.email, u.username, u.role, u.created_at, u.change,
        u.changed_at
    FROM changes c LEFT JOIN users u ON u.username_key = $1";

const LATEST: &str = "SELECT latest FROM changes";

struct Looked(Read<Known>);

impl FromRow for Looked {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let stamp = row.get(0)?;
        let Some(id) = row.get::<Option<UserId>>(1)? else { return Ok(Self(Read { value: None, stamp })) };
        let (version, email, username) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let user = User { id, version, email, username, role: row.get(5)?, created_at: row.get(6)? };
        let (change, changed_at): (i64, Instant) = (row.get(7)?, row.get(8)?);
        Ok(Self(Read { value: Some(Known::new(user, change, changed_at)), stamp }))
    }
}

/// Who is there, as of the last change.
pub(crate) async fn look_up(db: &Db, key: &LookUp) -> Result<Read<Known>> {
    let Looked(read) = match key {
        LookUp::Id(id) => db.one(BY_ID, &[id]).await?,
        LookUp::Email(key) => db.one(BY_EMAIL, &[key]).await?,
        LookUp::Username(key) => db.one(BY_USERNAME, &[key]).await?,
    };
    Ok(read)
}

/// The number of the last change of all.
pub(crate) async fn latest(db: &Db) -> Result<i64> {
    let (latest,) = db.one(LATEST, &[]).await?;
    Ok(latest)
}
