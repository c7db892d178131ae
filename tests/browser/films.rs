//! Films for the browser: the demo's, and the same with much in them that is never shown.

/// Sixteen seconds that count down.
pub(super) const LEADER: &[u8] = include_bytes!("../../crates/marquee/demo/leader.mp4");
pub(super) const POSTER: &[u8] = include_bytes!("../../crates/marquee/demo/leader.jpg");
pub(super) const CAPTIONS: &[u8] = include_bytes!("../../crates/marquee/demo/matinee.en.vtt");

/// Boxes that have boxes in them, down to where samples are found (ISO/IEC 14496-12, section 8).
const AROUND: [&[u8]; 5] = [b"moov", b"trak", b"mdia", b"minf", b"stbl"];

/// The leader with `gap` bytes that belong to no sample in the middle of it. It lasts as long, and who wants to see its
/// end has to ask for it.
pub(super) fn long(gap: usize) -> Vec<u8> {
    let mut film = LEADER.to_vec();
    let mut found = Vec::new();
    find(&film, 0, film.len(), &mut found);
    let &(_, media, end) = found.iter().find(|(name, ..)| name == b"mdat").expect("an mdat");
    let tables: Vec<usize> =
        found.iter().filter(|(name, ..)| name == b"stco").map(|(_, start, _)| *start).collect();
    let offsets: Vec<usize> = tables.iter().flat_map(|&table| entries(&film, table)).collect();
    let cut =
        offsets.iter().map(|&at| number(&film, at)).filter(|&at| at >= usize::midpoint(media, end)).min();
    let cut = cut.expect("a chunk in its second half");
    for at in offsets {
        let chunk = number(&film, at);
        if chunk >= cut {
            put(&mut film, at, chunk + gap);
        }
    }
    put(&mut film, media - 8, end - media + 8 + gap);
    film.splice(cut..cut, std::iter::repeat_n(0, gap));
    film
}

/// The boxes between two places, each with where its content begins and where it ends.
fn find(film: &[u8], mut at: usize, end: usize, found: &mut Vec<([u8; 4], usize, usize)>) {
    while at + 8 <= end {
        let (size, name) = (number(film, at), [film[at + 4], film[at + 5], film[at + 6], film[at + 7]]);
        assert!(size >= 8 && at + size <= end, "the demo's film has plain boxes");
        if AROUND.contains(&&name[..]) {
            find(film, at + 8, at + size, found);
        } else {
            found.push((name, at + 8, at + size));
        }
        at += size;
    }
}

/// Where a table of chunks has its entries: after its version, its flags and their number.
fn entries(film: &[u8], table: usize) -> impl Iterator<Item = usize> + use<> {
    (0..number(film, table + 4)).map(move |n| table + 8 + 4 * n)
}

fn number(film: &[u8], at: usize) -> usize {
    u32::from_be_bytes(film[at..at + 4].try_into().unwrap()) as usize
}

fn put(film: &mut [u8], at: usize, number: usize) {
    film[at..at + 4].copy_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
}
