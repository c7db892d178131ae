//! Along the boxes of a file, by their heads alone.

use std::ops::Range;

use super::header::Header;
use super::{moov, shift};
use crate::reader::{Facts, LARGEST_READ, Piece, State, Step};

/// So many boxes are looked at. A file without fragments has a handful.
const MOST: usize = 256;
/// So much is read at once: small boxes lie side by side.
const WINDOW: u64 = 4096;
/// No head of a box is longer.
const LONGEST_HEAD: usize = 16;

/// What is known of a file so far.
#[derive(Debug)]
pub(crate) struct Walk {
    size: u64,
    seen: usize,
    /// Where `ftyp` ends, which stays first: 0 without one.
    ftyp: u64,
    has_mdat: bool,
    /// Whether there is something that would have to move along and cannot, or that cannot be read.
    is_odd: bool,
    moov: Option<Moov>,
}

#[derive(Debug)]
struct Moov {
    range: Range<u64>,
    head: u8,
    /// Whether there is media before it, and it could be moved.
    is_last: bool,
}

impl Walk {
    pub(crate) fn begin(size: u64) -> Step {
        Self { size, seen: 0, ftyp: 0, has_mdat: false, is_odd: false, moov: None }.at(0)
    }

    fn at(self, at: u64) -> Step {
        if at >= self.size {
            return self.end();
        }
        Step::read(at..self.size.min(at.saturating_add(WINDOW)), State::Boxes(self))
    }

    /// Goes on at `at`, where `bytes` are.
    pub(crate) fn boxes(mut self, at: u64, bytes: &[u8]) -> Step {
        let mut here = 0;
        loop {
            let rest = usize::try_from(here).ok().and_then(|here| bytes.get(here..)).unwrap_or_default();
            let start = at.saturating_add(here);
            let left = self.size.saturating_sub(start);
            // A head that the window cuts off is read anew, at the beginning of the next.
            if left == 0 || (rest.len() < LONGEST_HEAD && (rest.len() as u64) < left) {
                return self.at(start);
            }
            let Some(header) = Header::read(rest, left).filter(|_| self.seen < MOST) else {
                self.is_odd = true;
                return self.end();
            };
            self.seen += 1;
            here = here.saturating_add(header.size);
            let range = start..start.saturating_add(header.size);
            match &header.kind {
                b"ftyp" if start == 0 => self.ftyp = range.end,
                b"mdat" => self.has_mdat = true,
                b"moov" if self.moov.is_none() => {
                    let (is_last, head) = (self.has_mdat && !header.is_open, header.head);
                    self.moov = Some(Moov { range, head, is_last });
                    if !is_last {
                        return self.end();
                    }
                }
                // There may be thousands, and no `moov` comes after them.
                b"moof" => {
                    self.is_odd = true;
                    return self.end();
                }
                // Offsets from the beginning of the file are also in indexes of fragments and in items of `meta`.
                b"moov" | b"styp" | b"sidx" | b"ssix" | b"mfra" | b"meta" => self.is_odd = true,
                _ => {}
            }
        }
    }

    /// No more is looked at.
    fn end(self) -> Step {
        let Some(moov) = &self.moov else { return Step::nothing_known() };
        let range = moov.range.clone();
        if range.end.saturating_sub(range.start) > LARGEST_READ {
            return Step::nothing_known();
        }
        Step::read(range, State::Moov(self))
    }

    /// With the bytes of `moov`.
    pub(crate) fn finish(self, bytes: &[u8]) -> Facts {
        let Some(moov) = self.moov else { return Facts::default() };
        let Some((head, content)) = bytes.split_at_checked(moov.head.into()) else { return Facts::default() };
        let duration = moov::lasts(content);
        if self.is_odd || !moov.is_last {
            return Facts { duration, pieces: None };
        }
        let gap = shift::Gap { to: self.ftyp, moov: moov.range.clone(), size: self.size };
        let pieces = gap.moved(head, content).map(|moved| {
            let before = Piece::Upload(0..self.ftyp);
            let media = Piece::Upload(self.ftyp..moov.range.start);
            let after = Piece::Upload(moov.range.end..self.size);
            let mut pieces = vec![before, Piece::Bytes(moved), media, after];
            pieces.retain(|piece| !matches!(piece, Piece::Upload(range) if range.is_empty()));
            pieces
        });
        Facts { duration, pieces }
    }
}
