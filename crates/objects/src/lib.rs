//! Objects: bytes that never change once they are there. Whoever needs them speaks to [`Objects`], and cannot tell
//! whether storage runs in this process or behind HTTP.
//!
//! An object begins as an upload, to which bytes are appended; [`Objects::publish`] makes of its bytes the object, all
//! at once. Both go by one id, which whoever uploads chooses and keeps before the first byte arrives: so everything
//! that was ever begun has a row somewhere, and can be collected.

mod bucket;
#[cfg(any(test, feature = "cases"))]
pub mod cases;
mod conditions;
mod disk;
mod entity;
mod garbage;
mod part;
mod parts;
mod plan;
mod ranges;
mod remote;
mod settings;
mod signature;
mod store;
pub mod wire;

use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use futures_util::future::BoxFuture;
use kernel::{ObjectId, Result};

pub use bucket::Kept;
pub use entity::Entity;
pub use garbage::Failures;
pub use part::Laid;
pub use plan::{Content, Plan, Slice, plan};
pub use remote::Remote;
pub use settings::{Hidden, Place, Settings};
pub use signature::Signer;
pub use store::{Lying, Publication, Sink, Store};

/// Where objects are.
pub trait Objects: Send + Sync {
    /// Begins an upload, or does nothing if it was begun.
    fn begin(&self, id: ObjectId) -> BoxFuture<'_, Result<()>>;

    /// Appends `body` at `offset`, which must be where the upload ends; as much of it as arrives is kept.
    ///
    /// # Errors
    /// 404 without such an upload; 409 if it ends elsewhere; 413 for what is beyond `most`; 507 on a full disk.
    fn append(&self, id: ObjectId, part: Part) -> BoxFuture<'_, Result<Appended>>;

    /// Where an upload ends, or the object that it became.
    ///
    /// # Errors
    /// 404 without such an upload.
    fn uploaded(&self, id: ObjectId) -> BoxFuture<'_, Result<u64>>;

    /// A part of an upload, or of the object that it became, at most 64 MiB; shorter where that ends.
    ///
    /// # Errors
    /// 404 without such an upload.
    fn read_upload(&self, id: ObjectId, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>>;

    /// Makes an object of an upload: its bytes as they are, or `pieces` of it one after the other. Doing it twice is
    /// doing it once.
    ///
    /// # Errors
    /// 404 without such an upload; 507 on a full disk.
    fn publish(&self, id: ObjectId, pieces: Option<Vec<Piece>>) -> BoxFuture<'_, Result<Stored>>;

    /// Lets an upload go, or the object that it became. Without one it does nothing.
    fn remove(&self, id: ObjectId) -> BoxFuture<'_, Result<()>>;

    /// Answers a GET or a HEAD for an object: by Range and preconditions (RFC 9110, sections 13 and 14).
    ///
    /// # Errors
    /// 404 without such an object.
    fn answer(&self, id: ObjectId, asked: Asked) -> BoxFuture<'_, Result<Response>>;

    /// At most 1,000 objects after `after`, in the order of their ids.
    fn list(&self, after: Option<ObjectId>) -> BoxFuture<'_, Result<Vec<ObjectId>>>;
}

/// What is appended to an upload.
pub struct Part {
    /// Where.
    pub offset: u64,
    /// How long the upload may become, in bytes.
    pub most: u64,
    /// What arrives.
    pub body: Body,
    /// What its SHA-256 (`sha-256`) or SHA-1 (`sha1`, which tus asks for) has to be.
    pub digest: Option<Digest>,
    /// Whether all of it is here already, and is not long: it has places of its own, which no upload from afar takes.
    pub at_hand: bool,
}

/// What bytes have to add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Digest {
    /// SHA-1: 20 bytes.
    Sha1(Vec<u8>),
    /// SHA-256: 32 bytes.
    Sha256(Vec<u8>),
}

/// What came of appending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Where the upload ends now; what is before that is durable.
    pub offset: u64,
    /// How the body came.
    pub came: Came,
}

/// How a body came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Came {
    /// To its end.
    Whole,
    /// It broke off. What came is appended, unless all of it was to have a digest.
    Broken,
    /// To its end, but with other bytes than its digest has it. Nothing is appended.
    Spoilt,
}

/// A part of what an object is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// What is there in the upload.
    Upload(Range<u64>),
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// In bytes.
    pub size: u64,
    /// Of its bytes, in hexadecimal.
    pub sha256: String,
}

/// What is asked of an object.
#[derive(Debug, Clone)]
pub struct Asked {
    /// GET or HEAD.
    pub method: Method,
    /// Range, `If-Range` and the preconditions are read from these.
    pub headers: HeaderMap,
    /// What the answer says that it is.
    pub content_type: String,
    /// Whether the connection takes files ([`sendfile`]).
    pub by_sendfile: bool,
}
