//! Several ranges. Which of them are sent as one part is for the server to choose (section 15.3.7.2), and whether it
//! sends them at all where they are many.

use std::ops::RangeInclusive;

use super::{Case, get};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = apart();
    cases.extend(coalesced());
    cases.extend(unsatisfiable());
    cases.extend(many());
    cases
}

const COALESCED: &str = "15.3.7.2";

fn apart() -> Vec<Case> {
    vec![
        get("the first and the last byte", "14.1.2").range("bytes=0-0,-1").parts([0..=0, 9_999..=9_999]),
        get("three parts, written as the RFC writes them", "14.1.2")
            .range("bytes= 0-999, 4500-5499, -1000")
            .parts([0..=999, 4_500..=5_499, 9_000..=9_999]),
        get("parts in another order", COALESCED).range("bytes=9000-9099,0-99,5000-5099").parts([
            9_000..=9_099,
            0..=99,
            5_000..=5_099,
        ]),
        get("a suffix before what precedes it", COALESCED)
            .range("bytes=-100,0-99")
            .parts([9_900..=9_999, 0..=99]),
        get("parts with just enough between them", COALESCED)
            .range("bytes=0-99,180-200")
            .parts([0..=99, 180..=200])
            .part(0..=200),
        get("parts of which one ends beyond the end", "14.1.2")
            .range("bytes=0-99,9900-20000")
            .parts([0..=99, 9_900..=9_999]),
        get("parts that would take gzip", "14.1.2")
            .range("bytes=0-99,-100")
            .with("accept-encoding", "gzip, br")
            .parts([0..=99, 9_900..=9_999]),
    ]
}

fn coalesced() -> Vec<Case> {
    vec![
        get("ranges that touch", "14.1.2")
            .range("bytes=500-600,601-999")
            .part(500..=999)
            .parts([500..=999])
            .parts([500..=600, 601..=999]),
        get("ranges that overlap", "14.1.2")
            .range("bytes=500-700,601-999")
            .part(500..=999)
            .parts([500..=999])
            .parts([500..=700, 601..=999]),
        get("ranges that overlap, the later first", COALESCED)
            .range("bytes=601-999,500-700")
            .part(500..=999)
            .parts([500..=999])
            .parts([601..=999, 500..=700]),
        get("the same twice", COALESCED)
            .range("bytes=0-99,0-99")
            .part(0..=99)
            .parts([0..=99])
            .parts([0..=99, 0..=99]),
        get("a range within another", COALESCED)
            .range("bytes=0-999,100-199")
            .part(0..=999)
            .parts([0..=999])
            .parts([0..=999, 100..=199]),
        get("a suffix that is a range", COALESCED)
            .range("bytes=-10,9990-9999")
            .part(9_990..=9_999)
            .parts([9_990..=9_999])
            .parts([9_990..=9_999, 9_990..=9_999]),
        get("all and its end", COALESCED)
            .range("bytes=0-,-1")
            .part(0..=9_999)
            .parts([0..=9_999])
            .parts([0..=9_999, 9_999..=9_999]),
        get("ranges nearer than a head is long", COALESCED)
            .range("bytes=0-99,179-200")
            .part(0..=200)
            .parts([0..=200])
            .parts([0..=99, 179..=200]),
        get("a range that joins two others", COALESCED)
            .range("bytes=0-99,300-399,90-310")
            .part(0..=399)
            .parts([0..=399])
            .parts([0..=99, 300..=399, 90..=310]),
        get("two of three become one", COALESCED)
            .range("bytes=0-99,5000-5099,50-149")
            .parts([0..=149, 5_000..=5_099])
            .parts([0..=99, 5_000..=5_099, 50..=149]),
        get("what is joined stands where the first of it stood", COALESCED)
            .range("bytes=9000-9099,0-99,8950-9199")
            .parts([8_950..=9_199, 0..=99])
            .parts([9_000..=9_099, 0..=99, 8_950..=9_199]),
    ]
}

fn unsatisfiable() -> Vec<Case> {
    vec![
        get("a range, and one beyond the end", COALESCED)
            .range("bytes=0-0,20000-")
            .part(0..=0)
            .parts([0..=0]),
        get("no bytes, and a range", "14.1.1").range("bytes=-0,5-9").part(5..=9).parts([5..=9]),
        get("two ranges, and one beyond the end between them", COALESCED)
            .range("bytes=0-99,20000-20099,9000-9099")
            .parts([0..=99, 9_000..=9_099]),
        get("nothing that is there", "15.5.17").range("bytes=10000-,20000-30000,-0").unsatisfiable(),
    ]
}

fn many() -> Vec<Case> {
    let bytes: Vec<RangeInclusive<u64>> = (0..65).map(|n| n * 150..=n * 150).collect();
    let set = |ranges: &[RangeInclusive<u64>]| {
        let specs: Vec<String> = ranges.iter().map(|r| format!("{}-{}", r.start(), r.end())).collect();
        format!("bytes={}", specs.join(","))
    };
    let downwards: Vec<_> = (0..300).rev().map(|n| 30 * n..=30 * n).collect();
    let to_the_end: Vec<_> = (0..40).map(|n| n..=9_999).collect();
    vec![
        get("64 ranges", "14.2").range(set(&bytes[..64])).parts(&bytes[..64]),
        get("65 ranges", "14.2").range(set(&bytes)).whole().parts(bytes),
        get("300 bytes, the last first", "17.15")
            .range(set(&downwards))
            .whole()
            .unsatisfiable()
            .part(0..=8_970)
            .parts(downwards),
        get("40 ranges that overlap", "17.15")
            .range(set(&to_the_end))
            .part(0..=9_999)
            .parts([0..=9_999])
            .unsatisfiable()
            .parts(to_the_end),
    ]
}
