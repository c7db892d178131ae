//! What an upload consists of before it is an object: parts, each under a name that nobody else writes to. So two who
//! append at once spoil nothing: the one whose parts are noted first has appended, and the other's are garbage.

use std::ops::Range;

use axum::body::Bytes;
use kernel::{Error, Result};

use crate::Piece;

/// A part of an upload that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Laid {
    /// Where in the upload it begins.
    pub start: u64,
    /// In bytes.
    pub length: u64,
    /// Of its own within the upload.
    pub name: String,
}

/// A stretch of what is to be read: bytes at hand, or so much of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stretch {
    Bytes(Bytes),
    Part { name: String, range: Range<u64> },
}

impl Stretch {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Part { range, .. } => range.end - range.start,
        }
    }
}

/// Where `pieces` of an upload lie that consists of `parts`, in their order.
///
/// # Errors
/// `Invalid` for a piece that is not in the upload.
pub(crate) fn stretches(parts: &[Laid], pieces: &[Piece]) -> Result<Vec<Stretch>> {
    let mut all = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => all.push(Stretch::Bytes(bytes.clone())),
            Piece::Upload(range) => within(parts, range.clone(), &mut all)?,
        }
    }
    Ok(all)
}

fn within(parts: &[Laid], range: Range<u64>, all: &mut Vec<Stretch>) -> Result<()> {
    if range.is_empty() && parts.last().map_or(0, |last| last.start + last.length) >= range.end {
        return Ok(());
    }
    let first = parts.partition_point(|part| part.start + part.length <= range.start);
    let mut at = range.start;
    for part in parts.iter().skip(first).take_while(|part| part.start < range.end) {
        let until = range.end.min(part.start + part.length);
        let inside = at - part.start.min(at)..until - part.start;
        all.push(Stretch::Part { name: part.name.clone(), range: inside });
        at = until;
    }
    if at < range.end {
        return Err(Error::invalid("A piece is not in the upload"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(start: u64, length: u64) -> Laid {
        Laid { start, length, name: format!("{start}") }
    }

    fn part(name: &str, range: Range<u64>) -> Stretch {
        Stretch::Part { name: name.into(), range }
    }

    #[test]
    fn pieces_are_found_in_the_parts_that_they_lie_in() {
        let parts = [laid(0, 10), laid(10, 5), laid(15, 100)];
        let of = |range: Range<u64>| stretches(&parts, &[Piece::Upload(range)]);
        assert_eq!(of(0..115).unwrap(), [part("0", 0..10), part("10", 0..5), part("15", 0..100)]);
        assert_eq!(of(3..4).unwrap(), [part("0", 3..4)]);
        assert_eq!(of(9..16).unwrap(), [part("0", 9..10), part("10", 0..5), part("15", 0..1)]);
        assert_eq!(of(10..15).unwrap(), [part("10", 0..5)]);
        assert_eq!(of(20..30).unwrap(), [part("15", 5..15)]);
        assert_eq!(of(7..7).unwrap(), []);
        assert_eq!(of(12..12).unwrap(), []);
        assert_eq!(of(115..115).unwrap(), []);
        assert!(of(114..116).is_err() && of(200..201).is_err());
        let bytes = Bytes::from_static(b"moov");
        let both = stretches(&parts, &[Piece::Bytes(bytes.clone()), Piece::Upload(0..2)]).unwrap();
        assert_eq!(both, [Stretch::Bytes(bytes), part("0", 0..2)]);
        assert!(stretches(&[], &[Piece::Upload(0..1)]).is_err());
    }
}
