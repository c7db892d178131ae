//! What a `moov` says of the whole.

use std::time::Duration;

use super::header::Children;
use crate::reader::duration;

/// How long it plays: by `mehd` if there are fragments, for then the other headers do not count those; else by `mvhd`, or
/// by the longest track (ISO/IEC 14496-12, sections 8.2.2, 8.4.2 and 8.8.2).
pub(super) fn lasts(moov: &[u8]) -> Option<Duration> {
    let boxes = Children::of(moov);
    let (scale, movie) = boxes.find(b"mvhd").and_then(time)?;
    if let Some(mvex) = boxes.find(b"mvex") {
        return duration(Children::of(mvex).find(b"mehd").and_then(fragments)?, scale);
    }
    movie.and_then(|units| duration(units, scale)).or_else(|| boxes.filter_map(track).max())
}

fn track(child: super::header::Child<'_>) -> Option<Duration> {
    let trak = (&child.kind == b"trak").then_some(child.content)?;
    let mdia = Children::of(trak).find(b"mdia")?;
    let (scale, units) = Children::of(mdia).find(b"mdhd").and_then(time)?;
    duration(units?, scale)
}

/// The timescale and the duration in its units, of `mvhd` or `mdhd`, which begin alike. All ones mean that it is unknown.
fn time(header: &[u8]) -> Option<(u32, Option<u64>)> {
    let (version, rest) = (header.first()?, header.get(4..)?);
    // Before them is when it was made and changed.
    let (scale, units) = if *version == 1 { (rest.get(16..)?, true) } else { (rest.get(8..)?, false) };
    let (scale, rest) = scale.split_first_chunk()?;
    Some((u32::from_be_bytes(*scale), number(rest, units)?))
}

fn fragments(mehd: &[u8]) -> Option<u64> {
    number(mehd.get(4..)?, *mehd.first()? == 1)?
}

/// A number of 64 or 32 bits; in it none where it is unknown.
fn number(bytes: &[u8], is_long: bool) -> Option<Option<u64>> {
    Some(if is_long {
        Some(u64::from_be_bytes(*bytes.first_chunk()?)).filter(|n| *n != u64::MAX)
    } else {
        Some(u32::from_be_bytes(*bytes.first_chunk()?)).filter(|n| *n != u32::MAX).map(u64::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{full, of};

    fn header(kind: &[u8; 4], scale: u32, units: u32) -> Vec<u8> {
        full(kind, 0, &[&[0; 8], &scale.to_be_bytes()[..], &units.to_be_bytes()].concat())
    }
    fn long(kind: &[u8; 4], scale: u32, units: u64) -> Vec<u8> {
        full(kind, 1, &[&[0; 16], &scale.to_be_bytes()[..], &units.to_be_bytes()].concat())
    }
    fn trak(mdhd: Vec<u8>) -> Vec<u8> {
        of(b"trak", &of(b"mdia", &mdhd))
    }
    fn millis(boxes: &[Vec<u8>]) -> Option<u128> {
        lasts(&boxes.concat()).map(|d| d.as_millis())
    }

    #[test]
    fn the_movie_says_how_long_it_is() {
        assert_eq!(millis(&[header(b"mvhd", 600, 900)]), Some(1500));
        assert_eq!(millis(&[long(b"mvhd", 1000, 5_000_000_000 / 2)]), Some(2_500_000_000));
        assert_eq!(
            millis(&[of(b"iods", b"x"), header(b"mvhd", 600, 900), trak(header(b"mdhd", 1, 9))]),
            Some(1500)
        );
        assert_eq!(millis(&[]), None);
        assert_eq!(millis(&[header(b"mvhd", 0, 900)]), None);
        assert_eq!(millis(&[of(b"mvhd", &[0; 18])]), None);
    }

    #[test]
    fn else_its_longest_track_does() {
        let tracks = [
            trak(header(b"mdhd", 100, 150)),
            trak(long(b"mdhd", 10, 25)),
            trak(header(b"mdhd", 1, u32::MAX)),
        ];
        for movie in [header(b"mvhd", 600, 0), header(b"mvhd", 600, u32::MAX), long(b"mvhd", 600, u64::MAX)] {
            assert_eq!(millis(&[&[movie][..], &tracks].concat()), Some(2500));
        }
    }

    #[test]
    fn fragments_are_counted_or_it_is_unknown() {
        let mehd = |version, units: &[u8]| of(b"mvex", &full(b"mehd", version, units));
        let movie = || header(b"mvhd", 1000, 40);
        assert_eq!(millis(&[movie(), mehd(0, &3000_u32.to_be_bytes())]), Some(3000));
        assert_eq!(millis(&[movie(), mehd(1, &3000_u64.to_be_bytes())]), Some(3000));
        assert_eq!(millis(&[movie(), mehd(0, &[0xff; 4])]), None);
        assert_eq!(millis(&[movie(), of(b"mvex", b""), trak(header(b"mdhd", 1000, 40))]), None);
    }
}
