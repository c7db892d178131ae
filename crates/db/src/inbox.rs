//! The inbox: which version of each aggregate this service has heard. The mark is made in the
//! transaction of the effect, so that an effect happens once however often the event arrives.

use kernel::Result;

use crate::Tx;

const MARK: &str = "INSERT INTO inbox (aggregate, version) VALUES ($1, $2)
    ON CONFLICT (aggregate) DO UPDATE SET version = excluded.version WHERE inbox.version < excluded.version
    RETURNING version";

impl Tx {
    /// Marks `version` of `aggregate` as heard. False if it, or a later one, was heard before.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn first_time(&self, aggregate: &str, version: i64) -> Result<bool> {
        Ok(self.optional::<(i64,)>(MARK, &[&aggregate, &version]).await?.is_some())
    }
}
