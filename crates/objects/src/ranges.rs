//! Which bytes a `Range` asks for (RFC 9110, sections 14.1 and 14.2).

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// The most ranges that are looked at; with more, the field is ignored as if it had not been sent, as section 14.2
/// allows. A 416 would say that there is nothing there. Fewer cost nothing, whatever they are: coalesced, they
/// never add up to more than the file.
pub(crate) const MOST: usize = 64;

/// Ranges nearer to each other than this many bytes become one: a part's own head is longer (section 15.3.7.2).
pub(crate) const NEAR: u64 = 80;

/// What is asked of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: no `Range`, or one that is ignored.
    Whole,
    /// One part.
    One(Range<u64>),
    /// Two or more parts, which neither overlap nor are near to each other, in the order in which they were asked for.
    Several(Vec<Range<u64>>),
    /// Parts of which it has none.
    Unsatisfiable,
}

/// A range-spec, read for a file of some size.
enum Spec {
    Invalid,
    Unsatisfiable,
    Bytes(Range<u64>),
}

/// What the `Range` in `headers` asks of `size` bytes. Ignored is what is not valid (section 14.2 allows it), what
/// has another unit (it demands it), and what comes in several lines, for the field is not a list (section 5.3).
pub(crate) fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let mut lines = headers.get_all(header::RANGE).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => range_set(line.as_bytes()).map_or(Wanted::Whole, |set| choose(set, size)),
        _ => Wanted::Whole,
    }
}

/// What follows `bytes=`.
fn range_set(field: &[u8]) -> Option<&[u8]> {
    let (unit, set) = field.trim_ascii().split_at_checked(5)?;
    if unit.eq_ignore_ascii_case(b"bytes") { set.strip_prefix(b"=") } else { None }
}

fn choose(set: &[u8], size: u64) -> Wanted {
    let mut count = 0;
    let mut first = None;
    let mut others = Vec::new();
    // Empty elements are passed over (section 5.6.1.2). White space stands beside commas, and, as in an example in
    // section 14.1.2, after the equals sign.
    for spec in set.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty()) {
        count += 1;
        match read(spec, size) {
            _ if count > MOST => return Wanted::Whole,
            Spec::Invalid => return Wanted::Whole,
            Spec::Unsatisfiable => {}
            Spec::Bytes(range) if first.is_none() => first = Some(range),
            Spec::Bytes(range) => others.push(range),
        }
    }
    match first {
        None if count == 0 => Wanted::Whole,
        None => Wanted::Unsatisfiable,
        // Its last bytes can be asked of an empty file, but no Content-Range can say that they are none.
        Some(_) if size == 0 => Wanted::Whole,
        Some(range) if others.is_empty() => Wanted::One(range),
        Some(range) => coalesced(range, others),
    }
}

fn read(spec: &[u8], size: u64) -> Spec {
    let Some(dash) = spec.iter().position(|b| *b == b'-') else { return Spec::Invalid };
    let (before, after) = (&spec[..dash], &spec[dash + 1..]);
    match (number(before), number(after)) {
        (None, Some(0)) if before.is_empty() => Spec::Unsatisfiable,
        (None, Some(suffix)) if before.is_empty() => Spec::Bytes(size.saturating_sub(suffix)..size),
        (Some(_), Some(_)) if is_less(after, before) => Spec::Invalid,
        (Some(start), _) if start >= size && (after.is_empty() || number(after).is_some()) => {
            Spec::Unsatisfiable
        }
        (Some(start), Some(last)) => Spec::Bytes(start..last.saturating_add(1).min(size)),
        (Some(start), None) if after.is_empty() => Spec::Bytes(start..size),
        _ => Spec::Invalid,
    }
}

/// A decimal numeral of any length; what is too large for us is the largest that we know, which no file reaches.
fn number(digits: &[u8]) -> Option<u64> {
    let add = |sum: u64, digit: &u8| {
        digit.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}

/// Compares decimal numerals, of any length.
fn is_less(a: &[u8], b: &[u8]) -> bool {
    let significant = |n: &[u8]| n.iter().position(|d| *d != b'0').unwrap_or(n.len());
    let (a, b) = (&a[significant(a)..], &b[significant(b)..]);
    (a.len(), a) < (b.len(), b)
}

/// Joins what overlaps or is near; what is joined stands where the first of it was asked for.
fn coalesced(first: Range<u64>, others: Vec<Range<u64>>) -> Wanted {
    let mut asked: Vec<(usize, Range<u64>)> = std::iter::once(first).chain(others).enumerate().collect();
    asked.sort_unstable_by_key(|(_, range)| range.start);
    let mut joined: Vec<(usize, Range<u64>)> = Vec::with_capacity(asked.len());
    for (place, range) in asked {
        match joined.last_mut() {
            Some((earliest, last)) if range.start.saturating_sub(last.end) < NEAR => {
                *earliest = place.min(*earliest);
                last.end = range.end.max(last.end);
            }
            _ => joined.push((place, range)),
        }
    }
    joined.sort_unstable_by_key(|(place, _)| *place);
    let mut ranges: Vec<Range<u64>> = joined.into_iter().map(|(_, range)| range).collect();
    match ranges.pop() {
        Some(only) if ranges.is_empty() => Wanted::One(only),
        last => {
            ranges.extend(last);
            Wanted::Several(ranges)
        }
    }
}

#[cfg(test)]
mod tests;
