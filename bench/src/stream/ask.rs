//! What is asked for: requests made beforehand, and what their answers have to say.

use crate::http::{header, request};
use crate::stream::chance::Chance;

/// Different ranges. The number has no factor in common with the steps that the viewers take.
const RANGES: usize = 1024;

/// How much of the film an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// All of it.
    Whole,
    /// 1 MiB from anywhere.
    Mebibyte,
    /// 64 KiB from anywhere.
    Piece,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Whole, Self::Mebibyte, Self::Piece];

    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Mebibyte => "1 MiB",
            Self::Piece => "64 KiB",
        }
    }

    /// The requests for it at `path`, where a film of `size` bytes is: the same for each server.
    pub fn asks(self, path: &str, size: u64) -> Vec<Ask> {
        let length = match self {
            Self::Whole => return vec![Ask::whole(path, size)],
            Self::Mebibyte => 1024 * 1024,
            Self::Piece => 64 * 1024,
        };
        let mut chance = Chance::new(7);
        (0..RANGES).map(|_| Ask::range(path, size, chance.below(size - length + 1), length)).collect()
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where in the film its answer begins.
    pub first: u64,
    /// How long that is.
    pub length: u64,
    /// The `Content-Range` of the answer, a 206; none for a 200.
    range: Option<String>,
}

impl Ask {
    fn whole(path: &str, size: u64) -> Self {
        Self { bytes: request("GET", path, None, None), first: 0, length: size, range: None }
    }

    fn range(path: &str, size: u64, first: u64, length: u64) -> Self {
        let last = first + length - 1;
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nRange: bytes={first}-{last}\r\n\r\n");
        Self { bytes: bytes.into_bytes(), first, length, range: Some(format!("bytes {first}-{last}/{size}")) }
    }

    /// Whether that is the head of the right answer.
    pub fn is_answered_by(&self, head: &[u8]) -> bool {
        let begin: &[u8] = if self.range.is_some() { b"HTTP/1.1 206 " } else { b"HTTP/1.1 200 " };
        let length = header(head, "content-length: ").and_then(|length| length.parse().ok());
        head.starts_with(begin)
            && length == Some(self.length)
            && header(head, "content-range: ") == self.range.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lie_in_the_film() {
        for what in [What::Mebibyte, What::Piece] {
            let asks = what.asks("/film", 2 << 20);
            assert!(asks.iter().all(|ask| ask.first + ask.length <= 2 << 20));
            // Far from each other, and near both ends.
            let firsts = asks.iter().map(|ask| ask.first);
            assert!(firsts.clone().min().unwrap() < 10_000 && firsts.max().unwrap() > 1 << 19);
        }
    }

    #[test]
    fn only_the_right_answer_is_right() {
        let ask = Ask::range("/film", 100, 10, 5);
        let says = |text: &str| ask.is_answered_by(text.as_bytes());
        assert!(says(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 10-14/100\r\n\r\n"
        ));
        assert!(!says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Range: bytes 10-14/100\r\n\r\n"));
        assert!(!says(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: 6\r\nContent-Range: bytes 10-14/100\r\n\r\n"
        ));
        assert!(!says(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 10-14/101\r\n\r\n"
        ));
        let whole = Ask::whole("/film", 100);
        assert!(whole.is_answered_by(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"));
        assert!(!whole.is_answered_by(b"HTTP/1.1 200 OK\r\n\r\n"));
    }
}
