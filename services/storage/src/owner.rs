//! Whose a store is. The database has the id of its installation, and the store says by a marker of whose objects it has:
//! where they differ, another installation has rows for what has none here, so nothing of it is let go.

use kernel::Result;

use crate::{Storage, store};

impl Storage {
    /// Whether the store is this installation's; it becomes so if it was nobody's.
    pub(crate) async fn is_ours(&self) -> Result<bool> {
        let id = self.installation().await?;
        Ok(self.0.store.claim(&id).await? == id)
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
