//! Real files, which `samples/make` makes, and what becomes of them when they are damaged.

use std::ops::Range;
use std::time::Duration;

use proptest::prelude::*;

use crate::{Facts, HEAD, Kind, LARGEST_READ, Piece, Step, sniff};

macro_rules! sample {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../samples/", $name)))
    };
}

const SAMPLES: [(&str, &[u8]); 11] = [
    sample!("last.mp4"),
    sample!("first.mp4"),
    sample!("fragments.mp4"),
    sample!("indexed.mp4"),
    sample!("last.mov"),
    sample!("vp9.webm"),
    sample!("live.webm"),
    sample!("h264.mkv"),
    sample!("theora.ogv"),
    sample!("sound.m4a"),
    sample!("vorbis.ogg"),
];

fn named(name: &str) -> &'static [u8] {
    SAMPLES.iter().find(|sample| sample.0 == name).unwrap().1
}

/// A box.
pub(crate) fn of(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len() + 8).unwrap().to_be_bytes()[..], kind, content].concat()
}

/// A box with a version, and flags that are zero.
pub(crate) fn full(kind: &[u8; 4], version: u8, content: &[u8]) -> Vec<u8> {
    of(kind, &[&[version, 0, 0, 0], content].concat())
}

/// What is found out about a file, and in how many reads.
pub(crate) fn read(kind: Kind, file: &[u8]) -> (Facts, usize) {
    read_by(kind, file.len() as u64, |range| within(file, &range).to_vec())
}

/// The same of a file whose bytes are made when they are asked for.
pub(crate) fn read_by(kind: Kind, size: u64, bytes: impl Fn(Range<u64>) -> Vec<u8>) -> (Facts, usize) {
    let (mut step, mut reads) = (crate::read(kind, size), 0);
    loop {
        match step {
            Step::Read(reader) => {
                let range = reader.range();
                assert!(range.start < range.end && range.end <= size, "{range:?} of {size}");
                assert!(range.end - range.start <= LARGEST_READ);
                reads += 1;
                assert!(reads <= 258);
                step = reader.feed(&bytes(range));
            }
            Step::Done(facts) => return (facts, reads),
        }
    }
}

pub(crate) fn within<'a>(file: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    &file[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
}

/// What a file becomes. Each of its bytes is still there but for the old `moov`'s, and in the same order.
pub(crate) fn arranged(file: &[u8], pieces: &[Piece]) -> Vec<u8> {
    let (mut out, mut end, mut missing) = (Vec::new(), 0, Vec::new());
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => out.extend(bytes),
            Piece::Upload(range) => {
                assert!(range.start < range.end);
                missing.extend((range.start > end).then_some(end..range.start));
                assert!(range.start >= end);
                end = range.end;
                out.extend(within(file, range));
            }
        }
    }
    missing.extend((end < file.len() as u64).then_some(end..file.len() as u64));
    let [moov] = missing.as_slice() else { panic!("{missing:?} is missing") };
    assert_eq!(&within(file, moov)[4..8], b"moov");
    out
}

/// What lies where the tables of offsets point, in their order: they are found by their names alone.
fn chunks(file: &[u8]) -> Vec<&[u8]> {
    let mut chunks = Vec::new();
    for at in 0..file.len() - 12 {
        let (name, table) = file[at..].split_at(4);
        let width = if name == b"stco" { 4 } else { 8 };
        if name != b"stco" && name != b"co64" {
            continue;
        }
        let count = u32::from_be_bytes(table[4..8].try_into().unwrap());
        for entry in table[8..].chunks_exact(width).take(count as usize) {
            let offset = entry.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
            chunks.push(&file[offset..file.len().min(offset + 8)]);
        }
    }
    chunks
}

#[test]
fn real_files_are_known_and_say_how_long_they_play() {
    for (name, kind, millis) in [
        ("last.mp4", Some(Kind::Mp4), Some(1000)),
        ("first.mp4", Some(Kind::Mp4), Some(1000)),
        ("fragments.mp4", Some(Kind::Mp4), None),
        ("indexed.mp4", Some(Kind::Mp4), None),
        ("last.mov", Some(Kind::QuickTime), Some(1000)),
        ("vp9.webm", Some(Kind::WebM), Some(1008)),
        ("live.webm", Some(Kind::WebM), None),
        ("h264.mkv", Some(Kind::Matroska), Some(1128)),
        ("theora.ogv", Some(Kind::Ogg), None),
        ("sound.m4a", None, None),
        ("vorbis.ogg", None, None),
    ] {
        let file = named(name);
        assert_eq!(sniff(file), kind, "{name}");
        assert_eq!(sniff(&file[..file.len().min(HEAD)]), kind, "{name}");
        let Some(kind) = kind else { continue };
        let (facts, reads) = read(kind, file);
        assert_eq!(facts.duration, millis.map(Duration::from_millis), "{name}");
        assert_eq!(facts.pieces.is_some(), name.starts_with("last"), "{name}");
        assert!(reads <= 3, "{name}");
    }
}

#[test]
fn a_moov_that_is_last_comes_first_and_points_at_the_same_samples() {
    for name in ["last.mp4", "last.mov"] {
        let file = named(name);
        let kind = sniff(file).unwrap();
        let (facts, _) = read(kind, file);
        let pieces = facts.pieces.unwrap();
        assert!(
            matches!(&pieces[..], [Piece::Upload(ftyp), Piece::Bytes(_), Piece::Upload(_)] if ftyp.start == 0)
        );
        let moved = arranged(file, &pieces);
        assert_eq!(moved.len(), file.len());
        assert!(chunks(file).len() >= 2, "{name} has a sound and a picture");
        assert_eq!(chunks(&moved), chunks(file), "{name}");
        assert_eq!(sniff(&moved), Some(kind));
        assert_eq!(read(kind, &moved).0, Facts { duration: facts.duration, pieces: None });
    }
}

#[test]
fn it_is_what_ffmpeg_makes_of_it() {
    // But that ffmpeg drops `free`.
    let moved = arranged(named("last.mp4"), &read(Kind::Mp4, named("last.mp4")).0.pieces.unwrap());
    let moov = |file: &[u8]| {
        let at = file.windows(4).position(|w| w == b"moov").unwrap() - 4;
        let size = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        file[at..at + size].to_vec()
    };
    assert_eq!(moov(&moved).len(), moov(named("first.mp4")).len());
    assert_eq!(chunks(&moved), chunks(named("first.mp4")));
}

#[test]
fn a_file_that_is_shorter_than_it_said_is_let_be() {
    let Step::Read(reader) = crate::read(Kind::Mp4, 5000) else { panic!("it reads") };
    let Step::Done(facts) = reader.feed(&named("last.mp4")[..4095]) else { panic!("it ends") };
    assert_eq!(facts, Facts::default());
    for kind in [Kind::Mp4, Kind::WebM, Kind::Ogg] {
        assert_eq!(read(kind, b""), (Facts::default(), 0));
    }
}

/// Whatever a file is, the reader ends, and what it arranges can be read again and is the same film.
fn is_read_to_an_end(file: &[u8]) {
    let kinds = [Kind::Mp4, Kind::QuickTime, Kind::WebM, Kind::Matroska, Kind::Ogg];
    for kind in kinds.into_iter().chain(sniff(file)) {
        let (facts, _) = read(kind, file);
        if let Some(pieces) = facts.pieces {
            let moved = arranged(file, &pieces);
            assert!(moved.len() >= file.len());
            assert_eq!(read(kind, &moved).0, Facts { duration: facts.duration, pieces: None });
        }
    }
    crate::sniff_image(file);
    crate::is_webvtt(file);
}

proptest! {
    #[test]
    fn anything_is_read_to_an_end(file in prop::collection::vec(any::<u8>(), 0..300)) {
        is_read_to_an_end(&file);
    }

    #[test]
    fn boxes_of_any_kind_are_read_to_an_end(
        boxes in prop::collection::vec((0_usize..8, 0_u32..40, prop::collection::vec(any::<u8>(), 0..40)), 0..12),
    ) {
        let kinds = [b"ftyp", b"mdat", b"moov", b"free", b"trak", b"stco", b"mvhd", b"moof"];
        let mut file = Vec::new();
        for (kind, size, content) in boxes {
            let size = if size > 8 { size } else { u32::try_from(content.len() + 8).unwrap() };
            file.extend([&size.to_be_bytes()[..], kinds[kind], &content].concat());
        }
        is_read_to_an_end(&file);
    }

    #[test]
    fn real_files_may_be_cut_off_and_damaged(
        sample in 0..SAMPLES.len(),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut file = SAMPLES[sample].1.to_vec();
        for (at, byte) in damage {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if is_cut {
            file.truncate(cut.index(file.len()));
        }
        is_read_to_an_end(&file);
    }
}
