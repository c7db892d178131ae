//! The head of a box.

/// What a box says of itself before its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: [u8; 4],
    /// Of the head alone: 8 bytes, or 16 with a size of 64 bits.
    pub(super) head: u8,
    /// Of the whole box.
    pub(super) size: u64,
    /// Whether it gives no size, and goes to the end.
    pub(super) is_open: bool,
}

impl Header {
    /// Reads it at the beginning of `bytes`; there are `left` bytes for the whole box. None if it would not fit in there,
    /// or `bytes` are too few.
    pub(super) fn read(bytes: &[u8], left: u64) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let (head, size, is_open) = match u32::from_be_bytes(*size) {
            0 => (8, left, true),
            1 => (16, u64::from_be_bytes(*rest.first_chunk()?), false),
            size => (8, size.into(), false),
        };
        (u64::from(head) <= size && size <= left).then_some(Self { kind: *kind, head, size, is_open })
    }
}

/// A box in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Child<'a> {
    pub(super) kind: [u8; 4],
    pub(super) head: &'a [u8],
    pub(super) content: &'a [u8],
}

/// The boxes in another's content. It ends where they end, or where no box can be read: `rest` is what comes then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Children<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Children<'a> {
    pub(super) fn of(content: &'a [u8]) -> Self {
        Self { rest: content }
    }

    /// The content of the first box of that kind.
    pub(super) fn find(mut self, kind: &[u8; 4]) -> Option<&'a [u8]> {
        Iterator::find(&mut self, |child| &child.kind == kind).map(|child| child.content)
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = Child<'a>;

    fn next(&mut self) -> Option<Child<'a>> {
        let header = Header::read(self.rest, self.rest.len().try_into().ok()?).filter(|h| !h.is_open)?;
        let (whole, rest) = self.rest.split_at_checked(header.size.try_into().ok()?)?;
        let (head, content) = whole.split_at_checked(header.head.into())?;
        self.rest = rest;
        Some(Child { kind: header.kind, head, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_of_32_or_64_bits_or_to_the_end() {
        let read = |bytes: &[u8], left| Header::read(bytes, left).map(|h| (h.head, h.size, h.is_open));
        assert_eq!(read(b"\0\0\0\x0cfreeabcd", 12), Some((8, 12, false)));
        assert_eq!(read(b"\0\0\0\x01mdat\0\0\0\x02\0\0\0\0", u64::MAX), Some((16, 1 << 33, false)));
        assert_eq!(read(b"\0\0\0\0mdat", 99), Some((8, 99, true)));
        for (bytes, left) in [
            (&b"\0\0\0\x0cfree"[..], 11),
            (b"\0\0\0\x07free", 99),
            (b"\0\0\0\x02free", 99),
            (b"\0\0\0\x01free\0\0\0\0\0\0\0\x0f", 99),
            (b"\0\0\0\x01free\xff\xff\xff\xff\xff\xff\xff\xff", 99),
            (b"\0\0\0\x01free\0\0", 99),
            (b"\0\0\0\x08fre", 99),
            (b"\0\0\0\0free", 7),
        ] {
            assert_eq!(read(bytes, left), None, "{bytes:?}");
        }
    }

    #[test]
    fn children_end_where_no_box_can_be_read() {
        let mut children = Children::of(b"\0\0\0\x09aaaa1\0\0\0\x08bbbb\0\0\0\0cccc");
        assert_eq!(children.by_ref().map(|c| c.kind).collect::<Vec<_>>(), [*b"aaaa", *b"bbbb"]);
        assert_eq!(children.rest, b"\0\0\0\0cccc");
        assert_eq!(Children::of(b"\0\0\0\x09aaaa1\0\0\0\x09bbbb2").find(b"bbbb"), Some(&b"2"[..]));
    }
}
