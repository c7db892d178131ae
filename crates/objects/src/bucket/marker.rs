//! Whose a bucket is, or what lies in it below a prefix, by a small object in it.

use kernel::{Error, Result};
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use super::{Bucket, failed};
use crate::store::MARKER;

impl Bucket {
    /// Whose this is, if that was said.
    pub(crate) async fn owner(&self) -> Result<Option<String>> {
        let marker = match self.0.s3.get(&self.path(MARKER)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            marker => marker.map_err(failed)?.bytes().await.map_err(failed)?,
        };
        Ok(Some(String::from_utf8_lossy(&marker).trim_end().to_owned()))
    }

    /// Whose this is; `id`'s from now on, if it was nobody's.
    pub(crate) async fn claim(&self, id: &str) -> Result<String> {
        if let Some(owner) = self.owner().await? {
            return Ok(owner);
        }
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.0.s3.put_opts(&self.path(MARKER), payload(id), options).await {
            // Or somebody else was first.
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(e) => return Err(failed(e)),
        }
        self.owner().await?.ok_or_else(|| Error::unavailable("the bucket does not keep what is put into it"))
    }

    /// Makes this `id`'s, whoever's it was.
    pub(crate) async fn adopt(&self, id: &str) -> Result<()> {
        self.0.s3.put(&self.path(MARKER), payload(id)).await.map_err(failed)?;
        Ok(())
    }
}

fn payload(id: &str) -> PutPayload {
    PutPayload::from(id.as_bytes().to_vec())
}
