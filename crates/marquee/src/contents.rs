//! What a backup says of itself in its last entry. One that was cut off has none, at whatever byte that was: a tar file
//! that ends after any of its entries reads as a whole one.

use std::io::{Read, Write};

use kernel::{Error, ObjectId, Result};
use serde::{Deserialize, Serialize};
use tar::{Builder, EntryType, Header};

/// The name of the entry.
pub(crate) const NAME: &str = "contents.json";
/// The longest that it may be.
const MOST: u64 = 64 * 1024 * 1024;
/// Ids that are named in a sentence.
const NAMED: usize = 20;

/// What there is in a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contents {
    /// Databases, and the key, by the names of their files.
    pub files: Vec<String>,
    /// How many objects; none are where they are kept elsewhere.
    pub objects: Option<usize>,
    /// Objects that were not where their rows said when it was written.
    pub missing: Vec<ObjectId>,
}

impl Contents {
    /// Writes the entry.
    pub(crate) fn append(&self, archive: &mut Builder<impl Write>) -> std::io::Result<()> {
        let text = serde_json::to_vec(self)?;
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(text.len() as u64);
        archive.append_data(&mut header, NAME, text.as_slice())
    }

    /// Reads what [`Contents::append`] wrote.
    pub(crate) fn read(entry: impl Read) -> Result<Self> {
        let unread = |e| Error::invalid("the last entry of this backup cannot be read").because(e);
        serde_json::from_reader(entry.take(MOST)).map_err(unread)
    }
}

/// The first of `ids`, to be named in a sentence.
pub(crate) fn named(ids: &[ObjectId]) -> String {
    let mut named = ids.iter().take(NAMED).map(ObjectId::to_string).collect::<Vec<_>>().join(", ");
    if ids.len() > NAMED {
        named.push_str(&format!(", and {} more", ids.len() - NAMED));
    }
    named
}
