//! What streaming and storage say to each other over HTTP.

use axum::body::Bytes;
use data_encoding::HEXLOWER;
use kernel::{Error, ObjectId, Result};
use serde::{Deserialize, Serialize};

use crate::{Appended, Came, Digest, Piece, Stored};

/// Where objects are asked for.
pub const OBJECTS: &str = "/storage/objects";
/// Where uploads are.
pub const UPLOADS: &str = "/storage/uploads";

/// The query of an append.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    /// Where the upload ends.
    pub offset: u64,
    /// How long it may become.
    pub most: u64,
    /// `sha1:` or `sha256:` and hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Whether all of it is here already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_hand: bool,
}

impl Append {
    /// The digest that the bytes must have.
    ///
    /// # Errors
    /// `Invalid` if it is none.
    pub fn digest(&self) -> Result<Option<Digest>> {
        self.digest.as_deref().map(Digest::read).transpose()
    }
}

/// The query of a read of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first byte.
    pub from: u64,
    /// The byte after the last.
    pub until: u64,
}

/// The query of a read of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct As {
    /// What the answer says that it is.
    #[serde(rename = "type")]
    pub content_type: String,
}

/// The query of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// Those after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ObjectId>,
}

/// Where an upload ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// In bytes.
    pub offset: u64,
    /// How what was sent came, if something was.
    pub came: Came,
}

impl From<Appended> for Ended {
    fn from(Appended { offset, came }: Appended) -> Self {
        Self { offset, came }
    }
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// In bytes.
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
}

impl From<Stored> for Object {
    fn from(Stored { size, sha256 }: Stored) -> Self {
        Self { size, sha256 }
    }
}

/// A piece in the first line of what is sent to publish: bytes follow after the line, in order.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Bytes(usize),
    Upload(u64, u64),
}

/// The body of a request to publish.
pub(crate) fn write(pieces: Option<&[Piece]>) -> Result<Vec<u8>> {
    let lines: Option<Vec<Line>> = pieces.map(|pieces| {
        let line = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => Line::Bytes(bytes.len()),
            Piece::Upload(range) => Line::Upload(range.start, range.end),
        };
        pieces.iter().map(line).collect()
    });
    let mut body =
        serde_json::to_vec(&lines).map_err(|e| Error::internal("pieces have no JSON").because(e))?;
    body.push(b'\n');
    for piece in pieces.into_iter().flatten() {
        if let Piece::Bytes(bytes) = piece {
            body.extend_from_slice(bytes);
        }
    }
    Ok(body)
}

/// Reads the body of a request to publish.
///
/// # Errors
/// `Invalid` if it is none.
pub fn read(body: &Bytes) -> Result<Option<Vec<Piece>>> {
    let wrong = || Error::invalid("The pieces are not as streaming writes them");
    let end = body.iter().position(|byte| *byte == b'\n').ok_or_else(wrong)?;
    let lines: Option<Vec<Line>> = serde_json::from_slice(&body[..end]).map_err(|_| wrong())?;
    let mut rest = body.slice(end + 1..);
    let Some(lines) = lines else { return Ok(None) };
    let mut pieces = Vec::with_capacity(lines.len());
    for line in lines {
        pieces.push(match line {
            Line::Bytes(length) if length <= rest.len() => Piece::Bytes(rest.split_to(length)),
            Line::Upload(start, end) if start <= end => Piece::Upload(start..end),
            _ => return Err(wrong()),
        });
    }
    if rest.is_empty() { Ok(Some(pieces)) } else { Err(wrong()) }
}

impl Digest {
    /// As [`Append::digest`] has it.
    pub(crate) fn write(&self) -> String {
        match self {
            Self::Sha1(bytes) => format!("sha1:{}", HEXLOWER.encode(bytes)),
            Self::Sha256(bytes) => format!("sha256:{}", HEXLOWER.encode(bytes)),
        }
    }

    fn read(text: &str) -> Result<Self> {
        let found = text.split_once(':').and_then(|(kind, hex)| {
            match (kind, HEXLOWER.decode(hex.as_bytes()).ok()?) {
                ("sha1", bytes) if bytes.len() == 20 => Some(Self::Sha1(bytes)),
                ("sha256", bytes) if bytes.len() == 32 => Some(Self::Sha256(bytes)),
                _ => None,
            }
        });
        found.ok_or_else(|| Error::invalid("The digest is not as streaming writes it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let all = [
            None,
            Some(vec![]),
            Some(vec![
                Piece::Upload(0..5),
                Piece::Bytes(Bytes::from_static(b"a\nb")),
                Piece::Bytes(Bytes::new()),
                Piece::Upload(7..7),
            ]),
        ];
        for pieces in all {
            assert_eq!(read(&write(pieces.as_deref()).unwrap().into()).unwrap(), pieces);
        }
        for wrong in ["", "[]", "x\n", "[{\"bytes\":2}]\na", "[{\"bytes\":1}]\nab", "[{\"upload\":[2,1]}]\n"]
        {
            assert!(read(&Bytes::from_static(wrong.as_bytes())).is_err(), "{wrong:?}");
        }
        for digest in [Digest::Sha1(vec![7; 20]), Digest::Sha256(vec![9; 32])] {
            assert_eq!(Digest::read(&digest.write()).unwrap(), digest);
        }
        for wrong in ["", "sha1:00", "md5:00", "sha256:zz", "sha1"] {
            assert!(Digest::read(wrong).is_err(), "{wrong}");
        }
    }
}
