//! Posters: the images that every browser shows.

/// What an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
}

impl Image {
    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
        }
    }
}

/// What an image is, by its first 16 bytes (MIME Sniffing, section 6.1).
pub fn sniff_image(head: &[u8]) -> Option<Image> {
    match head {
        [0xff, 0xd8, 0xff, ..] => Some(Image::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Image::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', b'V', b'P', ..] => Some(Image::WebP),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_its_first_bytes() {
        let known = |head: &[u8]| sniff_image(head).map(Image::content_type);
        assert_eq!(known(b"\xff\xd8\xff\xe0\0\x10JFIF\0"), Some("image/jpeg"));
        assert_eq!(known(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Some("image/png"));
        assert_eq!(known(b"RIFF\x24\0\0\0WEBPVP8 "), Some("image/webp"));
        let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script/></svg>";
        for head in [&b""[..], b"\xff\xd8", b"\x89PNG", b"RIFF\x24\0\0\0WAVEfmt ", b"GIF89a", svg] {
            assert_eq!(known(head), None, "{head:?}");
        }
        assert_eq!(known(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1"), None);
    }
}
