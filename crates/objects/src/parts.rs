//! Several parts of an object in one content: `multipart/byteranges` (RFC 9110, section 14.6).

use std::io::Write;
use std::ops::Range;

use axum::body::Bytes;

use crate::{Entity, Slice};

/// What a head needs besides the media type: delimiter, names of fields, three numbers of up to 20 digits.
const HEAD: usize = 160;

/// The parts with what stands before and after each, and how many bytes that is. Nothing stands before the first
/// delimiter, and the boundary is not quoted: some clients understand neither.
pub(crate) fn parts(entity: &Entity, ranges: &[Range<u64>], boundary: &str) -> (Vec<Slice>, u64) {
    let content_type = entity.content_type().as_bytes();
    let mut text = Vec::with_capacity((ranges.len() + 1) * (HEAD + content_type.len()));
    let mut ends = Vec::with_capacity(ranges.len());
    for range in ranges {
        let line_break = if text.is_empty() { "" } else { "\r\n" };
        // Writing to a vector does not fail.
        let _ = write!(text, "{line_break}--{boundary}\r\nContent-Type: ");
        text.extend_from_slice(content_type);
        let (first, last) = (range.start, range.end - 1);
        let _ = write!(text, "\r\nContent-Range: bytes {first}-{last}/{}\r\n\r\n", entity.size());
        ends.push(text.len());
    }
    let _ = write!(text, "\r\n--{boundary}--\r\n");

    let between = Bytes::from(text);
    let mut length = between.len() as u64;
    let mut slices = Vec::with_capacity(2 * ranges.len() + 1);
    let mut start = 0;
    for (range, end) in ranges.iter().zip(ends) {
        slices.push(Slice::Bytes(between.slice(start..end)));
        slices.push(Slice::Object(range.clone()));
        length = length.saturating_add(range.end - range.start);
        start = end;
    }
    slices.push(Slice::Bytes(between.slice(start..)));
    (slices, length)
}
