//! What has come of a body, gathered until there is enough to write.

use axum::body::Bytes;
use bytes::BytesMut;

/// What is shorter is copied together: else each byte of its own costs a call, and keeps the buffer it was read into.
const SHORT: usize = 4 * 1024;
/// So much of it, at most.
const TOGETHER: usize = 64 * 1024;

/// What has come and is not written yet.
#[derive(Default)]
pub(crate) struct Held {
    chunks: Vec<Bytes>,
    short: BytesMut,
    length: u64,
}

impl Held {
    /// In bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.length += chunk.len() as u64;
        if chunk.len() < SHORT {
            self.short.extend_from_slice(&chunk);
            if self.short.len() >= TOGETHER {
                self.end_short();
            }
        } else {
            self.end_short();
            self.chunks.push(chunk);
        }
    }

    fn end_short(&mut self) {
        if !self.short.is_empty() {
            self.chunks.push(std::mem::take(&mut self.short).freeze());
        }
    }

    /// All of it, in order; nothing is held any more.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        self.end_short();
        self.length = 0;
        std::mem::take(&mut self.chunks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_chunks_are_held_together_and_all_stay_in_order() {
        let mut held = Held::default();
        let all: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for byte in all.chunks(1) {
            held.push(Bytes::copy_from_slice(byte));
        }
        held.push(Bytes::from_static(&[1; SHORT]));
        held.push(Bytes::from_static(b"end"));
        held.push(Bytes::new());
        assert_eq!(held.length(), 200_000 + 4096 + 3);
        let chunks = held.take();
        assert_eq!(chunks.len(), 200_000_usize.div_ceil(TOGETHER) + 2);
        assert_eq!(chunks.concat(), [all.as_slice(), &[1; SHORT], b"end"].concat());
        assert_eq!((held.length(), held.take().len()), (0, 0));
    }
}
