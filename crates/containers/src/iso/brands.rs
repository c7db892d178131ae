//! What a file is, by the brands in its first box (ISO/IEC 14496-12, section 4.3).

use crate::Kind;

/// Major brands whose files are sound or images only.
const NO_VIDEOS: [&[u8; 4]; 23] = [
    b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ", b"aax ", b"aaxc", b"heic", b"heix", b"heim", b"heis",
    b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1", b"miaf", b"avif", b"avis", b"jxl ",
    b"crx ",
];
/// How brands of videos begin; the fourth letter is a version or a profile.
const VIDEOS: [&[u8; 3]; 18] = [
    b"iso", b"mp4", b"mp7", b"avc", b"M4V", b"f4v", b"F4V", b"F4P", b"3gp", b"3g2", b"3ge", b"mmp", b"MSN",
    b"das", b"cmf", b"XAV", b"hvc", b"nds",
];

/// A box of QuickTime that begins a file is not larger: then its size is no other format's signature, and no text.
const LARGEST_FIRST: u32 = 0x1fff_ffff;

/// What a file is whose first box is `ftyp`, by its brands; or QuickTime from before there was one.
pub(crate) fn sniff(head: &[u8]) -> Option<Kind> {
    let (size, rest) = head.split_first_chunk().map(|(size, rest)| (u32::from_be_bytes(*size), rest))?;
    let (kind, content) = rest.split_first_chunk()?;
    match (kind, size) {
        (b"ftyp", 16..=4096) => {
            let length = usize::try_from(size).ok()?.saturating_sub(8);
            by_brands(content.get(..length).unwrap_or(content))
        }
        (b"wide", 8) => (content.get(4..8)? == b"mdat").then_some(Kind::QuickTime),
        (b"moov", 16..=LARGEST_FIRST) => {
            matches!(content.get(4..8)?, b"mvhd" | b"cmov").then_some(Kind::QuickTime)
        }
        (b"mdat", 1 | 16..=LARGEST_FIRST) => Some(Kind::QuickTime),
        _ => None,
    }
}

fn by_brands(content: &[u8]) -> Option<Kind> {
    let (major, rest) = content.split_first_chunk::<4>()?;
    if major == b"qt  " {
        return Some(Kind::QuickTime);
    }
    if NO_VIDEOS.contains(&major) {
        return None;
    }
    // After the major brand comes its version, and then what else the file is good for.
    let mut compatible = rest.get(4..)?.chunks_exact(4);
    let is_video = |brand: &[u8]| VIDEOS.iter().any(|begin| brand.starts_with(*begin));
    (is_video(major) || compatible.any(is_video)).then_some(Kind::Mp4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ftyp(brands: &[&[u8; 4]]) -> Vec<u8> {
        let version = [&brands[..1], &[&[0, 0, 2, 0]], &brands[1..]].concat();
        crate::tests::of(b"ftyp", &version.into_iter().copied().flatten().collect::<Vec<_>>())
    }

    #[test]
    fn brands_tell_videos_from_sound_and_images() {
        for (brands, kind) in [
            (&[b"isom", b"iso2", b"avc1"][..], Kind::Mp4),
            (&[b"mp42", b"mp41", b"M4A "], Kind::Mp4),
            (&[b"M4V ", b"M4V "], Kind::Mp4),
            (&[b"3gp5"], Kind::Mp4),
            (&[b"dash", b"iso6"], Kind::Mp4),
            (&[b"abcd", b"mp42"], Kind::Mp4),
            (&[b"qt  ", b"qt  "], Kind::QuickTime),
        ] {
            assert_eq!(sniff(&ftyp(brands)), Some(kind), "{brands:?}");
        }
        for brands in [
            &[b"M4A ", b"mp42", b"isom"][..],
            &[b"heic", b"mif1", b"iso8"],
            &[b"avif", b"mif1", b"miaf"],
            &[b"avis", b"iso8", b"mp41"],
            &[b"crx ", b"isom"],
            &[b"abcd", b"jpeg"],
            &[b"jp2 "],
        ] {
            assert_eq!(sniff(&ftyp(brands)), None, "{brands:?}");
        }
        let mut beyond = ftyp(&[b"abcd"]);
        beyond.extend(b"mp42");
        assert_eq!(sniff(&beyond), None, "what follows the box is no brand of it");
    }

    #[test]
    fn quicktime_was_there_before_brands() {
        for head in [
            &b"\0\0\0\x08wide\0\x01\0\0mdat...."[..],
            b"\0\0\x08\0moov\0\0\0lmvhd\0\0\0\0",
            b"\0\0\x08\0moov\0\0\x07\xf8cmov",
            b"\0\x10\0\0mdat\0\0\0\0",
        ] {
            assert_eq!(sniff(head), Some(Kind::QuickTime), "{head:?}");
        }
        for head in
            [&b"\0\0\0\x08wide\0\0\0\x08free"[..], b"\0\0\x08\0moovabcdefgh", b"\0\0\0\x08mdat", b"moovmvhd"]
        {
            assert_eq!(sniff(head), None, "{head:?}");
        }
    }
}
