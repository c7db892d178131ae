//! What a video file is, how long it lasts, and how it must lie to play at once. Pure: it says which bytes it needs,
//! and whoever asks reads them from a disk, a bucket or a connection.
//!
//! What a client says of its file is not believed: [`sniff`] looks at its first bytes. [`read`] then goes through it in
//! steps, a bounded number of bounded reads:
//!
//! ```
//! # fn bytes(_: std::ops::Range<u64>) -> Vec<u8> { Vec::new() }
//! # let (kind, size) = (containers::Kind::Mp4, 10);
//! use containers::Step;
//!
//! let mut step = containers::read(kind, size);
//! let facts = loop {
//!     match step {
//!         Step::Read(reader) => {
//!             let found = bytes(reader.range());
//!             step = reader.feed(&found);
//!         }
//!         Step::Done(facts) => break facts,
//!     }
//! };
//! ```
//!
//! No input is an error. Of what cannot be read further nothing is known, and it stays as it is.

mod captions;
mod image;
mod iso;
mod kind;
mod matroska;
mod reader;
#[cfg(test)]
mod tests;

pub use captions::is_webvtt;
pub use image::{Image, sniff_image};
pub use kind::{HEAD, Kind, sniff};
pub use reader::{Facts, LARGEST_READ, Piece, Reader, Step, read};
