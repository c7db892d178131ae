//! All of a file, and HEAD, to which `Range` says nothing.

use super::{Case, File, get, get_of, head_of};

pub(super) fn cases() -> Vec<Case> {
    vec![
        get("a plain GET", "15.3.1").whole(),
        get_of(File::Empty, "a GET of an empty file", "15.3.1").whole(),
        get_of(File::One, "a GET of one byte", "15.3.1").whole(),
        get("a GET that would take gzip", "14.1.2").with("accept-encoding", "gzip, br").whole(),
        get("a Content-Range in a GET is ignored", "14.4").with("content-range", "bytes 0-0/10000").whole(),
        head_of(File::Whole, "a HEAD", "9.3.2").whole(),
        head_of(File::Empty, "a HEAD of an empty file", "9.3.2").whole(),
        head_of(File::Huge, "a HEAD of 5 GiB", "9.3.2").whole(),
        head_of(File::Whole, "a HEAD ignores a range", "14.2").range("bytes=0-0").whole(),
        head_of(File::Whole, "a HEAD ignores several ranges", "14.2").range("bytes=0-0,-1").whole(),
        head_of(File::Whole, "a HEAD ignores what it could not satisfy", "14.2")
            .range("bytes=10000-")
            .whole(),
        head_of(File::Empty, "a HEAD of an empty file ignores a range", "14.2").range("bytes=0-").whole(),
        head_of(File::Whole, "a HEAD ignores If-Range with a range", "13.2.2")
            .range("bytes=0-0")
            .with("if-range", "{etag}")
            .whole(),
    ]
}
