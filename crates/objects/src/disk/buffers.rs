//! Memory to read into, used again and again: getting it anew costs about as much as reading what is in the page cache.

use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;

/// How large a buffer is, in bytes.
pub(super) const BUFFER: usize = 64 * 1024;

/// What is shorter is not worth keeping.
const SHORT: usize = 4 * 1024;

/// How many buffers are kept for later: 4 MiB of them.
const KEPT: usize = 64;

static FREE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer of at most [`BUFFER`] bytes.
pub(super) struct Buffer {
    memory: Vec<u8>,
    len: usize,
}

impl Buffer {
    /// With room for `len` bytes, which may be anything.
    pub(super) fn new(len: usize) -> Self {
        if len <= SHORT {
            return Self { memory: vec![0; len], len };
        }
        let used = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut memory = used.unwrap_or_else(|| vec![0; BUFFER]);
        if memory.len() < len {
            memory.resize(len, 0);
        }
        Self { memory, len }
    }

    /// To be filled.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.memory[..self.len]
    }

    /// As what it was filled with. The memory comes back when they are gone.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.memory.len() != BUFFER {
            return;
        }
        let memory = std::mem::take(&mut self.memory);
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_put_in_and_nothing_of_before() {
        for len in [0, 1, SHORT, SHORT + 1, BUFFER] {
            let mut buffer = Buffer::new(len);
            buffer.room().fill(7);
            assert_eq!(buffer.into_bytes(), vec![7; len]);
        }
        assert_eq!(Buffer::new(SHORT + 1).into_bytes().len(), SHORT + 1, "not all of a buffer used before");
    }

    #[test]
    fn a_crowd_of_them_is_not_kept() {
        let crowd: Vec<_> = (0..2 * KEPT).map(|_| Buffer::new(BUFFER)).collect();
        drop(crowd);
        assert!(FREE.lock().unwrap().len() <= KEPT);
    }
}
