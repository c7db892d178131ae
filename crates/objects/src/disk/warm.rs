//! Reading without waiting for the disk where that is possible, and on a thread for it where not.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use axum::body::Bytes;
use futures_util::future::BoxFuture;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::sync::Semaphore;

use super::buffers::{BUFFER, Buffer};

/// How many reads may wait for the disk at a time.
const WAITING: usize = 32;

/// How far apart a range is tried for being in memory. The kernel reads ahead by 128 KiB, and gives memory back by less,
/// but from what was not used for longest, and this is about to be.
const STEP: usize = 128 * 1024;

static TURNS: Semaphore = Semaphore::const_new(WAITING);

/// Reads at `offset` what is in memory: as much as there is room for, or less. `None` if the disk would have to be asked,
/// or the file system cannot tell.
///
/// # Errors
/// `UnexpectedEof` at the end of the file.
fn read_now(file: &File, room: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
    loop {
        match preadv2(file, &mut [IoSliceMut::new(room)], offset, ReadWriteFlags::NOWAIT) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => return Ok(Some(read)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(None),
            Err(e) => return Err(e.into()),
        }
    }
}

/// Fills `room` from `offset` on without waiting; answers how much of it was filled.
///
/// # Errors
/// As reading has them; `UnexpectedEof` where the file ends before.
pub(super) fn fill_now(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < room.len() {
        match read_now(file, &mut room[filled..], offset + filled as u64)? {
            Some(read) => filled += read,
            None => break,
        }
    }
    Ok(filled)
}

/// Whether a range that is not empty is in memory, as far as samples say.
///
/// # Errors
/// As [`fill_now`].
pub(super) fn is_warm(file: &File, range: &Range<u64>) -> io::Result<bool> {
    let samples = range.clone().step_by(STEP).chain([range.end - 1]);
    for offset in samples {
        if read_now(file, &mut [0], offset)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Brings a range into memory, however long that takes.
///
/// # Errors
/// As [`fill_now`].
pub(super) fn warm_up(file: &File, range: Range<u64>) -> io::Result<()> {
    let mut scratch = Buffer::new(BUFFER);
    let mut at = range.start;
    while at < range.end {
        let len = usize::try_from(range.end - at).map_or(BUFFER, |left| left.min(BUFFER));
        file.read_exact_at(&mut scratch.room()[..len], at)?;
        at += len as u64;
    }
    Ok(())
}

/// Does `work`, which waits for the disk, on a thread for that, when it is its turn.
pub(super) fn elsewhere(
    work: impl FnOnce() -> io::Result<Bytes> + Send + 'static,
) -> BoxFuture<'static, io::Result<Bytes>> {
    Box::pin(async {
        let turn = TURNS.acquire().await.map_err(io::Error::other)?;
        let work = move || {
            // Kept until it is done, even if nobody waits for it any more.
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_system_that_cannot_tell_is_asked_elsewhere() {
        // What is in /proc is made when it is read.
        let file = File::open("/proc/version").unwrap();
        assert!(matches!(read_now(&file, &mut [0; 8], 0), Ok(None)));
        let mut some = [0; 5];
        file.read_exact_at(&mut some, 0).unwrap();
        assert_eq!(&some, b"Linux");
    }

    #[test]
    fn the_end_of_the_file_is_an_error_wherever_it_is_met() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 300_000]).unwrap();
        assert_eq!(fill_now(&file, &mut [0; 1000], 299_000).unwrap(), 1000);
        assert!(is_warm(&file, &(0..300_000)).unwrap());
        for failed in [
            fill_now(&file, &mut [0; 1000], 299_001).map(drop),
            is_warm(&file, &(0..300_001)).map(drop),
            warm_up(&file, 0..300_001),
        ] {
            assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[tokio::test]
    async fn no_more_than_a_bounded_number_waits_for_the_disk() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NOW: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let reads = (0..4 * WAITING).map(|_| {
            elsewhere(|| {
                MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Until as many are here as may be, or for long enough that one more would have come.
                let deadline = std::time::Instant::now() + std::time::Duration::from_millis(50);
                while std::time::Instant::now() < deadline && NOW.load(Ordering::SeqCst) <= WAITING {
                    std::thread::yield_now();
                }
                NOW.fetch_sub(1, Ordering::SeqCst);
                Ok(Bytes::new())
            })
        });
        futures_util::future::try_join_all(reads).await.unwrap();
        let most = MOST.load(Ordering::SeqCst);
        assert!((1..=WAITING).contains(&most), "{most}");
    }
}
