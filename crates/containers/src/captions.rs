//! Captions: WebVTT.

/// Whether a whole file is WebVTT by its signature: `WEBVTT`, perhaps after a byte order mark, and then its end, a line
/// end, or a space or tab (WebVTT, sections 4.1 and 6.1). It has to be UTF-8 throughout. Cues that a browser cannot
/// read it leaves out, so they are not looked at.
pub fn is_webvtt(file: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(file) else { return false };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.strip_prefix("WEBVTT")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webvtt_is_known_by_its_signature() {
        for text in [
            "WEBVTT",
            "WEBVTT\n",
            "WEBVTT\r\n\r\n00:01.000 --> 00:02.000\r\n– Ça commence.\r\n",
            "WEBVTT - the matinee\n\n",
            "WEBVTT\tX\n",
            "\u{feff}WEBVTT\n\n",
        ] {
            assert!(is_webvtt(text.as_bytes()), "{text:?}");
        }
        let srt = "1\n00:00:01,000 --> 00:00:02,000\nNo\n";
        for text in ["", "WEBVT", "webvtt\n", " WEBVTT\n", "\nWEBVTT\n", "WEBVTTX\n", "WEBVTT-\n", srt] {
            assert!(!is_webvtt(text.as_bytes()), "{text:?}");
        }
        assert!(!is_webvtt("\u{feff}\u{feff}WEBVTT\n".as_bytes()));
        assert!(!is_webvtt(b"WEBVTT\n\n\xff\n"), "not UTF-8");
        assert!(!is_webvtt(b"\xff\xfeW\0E\0B\0V\0T\0T\0"), "UTF-16");
    }
}
