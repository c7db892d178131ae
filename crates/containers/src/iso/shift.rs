//! A `moov` that lies elsewhere: what it says of where samples are in the file (`stco` and `co64`, ISO/IEC 14496-12,
//! section 8.7.5) moves along with them.

use std::ops::Range;

use super::header::{Child, Children};

/// The way from `moov` down to where the offsets are.
const PATH: [&[u8; 4]; 4] = [b"trak", b"mdia", b"minf", b"stbl"];

/// Where a `moov` goes, and so what moves.
pub(super) struct Gap {
    pub(super) to: u64,
    /// Where it was, after `to`.
    pub(super) moov: Range<u64>,
    /// Of the file.
    pub(super) size: u64,
}

/// Why a `moov` cannot be written so.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// An offset does not fit in 32 bits any more.
    TooFar,
    /// There is something in it that cannot be moved, or not be read.
    Odd,
}

impl Gap {
    /// The `moov` of that head and content, as it has to be at `to`; `None` if it has to stay where it is.
    pub(super) fn moved(&self, head: &[u8], content: &[u8]) -> Option<Vec<u8>> {
        let length = head.len() + content.len();
        match self.write(head, content, length, false) {
            Ok(moov) => Some(moov),
            Err(Stop::Odd) => None,
            Err(Stop::TooFar) => {
                // With wide offsets it is larger and pushes its samples further. How large, does not depend on how far.
                let length = self.write(head, content, length, true).ok()?.len();
                self.write(head, content, length, true).ok()
            }
        }
    }

    fn write(&self, head: &[u8], content: &[u8], length: usize, wide: bool) -> Result<Vec<u8>, Stop> {
        let length = u64::try_from(length).map_err(|_| Stop::Odd)?;
        let mut out = Writer { gap: self, length, wide, out: Vec::new() };
        out.container(head, content, &PATH)?;
        Ok(out.out)
    }

    /// Where something is that was at `offset`, if `moov` is `length` long now. None for what is not among the samples.
    fn offset(&self, offset: u64, length: u64) -> Option<u64> {
        if (self.to..self.moov.start).contains(&offset) {
            offset.checked_add(length)
        } else if (self.moov.end..self.size).contains(&offset) {
            (offset - (self.moov.end - self.moov.start)).checked_add(length)
        } else {
            None
        }
    }
}

struct Writer<'a> {
    gap: &'a Gap,
    length: u64,
    wide: bool,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn container(&mut self, head: &[u8], content: &[u8], path: &[&[u8; 4]]) -> Result<(), Stop> {
        let start = self.out.len();
        self.out.extend_from_slice(head);
        let mut children = Children::of(content);
        for child in children.by_ref() {
            match path.split_first() {
                Some((next, path)) if &child.kind == *next => {
                    self.container(child.head, child.content, path)?
                }
                _ => self.child(&child)?,
            }
        }
        // QuickTime may end a list of boxes with a zero.
        if !matches!(children.rest, [] | [0, 0, 0, 0]) {
            return Err(Stop::Odd);
        }
        self.out.extend_from_slice(children.rest);
        self.end(start, head.len())
    }

    /// Writes the size of the box that began at `start` into its head.
    fn end(&mut self, start: usize, head: usize) -> Result<(), Stop> {
        let size = self.out.len() - start;
        let field = if head == 16 { start + 8..start + 16 } else { start..start + 4 };
        let number = size.to_be_bytes();
        let field = self.out.get_mut(field).ok_or(Stop::Odd)?;
        // Of the number's eight bytes the last are written. Those before them are zero, for no `moov` comes near 4 GiB.
        field.copy_from_slice(&number[number.len() - field.len()..]);
        Ok(())
    }

    fn child(&mut self, child: &Child<'_>) -> Result<(), Stop> {
        match &child.kind {
            b"stco" => return self.offsets::<4>(child),
            b"co64" => return self.offsets::<8>(child),
            // Fragments; compressed; a reference to other files; offsets of what belongs to samples.
            b"mvex" | b"cmov" | b"rmra" | b"saio" => return Err(Stop::Odd),
            b"meta" | b"udta" if child.content.windows(4).any(|w| w == b"iloc") => return Err(Stop::Odd),
            b"dinf" if !is_here(child.content) => return Err(Stop::Odd),
            _ => {}
        }
        self.out.extend_from_slice(child.head);
        self.out.extend_from_slice(child.content);
        Ok(())
    }

    /// A table of offsets of `N` bytes each.
    fn offsets<const N: usize>(&mut self, table: &Child<'_>) -> Result<(), Stop> {
        let (front, offsets) = table.content.split_at_checked(8).ok_or(Stop::Odd)?;
        let count = u32::from_be_bytes(front.last_chunk().copied().ok_or(Stop::Odd)?);
        let (offsets, rest) = offsets.as_chunks::<N>();
        if usize::try_from(count).ok() != Some(offsets.len()) || !rest.is_empty() {
            return Err(Stop::Odd);
        }
        let (start, widens) = (self.out.len(), N == 4 && self.wide);
        self.out.extend_from_slice(table.head);
        if widens && let Some(kind) = self.out.get_mut(start + 4..start + 8) {
            kind.copy_from_slice(b"co64");
        }
        self.out.extend_from_slice(front);
        for offset in offsets {
            let old = offset.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            let new = self.gap.offset(old, self.length).ok_or(Stop::Odd)?;
            if N == 8 || widens {
                self.out.extend_from_slice(&new.to_be_bytes());
            } else {
                self.out.extend_from_slice(&u32::try_from(new).map_err(|_| Stop::TooFar)?.to_be_bytes());
            }
        }
        self.end(start, table.head.len())
    }
}

/// Whether all of a `dinf`'s data references are to this very file, and not to another one, whose offsets do not move.
fn is_here(dinf: &[u8]) -> bool {
    let Some(entries) = Children::of(dinf).find(b"dref").and_then(|dref| dref.get(8..)) else { return false };
    let mut entries = Children::of(entries);
    entries.all(|entry| entry.content.get(..4).is_some_and(|flags| flags[3] & 1 == 1))
        && entries.rest.is_empty()
}
