//! Files that are uploaded as videos, posters and captions. Whatever they are, reading them ends within its bounds; and a
//! film that is rearranged has all of its bytes but the old `moov`, plays as long as before, and is then good as it is.

#![no_main]

use std::ops::Range;

use containers::{Facts, Kind, LARGEST_READ, Piece, Step, is_webvtt, read, sniff, sniff_image};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let image = sniff_image(file).is_some();
    let captions = is_webvtt(file);
    let kind = sniff(file);
    assert!(u8::from(image) + u8::from(captions) + u8::from(kind.is_some()) <= 1, "it is one thing at most");
    // Each reader is asked, whatever the file seems to be.
    for kind in [Kind::Mp4, Kind::WebM] {
        let facts = facts(kind, &Film { front: file, gap: 0, back: &[] });
        if let Some(pieces) = facts.pieces {
            let moved = arranged(file, &pieces);
            let again = self::facts(kind, &Film { front: &moved, gap: 0, back: &[] });
            assert_eq!(again, Facts { duration: facts.duration, pieces: None });
        }
    }
    far(file);
});

/// A file with zeros in the middle of it.
struct Film<'a> {
    front: &'a [u8],
    gap: u64,
    back: &'a [u8],
}

impl Film<'_> {
    fn size(&self) -> u64 {
        self.front.len() as u64 + self.gap + self.back.len() as u64
    }

    fn bytes(&self, range: &Range<u64>) -> Vec<u8> {
        let back = self.front.len() as u64 + self.gap;
        let mut bytes = within(self.front, range).to_vec();
        let zeros = range.end.min(back).saturating_sub(range.start.max(self.front.len() as u64));
        bytes.resize(bytes.len() + zeros as usize, 0);
        bytes.extend_from_slice(within(
            self.back,
            &(range.start.saturating_sub(back)..range.end.saturating_sub(back)),
        ));
        bytes
    }
}

fn facts(kind: Kind, film: &Film<'_>) -> Facts {
    let mut step = read(kind, film.size());
    for _ in 0..=258 {
        match step {
            Step::Done(facts) => return facts,
            Step::Read(reader) => {
                let range = reader.range();
                assert!(range.start < range.end && range.end <= film.size(), "{range:?} of {}", film.size());
                assert!(range.end - range.start <= LARGEST_READ);
                step = reader.feed(&film.bytes(&range));
            }
        }
    }
    panic!("it does not end");
}

/// The same bytes, torn apart by 4 GiB where the last of them says: offsets become too large for 32 bits. Nobody would
/// write such a film here, so its pieces are only measured.
fn far(file: &[u8]) {
    let (front, back) = file.split_at(file.len().min(file.last().copied().unwrap_or(0).into()));
    let film = Film { front, gap: 1 << 32, back };
    let Some(pieces) = facts(Kind::Mp4, &film).pieces else { return };
    let (mut end, mut kept, mut moov) = (0, 0, 0);
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => moov += bytes.len() as u64,
            Piece::Upload(range) => {
                assert!(
                    end <= range.start && range.start < range.end && range.end <= film.size(),
                    "{range:?}"
                );
                end = range.end;
                kept += range.end - range.start;
            }
        }
    }
    let old = film.size() - kept;
    assert!(old <= moov && moov <= 2 * old, "{moov} bytes instead of {old}");
}

fn arranged(file: &[u8], pieces: &[Piece]) -> Vec<u8> {
    let (mut out, mut end, mut missing) = (Vec::new(), 0, Vec::new());
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => out.extend_from_slice(bytes),
            Piece::Upload(range) => {
                assert!(end <= range.start && range.start < range.end && range.end <= file.len() as u64);
                missing.extend((end < range.start).then_some(end..range.start));
                end = range.end;
                out.extend_from_slice(within(file, range));
            }
        }
    }
    missing.extend((end < file.len() as u64).then_some(end..file.len() as u64));
    let [moov] = missing.as_slice() else { panic!("{missing:?} is missing") };
    assert_eq!(within(file, moov).get(4..8), Some(&b"moov"[..]));
    out
}

/// As much of a range as there is.
fn within<'a>(file: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(file.len());
    &file[at(range.start)..at(range.end)]
}
