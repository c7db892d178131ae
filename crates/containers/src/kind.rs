//! What a video file is, by its first bytes.

use crate::{iso, matroska};

/// So many of a file's first bytes are enough for [`sniff`].
pub const HEAD: usize = 4096;

/// What a video file is. Those that browsers play, and those that browsers can play if they know what is in them. AVI and
/// MPEG-TS are not among them: no browser opens them, whatever is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// MP4 and its relatives (M4V, 3GP): ISO/IEC 14496-12.
    Mp4,
    /// QuickTime, which MP4 comes from.
    QuickTime,
    /// WebM.
    WebM,
    /// Matroska (RFC 9559).
    Matroska,
    /// Ogg (RFC 3533) with a video in it.
    Ogg,
}

impl Kind {
    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Mp4 => "video/mp4",
            Self::QuickTime => "video/quicktime",
            Self::WebM => "video/webm",
            Self::Matroska => "video/matroska",
            Self::Ogg => "video/ogg",
        }
    }

    /// What the name of such a file ends with.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::QuickTime => "mov",
            Self::WebM => "webm",
            Self::Matroska => "mkv",
            Self::Ogg => "ogv",
        }
    }
}

/// What a file that begins with `head` is; [`HEAD`] bytes are enough, or all where it is shorter. `None` if it is no
/// video that we take: sound and images have the same containers.
pub fn sniff(head: &[u8]) -> Option<Kind> {
    let head = head.get(..HEAD).unwrap_or(head);
    iso::sniff(head).or_else(|| matroska::sniff(head)).or_else(|| is_ogg_video(head).then_some(Kind::Ogg))
}

/// How the first packet of each video that lies in Ogg begins: Theora, VP8, Dirac, and what OGM says.
const OGG_VIDEOS: [&[u8]; 4] = [b"\x80theora", b"OVP80", b"BBCD\0", b"\x01video\0"];

/// All logical streams begin before any goes on (RFC 3533, section 4): each with a page that has the flag for it, and one
/// packet that names its codec.
fn is_ogg_video(head: &[u8]) -> bool {
    let mut rest = head;
    while let Some((page, packet, next)) = ogg_page(rest) {
        let is_first = page[5] & 2 != 0;
        if !is_first {
            return false;
        }
        if OGG_VIDEOS.iter().any(|begin| packet.starts_with(begin)) {
            return true;
        }
        rest = next;
    }
    false
}

/// A page's 27 bytes before its lacing values, what it holds, and what comes after it.
fn ogg_page(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (page, rest) = bytes.split_at_checked(27)?;
    if !page.starts_with(b"OggS\0") {
        return None;
    }
    let (lacing, rest) = rest.split_at_checked(page[26].into())?;
    let length = lacing.iter().map(|l| usize::from(*l)).sum::<usize>();
    let (packet, next) = rest.split_at(length.min(rest.len()));
    Some((page, packet, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(flags: u8, packet: &[u8]) -> Vec<u8> {
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.extend([0; 20]);
        page.extend([1, u8::try_from(packet.len()).unwrap()]);
        page.extend(packet);
        page
    }

    #[test]
    fn ogg_is_a_video_if_one_of_its_streams_is() {
        let (vorbis, theora) = (page(2, b"\x01vorbis\0\0"), page(2, b"\x80theora\x03\x02\x01"));
        assert_eq!(sniff(&theora), Some(Kind::Ogg));
        assert_eq!(sniff(&[vorbis.clone(), theora.clone()].concat()), Some(Kind::Ogg));
        assert_eq!(sniff(&[page(2, b"fishead\0"), vorbis.clone(), theora.clone()].concat()), Some(Kind::Ogg));
        assert_eq!(sniff(&vorbis), None, "a piece of music");
        assert_eq!(sniff(&page(2, b"OpusHead\x01")), None);
        let music_that_speaks_of_it = page(0, b"\x03vorbis \x80theora");
        assert_eq!(sniff(&[vorbis.clone(), music_that_speaks_of_it, theora].concat()), None);
        assert_eq!(sniff(b"OggS"), None);
    }

    #[test]
    fn what_is_no_video_is_none() {
        for head in [
            &b""[..],
            b"\0",
            b"RIFF\0\0\0\0WAVEfmt ",
            b"RIFF\0\0\0\0AVI LIST",
            b"RIFF\0\0\0\0WEBPVP8 ",
            b"ID3\x04\0",
            b"\xff\xd8\xff\xe0",
            b"<!doctype html><video src=x.mp4>",
            b"%PDF-1.7",
            b"MZ\x90",
            b"fLaC",
            b"\x47\x40\x00\x10",
        ] {
            assert_eq!(sniff(head), None, "{head:?}");
        }
    }
}
