//! WebM and Matroska: EBML elements (RFC 8794, RFC 9559). How long a file plays is in its `Info`, which comes before the
//! first of its clusters.

use std::time::Duration;

use crate::Kind;
use crate::reader::{Facts, State, Step, duration};

const EBML: u32 = 0x1a45_dfa3;
const DOC_TYPE: u32 = 0x4282;
const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
const DURATION: u32 = 0x4489;
const CLUSTER: u32 = 0x1f43_b675;

/// So many elements are looked at before `Info`.
const MOST: usize = 64;
/// So much is read at once; what is before the clusters mostly fits in there.
const WINDOW: u64 = 64 << 10;
/// No head of an element is longer.
const LONGEST_HEAD: usize = 12;
/// An `Info` that is longer is not read.
const LONGEST_INFO: u64 = 1 << 20;

/// What a file is whose first element is an EBML header, by its `DocType`.
pub(crate) fn sniff(head: &[u8]) -> Option<Kind> {
    let (header, content) = Element::read(head).filter(|(e, _)| e.id == EBML)?;
    let length = usize::try_from(header.size?).ok()?;
    let content = content.get(..length).unwrap_or(content);
    let doc_type = Elements(content).find(|(id, _)| *id == DOC_TYPE)?.1;
    // A string may be filled up with zeros (RFC 8794, section 7.4).
    match doc_type.split(|byte| *byte == 0).next()? {
        b"webm" => Some(Kind::WebM),
        b"matroska" => Some(Kind::Matroska),
        _ => None,
    }
}

/// The head of an element.
#[derive(Debug, Clone, Copy)]
struct Element {
    id: u32,
    /// Of its content; none if it was not known when it was written.
    size: Option<u64>,
    /// Of the head.
    head: u64,
}

impl Element {
    /// Reads it at the beginning of `bytes`; and what comes after it.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (id, rest) = number(bytes, 4)?;
        let (size, content) = number(rest, 8)?;
        let mask = (1_u64 << (7 * size.length)) - 1;
        let element = Self {
            id: id.raw.try_into().ok()?,
            size: Some(size.raw & mask).filter(|s| *s != mask),
            head: u64::from(id.length + size.length),
        };
        Some((element, content))
    }
}

/// A number of variable length, with its marker still in it.
struct Number {
    raw: u64,
    length: u32,
}

/// As many bytes as the first one's leading zeros tell (RFC 8794, section 4), at most so many.
fn number(bytes: &[u8], longest: u32) -> Option<(Number, &[u8])> {
    let length = bytes.first()?.leading_zeros() + 1;
    let (number, rest) = bytes.split_at_checked(length.try_into().ok()?).filter(|_| length <= longest)?;
    Some((Number { raw: unsigned(number), length }, rest))
}

fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The elements in another's content, each by its id and its own content.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (element, rest) = Element::read(self.0)?;
        let (content, rest) = rest.split_at_checked(element.size?.try_into().ok()?)?;
        self.0 = rest;
        Some((element.id, content))
    }
}

/// What is known of a file so far.
#[derive(Debug)]
pub(crate) struct Walk {
    size: u64,
    seen: usize,
    in_segment: bool,
}

impl Walk {
    pub(crate) fn begin(size: u64) -> Step {
        Self { size, seen: 0, in_segment: false }.at(0)
    }

    fn at(self, at: u64) -> Step {
        if at >= self.size {
            return Step::nothing_known();
        }
        Step::read(at..self.size.min(at.saturating_add(WINDOW)), State::Elements(self))
    }

    /// Goes on at `at`, where `bytes` are.
    pub(crate) fn elements(mut self, at: u64, bytes: &[u8]) -> Step {
        let mut here = 0_u64;
        loop {
            let rest = usize::try_from(here).ok().and_then(|here| bytes.get(here..)).unwrap_or_default();
            let start = at.saturating_add(here);
            let left = self.size.saturating_sub(start);
            // A head that the window cuts off is read anew, at the beginning of the next.
            if left == 0 || (rest.len() < LONGEST_HEAD && (rest.len() as u64) < left) {
                return self.at(start);
            }
            let Some((element, content)) = Element::read(rest).filter(|_| self.seen < MOST) else {
                return Step::nothing_known();
            };
            self.seen += 1;
            here = here.saturating_add(element.head);
            match (element.id, element.size) {
                (SEGMENT, _) if !self.in_segment => self.in_segment = true,
                (INFO, Some(size)) if self.in_segment => {
                    return self.info(at.saturating_add(here), size, content);
                }
                (CLUSTER, _) | (_, None) => return Step::nothing_known(),
                (_, Some(size)) => here = here.saturating_add(size),
            }
        }
    }

    /// An `Info` of `size` bytes at `at`, of which `content` is there, perhaps with what follows it.
    fn info(self, at: u64, size: u64, content: &[u8]) -> Step {
        let left = self.size.saturating_sub(at);
        match usize::try_from(size).ok().and_then(|size| content.get(..size)) {
            Some(info) => Step::Done(told(info)),
            None if size <= LONGEST_INFO.min(left) => Step::read(at..at.saturating_add(size), State::Info),
            None => Step::nothing_known(),
        }
    }
}

/// What an `Info` tells.
pub(crate) fn told(info: &[u8]) -> Facts {
    let find = |id| Elements(info).find(|element| element.0 == id).map(|element| element.1);
    // In nanoseconds.
    let scale = find(TIMESTAMP_SCALE).filter(|bytes| bytes.len() <= 8).map_or(1_000_000, unsigned);
    let units = find(DURATION).and_then(float);
    Facts { duration: units.and_then(|units| lasts(units, scale)), pieces: None }
}

fn float(bytes: &[u8]) -> Option<f64> {
    match bytes.len() {
        4 => Some(f32::from_be_bytes(*bytes.first_chunk()?).into()),
        8 => Some(f64::from_be_bytes(*bytes.first_chunk()?)),
        _ => None,
    }
}

fn lasts(units: f64, scale: u64) -> Option<Duration> {
    let scale = Duration::from_nanos(scale).as_secs_f64();
    let duration_of = Duration::try_from_secs_f64(units * scale).ok()?;
    duration(u64::try_from(duration_of.as_micros()).ok()?, 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An element, its size in so many bytes.
    fn of(id: u32, length: usize, content: &[u8]) -> Vec<u8> {
        let id = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0);
        let size = (content.len() as u64 | 1 << (7 * length)).to_be_bytes();
        id.chain(size[8 - length..].iter().copied()).chain(content.iter().copied()).collect()
    }
    fn header(doc_type: &[u8]) -> Vec<u8> {
        of(EBML, 1, &[of(0x4286, 1, &[1]), of(DOC_TYPE, 1, doc_type), of(0x4287, 1, &[4])].concat())
    }
    fn info(scale: u32, duration: &[u8]) -> Vec<u8> {
        let title = of(0x7ba9, 2, b"The matinee");
        [title, of(TIMESTAMP_SCALE, 1, &scale.to_be_bytes()), of(DURATION, 1, duration)].concat()
    }
    /// How long a file plays, in milliseconds, and how many reads it took to find out.
    fn read(file: &[u8]) -> (Option<u128>, usize) {
        let (facts, reads) = crate::tests::read(Kind::WebM, file);
        (facts.duration.map(|d| d.as_millis()), reads)
    }

    #[test]
    fn the_document_says_what_it_is() {
        assert_eq!(sniff(&header(b"webm")), Some(Kind::WebM));
        assert_eq!(sniff(&header(b"webm\0\0")), Some(Kind::WebM));
        assert_eq!(sniff(&header(b"matroska")), Some(Kind::Matroska));
        assert_eq!(sniff(&header(b"webmatroska")), None);
        assert_eq!(sniff(&header(b"webm")[..12]), None);
        assert_eq!(sniff(&of(EBML, 1, &[])), None);
        assert_eq!(sniff(b"\x1a\x45\xdf\xa3"), None);
    }

    #[test]
    fn info_tells_how_long_it_plays() {
        let file = |info: Vec<u8>| [header(b"webm"), of(SEGMENT, 8, &of(INFO, 2, &info))].concat();
        assert_eq!(read(&file(info(1_000_000, &2500_f64.to_be_bytes()))), (Some(2500), 1));
        assert_eq!(read(&file(info(1_000_000, &2500_f32.to_be_bytes()))), (Some(2500), 1));
        assert_eq!(read(&file(info(500_000, &3.0_f64.to_be_bytes()))), (Some(2), 1));
        assert_eq!(
            read(&file(of(DURATION, 1, &40_f32.to_be_bytes()))),
            (Some(40), 1),
            "milliseconds, if not said"
        );
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e300] {
            assert_eq!(read(&file(info(1_000_000, &odd.to_be_bytes()))), (None, 1), "{odd}");
        }
        assert_eq!(read(&file(info(0, &1_f64.to_be_bytes()))), (None, 1));
        assert_eq!(read(&file(info(1, &[1, 2, 3]))), (None, 1));
        assert_eq!(read(&file(Vec::new())), (None, 1));
    }

    #[test]
    fn info_is_found_behind_other_things() {
        let (void, cluster) = (|length| of(0xec, 8, &vec![7; length]), of(CLUSTER, 4, &[1; 99]));
        let info = of(INFO, 2, &info(1_000_000, &2500_f64.to_be_bytes()));
        let open = [&SEGMENT.to_be_bytes()[..], b"\x01\xff\xff\xff\xff\xff\xff\xff"].concat();
        let file = |parts: &[&[u8]]| [header(b"matroska"), open.clone(), parts.concat()].concat();
        for (length, reads) in [(3, 1), (65_451, 1), (65_452, 2), (65_479, 2), (65_480, 2), (3_000_000, 2)] {
            assert_eq!(read(&file(&[&void(length), &info, &cluster])), (Some(2500), reads), "{length}");
        }
        assert_eq!(read(&file(&[&cluster, &info])), (None, 1));
        assert_eq!(read(&file(&[&void(1).repeat(99), &info])), (None, 1));
        assert_eq!(read(&file(&[&open, &info])), (None, 1), "a segment in a segment");
        assert_eq!(read(&[header(b"webm"), info.clone()].concat()), (None, 1), "not in a segment");
        let large = of(INFO, 8, &[void(1 << 20), info].concat());
        assert_eq!(read(&file(&[&large])), (None, 1));
    }

    proptest! {
        #[test]
        fn a_number_is_what_was_written(value in 0_u64..(1 << 56) - 1, longer in 0_usize..8) {
            let least = (1..8).find(|l| value < (1 << (7 * l)) - 1).unwrap_or(8);
            let length = (least + longer).min(8);
            let bytes = [&[0xec][..], &(value | 1 << (7 * length)).to_be_bytes()[8 - length..]].concat();
            let (element, rest) = Element::read(&bytes).unwrap();
            prop_assert_eq!((element.id, element.size, element.head), (0xec, Some(value), 1 + length as u64));
            prop_assert!(rest.is_empty());
        }
    }
}
