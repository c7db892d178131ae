//! The files that the cases are about.

use std::fs;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

/// A file that is asked for. Those that are long enough begin as an mp4 does, so that they pass for videos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum File {
    /// 10,000 bytes, the length in the RFC's examples.
    Whole,
    /// No bytes.
    Empty,
    /// One byte.
    One,
    /// 5 GiB of zeros but for [`File::marks`]: more than 32 bits count.
    Huge,
}

/// How long a mark is, in bytes.
const MARK: u64 = 4_096;

impl File {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Whole, Self::Empty, Self::One, Self::Huge];

    /// What it is called where it is served.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Empty => "empty",
            Self::One => "one",
            Self::Huge => "huge",
        }
    }

    /// In bytes.
    pub fn size(self) -> u64 {
        match self {
            Self::Whole => 10_000,
            Self::Empty => 0,
            Self::One => 1,
            Self::Huge => 5 << 30,
        }
    }

    /// Where it is not zero: all of it, but for the huge one, which is made by writing these and setting its length.
    pub fn marks(self) -> Vec<Range<u64>> {
        let size = self.size();
        match self {
            Self::Huge => {
                let around = |at: u64| at - MARK / 2..at + MARK / 2;
                vec![0..MARK, around(1 << 31), around(1 << 32), size - MARK..size]
            }
            _ => std::iter::once(0..size).collect(),
        }
    }

    /// What is there. `range` lies within the file and within memory.
    pub fn bytes(self, range: Range<u64>) -> Vec<u8> {
        let marks = self.marks();
        let is_marked = |at: u64| marks.iter().any(|mark| mark.contains(&at));
        range.map(|at| if is_marked(at) { self.mark(at) } else { 0 }).collect()
    }

    /// Makes the file at `path`; of the huge one only what is not zero takes room.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(self, path: &Path) -> io::Result<()> {
        let mut file = fs::File::create(path)?;
        for mark in self.marks() {
            file.seek(SeekFrom::Start(mark.start))?;
            file.write_all(&self.bytes(mark))?;
        }
        file.set_len(self.size())
    }

    /// A byte that differs from those around it, and from what is there 256 or 65,536 bytes on.
    fn mark(self, at: u64) -> u8 {
        let start = self.boxes();
        let within = usize::try_from(at).ok().and_then(|at| start.get(at));
        let mixed = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        within.copied().unwrap_or(u8::try_from(mixed).unwrap_or_default())
    }

    /// The beginning of an mp4: `ftyp`, and an `mdat` that reaches to the end (ISO/IEC 14496-12, section 4.2).
    fn boxes(self) -> &'static [u8] {
        match self {
            Self::Whole | Self::Huge => b"\0\0\0\x18ftypisom\0\0\x02\0isommp41\0\0\0\0mdat",
            Self::Empty | Self::One => b"",
        }
    }
}
