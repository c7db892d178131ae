//! Files built box by box.

use std::ops::Range;

use crate::tests::{arranged, full, of, read, read_by};
use crate::{Facts, Kind, LARGEST_READ, Piece};

fn ftyp() -> Vec<u8> {
    of(b"ftyp", b"isom\0\0\x02\0")
}
fn mvhd() -> Vec<u8> {
    full(b"mvhd", 0, &[&[0; 8], &1000_u32.to_be_bytes()[..], &2500_u32.to_be_bytes(), &[0; 80]].concat())
}
fn stco(offsets: &[u32]) -> Vec<u8> {
    let count = u32::try_from(offsets.len()).unwrap().to_be_bytes();
    full(
        b"stco",
        0,
        &[&count[..], &offsets.iter().flat_map(|o| o.to_be_bytes()).collect::<Vec<_>>()].concat(),
    )
}
fn co64(offsets: &[u64]) -> Vec<u8> {
    let count = u32::try_from(offsets.len()).unwrap().to_be_bytes();
    full(
        b"co64",
        0,
        &[&count[..], &offsets.iter().flat_map(|o| o.to_be_bytes()).collect::<Vec<_>>()].concat(),
    )
}
fn url(flags: u8) -> Vec<u8> {
    of(b"dinf", &full(b"dref", 0, &[&[0, 0, 0, 1][..], &of(b"url ", &[0, 0, 0, flags])].concat()))
}
/// A track with that in its `stbl`.
fn trak(table: &[u8]) -> Vec<u8> {
    let stbl = of(b"stbl", &[full(b"stts", 0, &[0; 4]), table.to_vec(), full(b"stsz", 0, &[0; 8])].concat());
    of(b"trak", &[of(b"tkhd", &[0; 84]), of(b"mdia", &of(b"minf", &[url(1), stbl].concat()))].concat())
}
fn moov(tracks: &[Vec<u8>]) -> Vec<u8> {
    of(b"moov", &[mvhd(), tracks.concat(), of(b"udta", b"\0\0\0\0")].concat())
}
/// A media box whose content begins at 24 if `ftyp` alone is before it.
fn mdat() -> Vec<u8> {
    of(b"mdat", b"abcdefghijklmnop")
}
/// What the file becomes, if it is to be rearranged. It is 2.5 s long either way.
fn rearranged(boxes: &[Vec<u8>]) -> Option<Vec<u8>> {
    let file = boxes.concat();
    let (facts, _) = read(Kind::Mp4, &file);
    assert_eq!(facts.duration.map(|d| d.as_millis()), Some(2500));
    facts.pieces.map(|pieces| arranged(&file, &pieces))
}

#[test]
fn moov_goes_behind_ftyp_and_offsets_with_their_samples() {
    let old = moov(&[trak(&stco(&[24, 30])), trak(&co64(&[26]))]);
    let by = u32::try_from(old.len()).unwrap();
    let new = moov(&[trak(&stco(&[24 + by, 30 + by])), trak(&co64(&[26 + u64::from(by)]))]);
    assert_eq!(rearranged(&[ftyp(), mdat(), old.clone()]), Some([ftyp(), new.clone(), mdat()].concat()));
    let free = || of(b"free", b"free");
    let moved = rearranged(&[ftyp(), mdat(), free(), old, free(), of(b"uuid", &[0; 16])]);
    assert_eq!(moved, Some([ftyp(), new, mdat(), free(), free(), of(b"uuid", &[0; 16])].concat()));
}

#[test]
fn samples_behind_moov_move_only_as_far_as_it_grows() {
    let length = u32::try_from(moov(&[trak(&stco(&[0, 0]))]).len()).unwrap();
    let behind = 40 + length + 8;
    let file = [ftyp(), mdat(), moov(&[trak(&stco(&[24, behind]))]), mdat()];
    let new = moov(&[trak(&stco(&[24 + length, behind]))]);
    assert_eq!(rearranged(&file), Some([ftyp(), new, mdat(), mdat()].concat()));
}

#[test]
fn quicktime_without_ftyp_begins_with_moov() {
    let old = moov(&[trak(&stco(&[16]))]);
    let new = moov(&[trak(&stco(&[16 + u32::try_from(old.len()).unwrap()]))]);
    assert_eq!(rearranged(&[of(b"wide", b""), mdat(), old]), Some([new, of(b"wide", b""), mdat()].concat()));
}

#[test]
fn large_heads_stay_large() {
    let content = [mvhd(), trak(&stco(&[24]))].concat();
    let large = |kind: &[u8; 4], content: &[u8]| {
        [&[0, 0, 0, 1], &kind[..], &(content.len() as u64 + 16).to_be_bytes(), content].concat()
    };
    let old = large(b"moov", &content);
    let by = u32::try_from(old.len()).unwrap();
    let new = large(b"moov", &[mvhd(), trak(&stco(&[24 + by]))].concat());
    assert_eq!(rearranged(&[ftyp(), mdat(), old]), Some([ftyp(), new, mdat()].concat()));
}

#[test]
fn what_is_odd_stays_as_it_is() {
    let plain = || moov(&[trak(&stco(&[24]))]);
    assert!(rearranged(&[ftyp(), mdat(), plain()]).is_some());
    let odd_track = |minf: Vec<u8>| of(b"trak", &of(b"mdia", &of(b"minf", &minf)));
    let mut open = plain();
    open[..4].fill(0);
    let mut short = stco(&[24]);
    short[15] = 2;
    for (what, boxes) in [
        ("it is good", vec![ftyp(), plain(), mdat()]),
        ("no media before it", vec![ftyp(), of(b"free", b""), plain(), mdat()]),
        ("two of them", vec![ftyp(), mdat(), plain(), plain()]),
        ("a fragment", vec![ftyp(), mdat(), plain(), of(b"moof", b"")]),
        ("an index", vec![ftyp(), of(b"sidx", b""), mdat(), plain()]),
        ("items", vec![ftyp(), of(b"meta", b""), mdat(), plain()]),
        ("fragments to come", vec![ftyp(), mdat(), of(b"moov", &[mvhd(), of(b"mvex", &mehd())].concat())]),
        ("no size", vec![ftyp(), mdat(), open]),
        ("too short at the end", vec![ftyp(), mdat(), plain(), b"\0\0\0".to_vec()]),
        ("more than there is", vec![ftyp(), mdat(), plain(), b"\0\0\0\x09free".to_vec()]),
        ("before the media", vec![ftyp(), mdat(), moov(&[trak(&stco(&[15]))])]),
        ("in moov", vec![ftyp(), mdat(), moov(&[trak(&stco(&[40]))])]),
        ("beyond the end", vec![ftyp(), mdat(), moov(&[trak(&co64(&[u64::MAX]))])]),
        ("fewer offsets than it says", vec![ftyp(), mdat(), moov(&[trak(&short)])]),
        ("encryption", vec![ftyp(), mdat(), moov(&[trak(&full(b"saio", 0, &[0; 8]))])]),
        ("another file", vec![ftyp(), mdat(), moov(&[odd_track(url(0))])]),
        ("no reference", vec![ftyp(), mdat(), moov(&[odd_track(of(b"dinf", b""))])]),
        ("items in it", vec![ftyp(), mdat(), moov(&[full(b"meta", 0, &of(b"iloc", b""))])]),
        ("compressed", vec![ftyp(), mdat(), moov(&[of(b"cmov", b"")])]),
        ("damaged", vec![ftyp(), mdat(), moov(&[trak(&stco(&[24])), b"\0\0\0\x07oops".to_vec()])]),
    ] {
        assert_eq!(rearranged(&boxes), None, "{what}");
    }
}

fn mehd() -> Vec<u8> {
    full(b"mehd", 0, &2500_u32.to_be_bytes())
}

/// A file with an `mdat` of zeros that ends with `moov`.
struct Sparse {
    front: Vec<u8>,
    moov: Vec<u8>,
    size: u64,
}

impl Sparse {
    /// Its `mdat` ends at `end`.
    fn new(end: u64, moov: Vec<u8>) -> Self {
        let front = [&ftyp()[..], &[0, 0, 0, 1], b"mdat", &(end - 16).to_be_bytes()].concat();
        let size = end + moov.len() as u64;
        Self { front, moov, size }
    }

    fn bytes(&self, range: Range<u64>) -> Vec<u8> {
        let moov = self.size - self.moov.len() as u64;
        let byte = |at: u64| match at.checked_sub(moov) {
            Some(at) => self.moov[usize::try_from(at).unwrap()],
            None => usize::try_from(at).ok().and_then(|at| self.front.get(at)).copied().unwrap_or(0),
        };
        range.map(byte).collect()
    }

    fn moved(&self) -> Option<Vec<u8>> {
        let (facts, reads) = read_by(Kind::Mp4, self.size, |range| self.bytes(range));
        assert_eq!((facts.duration.map(|d| d.as_millis()), reads), (Some(2500), 3));
        facts.pieces.map(|pieces| match &pieces[..] {
            [Piece::Upload(a), Piece::Bytes(moov), Piece::Upload(b)] => {
                assert_eq!((a, b), (&(0..16), &(16..self.size - self.moov.len() as u64)));
                moov.clone()
            }
            other => panic!("{other:?}"),
        })
    }
}

#[test]
fn offsets_that_grow_beyond_4_gib_become_wide() {
    let four = 1_u64 << 32;
    let near = u32::MAX - 300;
    let old = moov(&[trak(&stco(&[32, near])), trak(&co64(&[64])), trak(&stco(&[96]))]);
    let by = old.len() as u64 + 3 * 4;
    let new = moov(&[
        trak(&co64(&[32 + by, u64::from(near) + by])),
        trak(&co64(&[64 + by])),
        trak(&co64(&[96 + by])),
    ]);
    assert_eq!(new.len() as u64, by);
    assert_eq!(Sparse::new(four, old).moved(), Some(new));
    // Just as far as 32 bits go they stay.
    let length = u32::try_from(moov(&[trak(&stco(&[0]))]).len()).unwrap();
    let last = moov(&[trak(&stco(&[u32::MAX - length]))]);
    assert_eq!(Sparse::new(four, last).moved(), Some(moov(&[trak(&stco(&[u32::MAX]))])));
    let beyond = moov(&[trak(&stco(&[u32::MAX - length + 1]))]);
    assert_eq!(Sparse::new(four, beyond).moved(), Some(moov(&[trak(&co64(&[four + 4]))])));
}

#[test]
fn a_large_file_keeps_its_wide_offsets() {
    let old = moov(&[trak(&co64(&[32, 9 << 32]))]);
    let by = old.len() as u64;
    let new = moov(&[trak(&co64(&[32 + by, (9 << 32) + by]))]);
    assert_eq!(Sparse::new(10 << 32, old).moved(), Some(new));
}

#[test]
fn a_moov_that_is_too_large_is_not_read() {
    let moov = [&(u32::try_from(LARGEST_READ).unwrap() + 1).to_be_bytes()[..], b"moov"].concat();
    let file = [ftyp(), mdat(), moov].concat();
    let size = file.len() as u64 + LARGEST_READ;
    let bytes = |range: Range<u64>| range.map(|at| file.get(at as usize).copied().unwrap_or(0)).collect();
    assert_eq!(read_by(Kind::Mp4, size, bytes), (Facts::default(), 2));
}

#[test]
fn boxes_without_end_are_walked_to_a_bound() {
    let far = of(b"free", &[0; 5000]).repeat(300);
    assert_eq!(read(Kind::Mp4, &[ftyp(), far.clone()].concat()).1, 256);
    let file = [ftyp(), mdat(), moov(&[trak(&stco(&[24]))]), far].concat();
    let (facts, reads) = read(Kind::Mp4, &file);
    assert_eq!((facts.duration.map(|d| d.as_millis()), facts.pieces), (Some(2500), None));
    assert!(reads > 250);
    // A window holds many small ones.
    assert_eq!(read(Kind::Mp4, &[ftyp(), of(b"free", b"").repeat(200)].concat()).1, 1);
}
