//! The descriptor that wakes the event loop: an eventfd on Linux, a pipe elsewhere.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Readable from `signal` to `clear`. Both ends never block.
pub struct WakeDescriptor {
  reader: OwnedFd,
  /// `None` where one descriptor serves both directions.
  writer: Option<OwnedFd>,
}

impl WakeDescriptor {
  #[cfg(target_os = "linux")]
  pub fn new() -> io::Result<Self> {
    // SAFETY: eventfd takes no pointers.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if descriptor < 0 {
      return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    let reader = unsafe { OwnedFd::from_raw_fd(descriptor) };
    Ok(Self {
      reader,
      writer: None,
    })
  }

  #[cfg(not(target_os = "linux"))]
  pub fn new() -> io::Result<Self> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for the two descriptors.
    if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
      return Err(io::Error::last_os_error());
    }
    for end in ends {
      // SAFETY: plain flag changes on a descriptor that was just made.
      let failed = unsafe {
        libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC) < 0
          || libc::fcntl(end, libc::F_SETFL, libc::O_NONBLOCK) < 0
      };
      if failed {
        return Err(io::Error::last_os_error());
      }
    }
    // SAFETY: both descriptors were just made and nobody else owns them.
    let (reader, writer) =
      unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
    Ok(Self {
      reader,
      writer: Some(writer),
    })
  }

  /// What the event loop watches.
  pub fn as_raw(&self) -> RawFd {
    self.reader.as_raw_fd()
  }

  /// Makes the descriptor readable. A full pipe is readable already, so a failed write is no loss.
  pub fn signal(&self) {
    let one = 1_u64.to_ne_bytes();
    let writer = self.writer.as_ref().unwrap_or(&self.reader).as_raw_fd();
    // SAFETY: writes eight bytes from a local array.
    unsafe { libc::write(writer, one.as_ptr().cast(), one.len()) };
  }

  /// Takes back what `signal` wrote.
  pub fn clear(&self) {
    let mut bytes = [0_u8; 512];
    // SAFETY: reads at most the array's length into it.
    unsafe { libc::read(self.as_raw(), bytes.as_mut_ptr().cast(), bytes.len()) };
  }
}
