//! The room that objects leave on their disk: the databases are often on the same, and a house whose tickets cannot be
//! written down because of a film is worse off than one that takes no more films.

use std::fs::File;
use std::io::{self, ErrorKind};

use rustix::fs::fstatvfs;

/// So many bytes stay free, or a tenth of a disk that is small.
const RESERVE: u64 = 256 * 1024 * 1024;

/// Whether `length` more bytes may be written to where `file` is.
///
/// # Errors
/// `StorageFull` if too little stays free.
pub(super) fn check(file: &File, length: u64) -> io::Result<()> {
    let about = fstatvfs(file)?;
    let (free, all) = (about.f_bavail * about.f_frsize, about.f_blocks * about.f_frsize);
    if suffices(free, all, length) { Ok(()) } else { Err(ErrorKind::StorageFull.into()) }
}

fn suffices(free: u64, all: u64, length: u64) -> bool {
    // Where a file system does not say how large it is, writing tells.
    all == 0 || free >= length.saturating_add(RESERVE.min(all / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_stays_free() {
        let (mib, large) = (1024 * 1024, 1 << 40);
        assert!(suffices(266 * mib, large, 10 * mib));
        assert!(!suffices(266 * mib - 1, large, 10 * mib));
        assert!(suffices(2 * mib, 10 * mib, mib) && !suffices(2 * mib, 10 * mib, mib + 1));
        assert!(!suffices(large, large, u64::MAX));
        assert!(suffices(0, 0, mib));
    }

    #[test]
    fn it_is_asked_of_the_disk() {
        let file = tempfile::tempfile().unwrap();
        check(&file, 1).unwrap();
        let full = check(&file, u64::MAX).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
    }
}
