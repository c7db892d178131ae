//! Going through a file in steps.

use std::ops::Range;
use std::time::Duration;

use crate::{Kind, iso, matroska};

/// No step asks for more, in bytes.
pub const LARGEST_READ: u64 = 32 << 20;
/// What lasts longer is not believed.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// What was found out about a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// How long it plays, to the millisecond, if it says so: a stream that was recorded live does not.
    pub duration: Option<Duration>,
    /// Where the file lies so that a player would need its end before it can begin: what to make it of instead, one after
    /// the other. `None`: it is good as it is, or too odd to be touched.
    pub pieces: Option<Vec<Piece>>,
}

/// A part of what a rearranged file is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What is there in the file that was uploaded.
    Upload(Range<u64>),
}

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// Bytes are needed.
    Read(Reader),
    /// It is finished.
    Done(Facts),
}

/// Waits for bytes of a file.
#[derive(Debug)]
pub struct Reader {
    range: Range<u64>,
    state: State,
}

#[derive(Debug)]
pub(crate) enum State {
    Boxes(iso::Walk),
    Moov(iso::Walk),
    Elements(matroska::Walk),
    Info,
}

/// Begins with a file of `size` bytes. There are at most 258 reads.
pub fn read(kind: Kind, size: u64) -> Step {
    match kind {
        Kind::Mp4 | Kind::QuickTime => iso::Walk::begin(size),
        Kind::WebM | Kind::Matroska => matroska::Walk::begin(size),
        // How long it lasts would be in its last pages, and few browsers of today play it.
        Kind::Ogg => Step::Done(Facts::default()),
    }
}

impl Reader {
    /// Which bytes are needed: at least one, at most [`LARGEST_READ`], and all of them within the file.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Goes on with the bytes of that range. If they are fewer, the file is not what it said, and nothing is known of it.
    pub fn feed(self, bytes: &[u8]) -> Step {
        if u64::try_from(bytes.len()).ok() != self.range.end.checked_sub(self.range.start) {
            return Step::Done(Facts::default());
        }
        match self.state {
            State::Boxes(walk) => walk.boxes(self.range.start, bytes),
            State::Moov(walk) => Step::Done(walk.finish(bytes)),
            State::Elements(walk) => walk.elements(self.range.start, bytes),
            State::Info => Step::Done(matroska::told(bytes)),
        }
    }
}

impl Step {
    pub(crate) fn read(range: Range<u64>, state: State) -> Self {
        Self::Read(Reader { range, state })
    }

    pub(crate) fn nothing_known() -> Self {
        Self::Done(Facts::default())
    }
}

/// `units` of `per_second`, to the nearest millisecond. None for what is nothing, or absurd.
pub(crate) fn duration(units: u64, per_second: u32) -> Option<Duration> {
    let (units, per_second) = (u128::from(units), u128::from(per_second));
    let millis = (units * 1000 + per_second / 2).checked_div(per_second)?;
    let duration = Duration::from_millis(u64::try_from(millis).ok()?);
    (!duration.is_zero() && duration <= LONGEST).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_rounded_and_believed_within_reason() {
        assert_eq!(duration(1001, 30_000), Some(Duration::from_millis(33)));
        assert_eq!(duration(1, 600), Some(Duration::from_millis(2)));
        assert_eq!(duration(0, 600), None);
        assert_eq!(duration(10, 0), None);
        assert_eq!(duration(1, 1_000_000), None);
        assert_eq!(duration(u64::MAX, 1), None);
        assert_eq!(duration(u64::MAX, u32::MAX), None);
        assert_eq!(duration(30 * 24 * 3600, 1), Some(LONGEST));
        assert_eq!(duration(30 * 24 * 3600 * 1000 + 1, 1000), None);
    }
}
