//! A bucket of a test's own on an S3 server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::Signer as _;
use object_store::{ObjectStore as _, ObjectStoreExt as _, RetryConfig};
use reqwest::Method;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::ports::chance;
use crate::{DEADLINE, complain};

/// How long a test that is over waits for its bucket to be removed.
const REMOVE: Duration = Duration::from_secs(10);

/// Where a server is, and the keys of somebody who may do everything.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) endpoint: String,
    pub(crate) key: String,
    pub(crate) secret: String,
}

/// A new bucket, removed again with all that is in it when this is dropped. If its server does not run then, or is
/// paused, it stays until the server goes.
pub struct Bucket {
    access: Access,
    name: String,
    up: Arc<AtomicBool>,
}

impl Bucket {
    /// Creates one; `up` says whether its server runs.
    pub(crate) async fn create(access: &Access, what: &str, up: &Arc<AtomicBool>) -> Result<Self, String> {
        let name = format!("marquee-test-{what}-{:016x}", chance());
        access.ask(Method::PUT, &name).await?;
        Ok(Self { access: access.clone(), name, up: Arc::clone(up) })
    }

    /// Creates one, puts an object into it, and removes both.
    pub(crate) async fn try_out(access: &Access) -> Result<(), String> {
        let name = format!("marquee-test-ready-{:016x}", chance());
        access.ask(Method::PUT, &name).await?;
        let put = access.store(&name).put(&Path::from("ready"), "yes".into()).await;
        access.remove(&name).await?;
        put.map(drop).map_err(|error| error.to_string())
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its server is: `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> &str {
        &self.access.endpoint
    }

    /// An access key that may do everything.
    pub fn access_key(&self) -> &str {
        &self.access.key
    }

    /// The secret that goes with it.
    pub fn secret_key(&self) -> &str {
        &self.access.secret
    }

    /// A way to it past the code under test. What fails is not tried again.
    pub fn store(&self) -> AmazonS3 {
        self.access.store(&self.name)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        if !self.up.load(Ordering::Relaxed) {
            return;
        }
        let (access, name) = (self.access.clone(), self.name.clone());
        // On a thread of its own: where this is dropped a runtime may be in the middle of something, or gone.
        let removing = thread::spawn(move || {
            let runtime =
                Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
            match runtime.block_on(async { timeout(REMOVE, access.remove(&name)).await }) {
                Ok(done) => done,
                Err(_) => Err("it took too long".to_owned()),
            }
        });
        if let Ok(Err(reason)) = removing.join() {
            complain(&format!("the bucket {} could not be removed: {reason}", self.name));
        }
    }
}

impl Access {
    pub(crate) fn new(endpoint: &str, key: &str, secret: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), key: key.to_owned(), secret: secret.to_owned() }
    }

    /// # Panics
    /// If the endpoint is none.
    fn store(&self, bucket: &str) -> AmazonS3 {
        // Whoever was first has installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_region("us-east-1")
            .with_bucket_name(bucket)
            .with_access_key_id(&self.key)
            .with_secret_access_key(&self.secret)
            .with_allow_http(true)
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
        builder.build().expect("the endpoint of an S3 server")
    }

    /// Does `method` to a bucket itself, which a store does not.
    async fn ask(&self, method: Method, bucket: &str) -> Result<(), String> {
        let of_the_bucket = Path::default();
        let signed = self.store(bucket).signed_url(method.clone(), &of_the_bucket, DEADLINE).await;
        let url = signed.map_err(|error| error.to_string())?;
        let answer = reqwest::Client::new().request(method, url).send().await;
        let answer = answer.map_err(|error| format!("{error:?}"))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        Err(format!("{status}: {}", answer.text().await.unwrap_or_default()))
    }

    /// Removes a bucket with all that is in it.
    async fn remove(&self, bucket: &str) -> Result<(), String> {
        let store = self.store(bucket);
        let objects = store.list(None).map_ok(|object| object.location).boxed();
        let removed: Result<Vec<_>, _> = store.delete_stream(objects).try_collect().await;
        removed.map_err(|error| error.to_string())?;
        self.ask(Method::DELETE, bucket).await
    }
}
