//! A file and the addresses that stand for it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::Mmap;

use crate::registry;

/// A file with its mapping. Cheap to clone; the mapping is there until the last clone and the last slice are gone.
#[derive(Clone)]
pub struct Mapped(Bytes);

impl Mapped {
    /// Maps the first `len` bytes of `file`, which must be there and stay: it may not be shortened or written to.
    ///
    /// # Errors
    /// For an empty file, and where there is no room for it among the addresses.
    pub fn new(file: Arc<File>, len: u64) -> io::Result<Self> {
        if len == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let registered = Registered(map(&file, len)?);
        registry::insert(registered.0.as_ptr() as usize, len, file);
        Ok(Self(Bytes::from_owner(registered)))
    }

    /// Bytes that stand for a part of the file. They are for [`Stream`](crate::Stream) only: to look at them is to read
    /// from the disk, for as long as that takes, and a failure of it is a SIGBUS.
    ///
    /// # Panics
    /// For a range that is not within the file.
    pub fn slice(&self, range: Range<u64>) -> Bytes {
        // What is within the mapping fits into an address; what does not is refused by `slice`.
        let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        self.0.slice(start..end)
    }
}

/// A mapping that is in the registry. It leaves that before its addresses become free for something else.
struct Registered(Mmap);

impl AsRef<[u8]> for Registered {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        registry::remove(self.0.as_ptr() as usize);
    }
}

#[allow(unsafe_code)]
fn map(file: &File, len: usize) -> io::Result<Mmap> {
    // SAFETY: the file is not changed while it is mapped, which `Mapped::new` asks of its caller: objects never change,
    // and are removed by their name alone. The bytes are not read either, their addresses only are compared.
    unsafe { memmap2::MmapOptions::new().len(len).map(file) }
}
