//! Objects in an S3 bucket, below a prefix: `objects/<id>`, and `uploads/<id>/<part>` for what is not an object yet;
//! `installation` says whose they are.
//!
//! A bucket's answers are not trusted with preconditions: those are settled here, and what is then read names the
//! version that it is read from (`If-Match`).

mod edges;
mod marker;
mod sink;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use data_encoding::HEXLOWER;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use kernel::{Error, ObjectId, Result};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::{
    ClientOptions, GetOptions, ObjectStore as _, ObjectStoreExt as _, PutPayload, RetryConfig,
};
use ring::digest::{Context, SHA256};

use crate::part::{Laid, Stretch};
use crate::settings::Settings;
use crate::store::Lying;
use crate::{Piece, Slice, Stored, part};

pub(crate) use sink::Sink;

/// S3's parts but for the last are at least 5 MiB, and at most 10,000: this allows 78 GiB, and more where the size is
/// known to be larger.
const PART: u64 = 8 * 1024 * 1024;
const MOST_PARTS: u64 = 10_000;

/// A bucket of objects. Clones share it.
#[derive(Clone)]
pub struct Bucket(Arc<Inner>);

struct Inner {
    s3: AmazonS3,
    prefix: String,
    edges: edges::Edges,
}

/// An object as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The object.
    pub id: ObjectId,
    /// In bytes.
    pub size: u64,
    /// The bucket's own entity tag of it, if it is in one.
    pub tag: Option<String>,
}

impl Bucket {
    /// The bucket that `settings` name. It is not asked yet.
    ///
    /// # Errors
    /// `Invalid` for an address that is none.
    pub fn open(settings: &Settings, bucket: &str, prefix: &str) -> Result<Self> {
        // A body is read as slowly as a viewer watches: what has a bound is the silence.
        let client = ClientOptions::new()
            .with_timeout_disabled()
            .with_read_timeout(Duration::from_secs(30))
            .with_connect_timeout(Duration::from_secs(5))
            .with_allow_http(true);
        let retries =
            RetryConfig { max_retries: 5, retry_timeout: Duration::from_secs(20), ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&settings.region)
            .with_virtual_hosted_style_request(settings.endpoint.is_none())
            .with_client_options(client)
            .with_retry(retries);
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some((id, secret)) = &settings.credentials {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret.reveal());
        }
        let s3 = builder.build().map_err(|e| {
            let told = "OBJECTS_URL is no bucket: give s3://bucket/prefix, with AWS_ENDPOINT_URL, AWS_REGION, \
                        AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where they are needed";
            Error::invalid(told).because(e)
        })?;
        Ok(Self(Arc::new(Inner { s3, prefix: prefix.to_owned(), edges: edges::Edges::new() })))
    }

    fn path(&self, rest: &str) -> Path {
        Path::from(format!("{}/{rest}", self.0.prefix))
    }

    fn object(&self, id: ObjectId) -> Path {
        self.path(&format!("objects/{id}"))
    }

    fn part(&self, id: ObjectId, name: &str) -> Path {
        self.path(&format!("uploads/{id}/{name}"))
    }

    /// Begins to append to an upload, at `start`.
    pub(crate) fn sink(&self, id: ObjectId, start: u64) -> Sink {
        Sink::new(self.clone(), id, start)
    }

    async fn put(&self, path: &Path, bytes: Vec<Bytes>) -> Result<Option<String>> {
        let put = self.0.s3.put(path, PutPayload::from_iter(bytes)).await.map_err(failed)?;
        Ok(put.e_tag)
    }

    async fn delete(&self, path: &Path) -> Result<()> {
        absent_is_fine(self.0.s3.delete(path).await)
    }

    /// Some of an upload's bytes.
    pub(crate) async fn read(&self, id: ObjectId, stretches: Vec<Stretch>) -> Result<Bytes> {
        let mut all = Vec::new();
        let mut bytes = self.bytes(id, stretches);
        while let Some(chunk) = bytes.try_next().await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }

    fn bytes(&self, id: ObjectId, stretches: Vec<Stretch>) -> BoxStream<'static, Result<Bytes>> {
        let this = self.clone();
        let each = futures_util::stream::iter(stretches).then(move |stretch| {
            let this = this.clone();
            async move {
                match stretch {
                    Stretch::Bytes(bytes) => Ok(futures_util::stream::iter([Ok(bytes)]).boxed()),
                    Stretch::Part { name, range } => this.stream(&this.part(id, &name), range, None).await,
                }
            }
        });
        each.try_flatten().boxed()
    }

    async fn stream(
        &self,
        path: &Path,
        range: Range<u64>,
        tag: Option<String>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        let options = GetOptions { range: Some(range.into()), if_match: tag, ..GetOptions::default() };
        let got = self.0.s3.get_opts(path, options).await.map_err(failed)?;
        Ok(got.into_stream().map_err(failed).boxed())
    }

    /// Begins to write an object of `size` in parts, if it takes more than one; answers by what name that can be given up.
    pub(crate) async fn begin(&self, id: ObjectId, size: u64) -> Result<Option<String>> {
        if size <= PART {
            return Ok(None);
        }
        self.0.s3.create_multipart(&self.object(id)).await.map(Some).map_err(failed)
    }

    /// Gives up what was begun.
    pub(crate) async fn give_up(&self, id: ObjectId, multipart: &str) -> Result<()> {
        absent_is_fine(self.0.s3.abort_multipart(&self.object(id), &multipart.to_owned()).await)
    }

    /// Makes the object of an upload's parts; it is there all at once.
    pub(crate) async fn publish(
        &self,
        id: ObjectId,
        parts: &[Laid],
        pieces: Option<Vec<Piece>>,
        multipart: Option<String>,
    ) -> Result<(Stored, Option<String>)> {
        let whole: u64 = parts.iter().map(|part| part.length).sum();
        let stretches = part::stretches(parts, &pieces.unwrap_or_else(|| vec![Piece::Upload(0..whole)]))?;
        let size: u64 = stretches.iter().map(Stretch::len).sum();
        let (path, mut digest) = (self.object(id), Context::new(&SHA256));
        let mut bytes = self.bytes(id, stretches);
        let at_once = PART.max(size.div_ceil(MOST_PARTS));
        let (mut waiting, mut held, mut written) = (Vec::new(), 0, Vec::<PartId>::new());
        while let Some(mut chunk) = bytes.try_next().await? {
            digest.update(&chunk);
            // However the bytes came, the parts are the same, and so is the tag that a bucket makes of them.
            while let Some(multipart) = &multipart
                && let Some(rest) = usize::try_from(at_once - held).ok().filter(|rest| *rest <= chunk.len())
            {
                waiting.push(chunk.split_to(rest));
                written.push(
                    self.put_part(&path, multipart, written.len(), std::mem::take(&mut waiting)).await?,
                );
                held = 0;
            }
            held += chunk.len() as u64;
            waiting.push(chunk);
        }
        let tag = match &multipart {
            None => self.put(&path, waiting).await?,
            Some(multipart) => {
                if held > 0 {
                    written.push(self.put_part(&path, multipart, written.len(), waiting).await?);
                }
                self.0.s3.complete_multipart(&path, multipart, written).await.map_err(failed)?.e_tag
            }
        };
        Ok((Stored { size, sha256: HEXLOWER.encode(digest.finish().as_ref()) }, tag))
    }

    async fn put_part(
        &self,
        path: &Path,
        multipart: &String,
        at: usize,
        bytes: Vec<Bytes>,
    ) -> Result<PartId> {
        self.0.s3.put_part(path, multipart, at, PutPayload::from_iter(bytes)).await.map_err(failed)
    }

    /// Lets an object and everything of its upload go; what is not there is let go already.
    pub(crate) async fn remove(&self, id: ObjectId) -> Result<()> {
        self.0.edges.forget(id);
        self.delete(&self.object(id)).await?;
        self.clear(id).await
    }

    /// Lets go what is left of an upload.
    pub(crate) async fn clear(&self, id: ObjectId) -> Result<()> {
        let folder = self.path(&format!("uploads/{id}"));
        let mut parts = self.0.s3.list(Some(&folder));
        while let Some(part) = parts.try_next().await.map_err(failed)? {
            self.delete(&part.location).await?;
        }
        Ok(())
    }

    /// The object, if it is there.
    pub(crate) async fn find(&self, id: ObjectId) -> Result<Option<Kept>> {
        match self.0.s3.head(&self.object(id)).await {
            Ok(about) => Ok(Some(Kept { id, size: about.size, tag: about.e_tag })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(failed(e)),
        }
    }

    /// Whether the bucket answers to us.
    pub(crate) async fn ping(&self) -> Result<()> {
        match self.0.s3.head(&self.path("ping")).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(failed(e)),
        }
    }

    /// Everything that lies here, by ids. What has another name is not ours.
    pub(crate) async fn list(&self) -> Result<Lying> {
        let mut lying = Lying::default();
        let objects = self.path("objects");
        let mut all = self.0.s3.list(Some(&objects));
        while let Some(object) = all.try_next().await.map_err(failed)? {
            lying.objects.extend(object.location.filename().and_then(|name| name.parse::<ObjectId>().ok()));
        }
        let uploads = self.path("uploads");
        let mut parts = self.0.s3.list(Some(&uploads));
        while let Some(part) = parts.try_next().await.map_err(failed)? {
            let id = part.location.parts().rev().nth(1).and_then(|name| name.as_ref().parse().ok());
            if lying.uploads.last() != id.as_ref() {
                lying.uploads.extend(id);
            }
        }
        Ok(lying)
    }

    /// The bytes of an object that `slices` ask for, as they come. What is asked of the bucket first is awaited, so that a
    /// bucket that is away is a 503 and not half an answer.
    pub(crate) async fn body(&self, kept: &Kept, slices: Vec<Slice>) -> Result<Body> {
        let (this, kept) = (self.clone(), kept.clone());
        let each = futures_util::stream::iter(slices).then(move |slice| {
            let (this, kept) = (this.clone(), kept.clone());
            async move {
                match slice {
                    Slice::Bytes(bytes) => futures_util::stream::iter([Ok(bytes)]).boxed(),
                    Slice::Object(range) => edges::body(this, kept, range),
                }
            }
        });
        let mut bytes = each.flatten().boxed();
        let first = match bytes.next().await {
            Some(Err(e)) => return Err(e),
            first => futures_util::stream::iter(first),
        };
        Ok(Body::from_stream(first.chain(bytes)))
    }
}

fn absent_is_fine(done: object_store::Result<()>) -> Result<()> {
    match done {
        Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
        Err(e) => Err(failed(e)),
    }
}

fn failed(e: object_store::Error) -> Error {
    match e {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            Error::unavailable("the bucket refuses: see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
                .because(e)
        }
        _ => Error::unavailable("the bucket is away").because(e),
    }
}
