//! Whose a store is. The database has the id of its installation, and the store says by a marker of whose objects it has:
//! where they differ, another installation has rows for what has none here, so nothing of it is let go.

use kernel::Result;

use crate::{Storage, store};

/// Who is not known.
const SOMEBODY: &str = "somebody";

impl Storage {
    /// Whether the store is this installation's; it becomes so if it was nobody's. Objects that nobody has marked and of
    /// which the database knows none are somebody's, and stay so: it is rather the database that is new.
    pub(crate) async fn is_ours(&self) -> Result<bool> {
        let (id, owner) = (self.installation().await?, self.0.store.owner().await?);
        let owner = match owner {
            Some(owner) => owner,
            None if self.knows_none().await? => self.0.store.claim(SOMEBODY).await?,
            None => self.0.store.claim(&id).await?,
        };
        Ok(owner == id)
    }

    /// Whether objects lie in the store, and none of them has a row.
    async fn knows_none(&self) -> Result<bool> {
        let lying = self.0.store.list().await?.objects;
        for ids in lying.chunks(500) {
            if !store::known(&self.0.db, ids).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(!lying.is_empty())
    }

    /// Makes the store this installation's, whoever's it was.
    ///
    /// # Errors
    /// As the database and the store say.
    pub async fn adopt(&self) -> Result<()> {
        let id = self.installation().await?;
        self.0.store.adopt(&id).await?;
        tracing::info!("the store is this installation's now, whoever's it was");
        Ok(())
    }

    async fn installation(&self) -> Result<String> {
        match store::installation(&self.0.db).await? {
            Some(id) => Ok(id),
            None => store::install(&self.0.db, &kernel::random_code()).await,
        }
    }
}
