//! The system calls of sending, none of which waits.

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::sendfile;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::net::TcpStream;

use crate::registry::{self, Found};

/// How much of files is sent in one turn, in bytes.
const TURN: usize = 2 * 1024 * 1024;

/// What is worth putting together goes into one packet, as the kernel cuts them from 64 KiB. What is just too long for one
/// is better begun with a small packet than ended with one: that may have to wait for its turn, where packets are paced.
const PACKET: usize = 60 * 1024;

static SENT: AtomicU64 = AtomicU64::new(0);

/// How many bytes of files this process has sent without copying them.
pub fn sent() -> u64 {
    SENT.load(Ordering::Relaxed)
}

/// Sends `slices` in their order, and adds to `sent` what has gone, until all is, or a turn is over.
///
/// # Errors
/// `WouldBlock` when the socket is full, `UnexpectedEof` for a file that is shorter than its mapping.
pub(crate) fn all(tcp: &TcpStream, mut slices: &[IoSlice<'_>], sent: &mut usize) -> io::Result<()> {
    while let Some((first, rest)) = slices.split_first() {
        if *sent >= TURN {
            return Ok(());
        }
        if let Some(found) = registry::find(first) {
            let most = first.len().min(TURN - *sent);
            file(tcp, found, most, sent)?;
            if most < first.len() {
                return Ok(());
            }
            slices = rest;
        } else {
            let plain = rest.iter().take_while(|slice| registry::find(slice).is_none()).count() + 1;
            let (now, rest) = slices.split_at(plain);
            let together = !rest.is_empty() && len(slices) <= PACKET;
            memory(tcp, now, together, sent)?;
            slices = rest;
        }
    }
    Ok(())
}

/// Sends `len` bytes of a file.
fn file(tcp: &TcpStream, found: Found, len: usize, sent: &mut usize) -> io::Result<()> {
    let (mut offset, mut left) = (found.offset, len);
    while left > 0 {
        // It moves `offset` along.
        let gone = retry_on_intr(|| sendfile(tcp, &found.file, Some(&mut offset), left))?;
        if gone == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        SENT.fetch_add(gone as u64, Ordering::Relaxed);
        *sent += gone;
        left -= gone;
        if left > 0 && !is_writable(tcp)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
    }
    Ok(())
}

/// Whether sending failed because of the file, rather than of the client.
pub(crate) fn is_of_file(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof || error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

/// Whether there is room worth using. Nearly always sending stopped short because there is none, and asking is cheaper
/// than trying; but it may have been the file, and nobody would wake a connection that has room.
fn is_writable(tcp: &TcpStream) -> io::Result<bool> {
    let mut asked = [PollFd::new(tcp, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(retry_on_intr(|| poll(&mut asked, Some(&at_once)))? > 0)
}

/// Sends `slices`, and keeps a packet that is not full if `more` is about to follow.
fn memory(tcp: &TcpStream, slices: &[IoSlice<'_>], more: bool, sent: &mut usize) -> io::Result<()> {
    let flags = if more { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL };
    let gone = retry_on_intr(|| sendmsg(tcp, slices, &mut SendAncillaryBuffer::default(), flags))?;
    *sent += gone;
    if gone == len(slices) { Ok(()) } else { Err(Errno::AGAIN.into()) }
}

fn len(slices: &[IoSlice<'_>]) -> usize {
    slices.iter().map(|slice| slice.len()).sum()
}
