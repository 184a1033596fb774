//! Sets the slots through which a library reaches Node to what it would reach without Node.

use std::ffi::{CStr, c_void};
use std::io;
use std::ops::Range;
use std::ptr::with_exposed_provenance_mut;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::elf::{Object, Slot};
use super::node::Node;

/// A slot and the address that it gets.
pub struct Change {
  pub place: usize,
  pub address: usize,
}

/// Binds a library as if Node did not export what the library, or those that it needs, define.
///
/// # Errors
///
/// When the kernel does not let its slots be written.
pub fn rebind(object: &Object, node: &Node) -> io::Result<()> {
  let own = Definitions::of(object);
  let changes: Vec<_> = object
    .slots()
    .filter_map(|slot| change(object, &slot, node, &own))
    .collect();
  write(object, &changes)
}

fn change(object: &Object, slot: &Slot<'_>, node: &Node, own: &Definitions<'_>) -> Option<Change> {
  // C++ counts on one definition in the whole process: type information, inline variables, allocators.
  if !slot.symbol.is_interposable() || slot.name.to_bytes().starts_with(b"_Z") {
    return None;
  }
  let theirs = node.find(slot.name)?;
  if !leads_to(object, slot, theirs.wrapping_add(slot.addend)) {
    return None;
  }
  let ours = if slot.symbol.has_own_address() {
    object.address_of(slot.symbol)
  } else {
    own.find(slot.name).filter(|found| !node.holds(*found))?
  };
  Some(Change {
    place: slot.place,
    address: ours.wrapping_add(slot.addend),
  })
}

/// Whether a slot holds that address, or will by the first call.
fn leads_to(object: &Object, slot: &Slot<'_>, address: usize) -> bool {
  if !object.is_data(slot.place) || !slot.place.is_multiple_of(align_of::<usize>()) {
    return false;
  }
  let now = cell(slot.place).load(Ordering::Relaxed);
  now == address || slot.is_call && object.holds(now)
}

fn cell(place: usize) -> &'static AtomicUsize {
  // SAFETY: all callers have asked `is_data` and for the alignment; the library stays loaded, for nobody closes what
  // Python has loaded. Others that read the slot do so in one piece.
  unsafe { AtomicUsize::from_ptr(with_exposed_provenance_mut(place)) }
}

/// Sets slots of a library, each of which lies in its data.
///
/// # Errors
///
/// When the kernel does not let them be written.
pub fn write(object: &Object, changes: &[Change]) -> io::Result<()> {
  let protected = object.protected().map(whole_pages);
  let protected =
    protected.filter(|pages| changes.iter().any(|change| pages.contains(&change.place)));
  if let Some(pages) = &protected {
    protect(pages, libc::PROT_READ | libc::PROT_WRITE)?;
  }
  for Change { place, address } in changes {
    cell(*place).store(*address, Ordering::Release);
  }
  match &protected {
    Some(pages) => protect(pages, libc::PROT_READ),
    None => Ok(()),
  }
}

/// As the dynamic linker rounds what it protects.
fn whole_pages(range: Range<usize>) -> Range<usize> {
  // SAFETY: asks for a number.
  let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
  let page = usize::try_from(page).unwrap_or(4096);
  range.start / page * page..range.end / page * page
}

fn protect(pages: &Range<usize>, protection: i32) -> io::Result<()> {
  // SAFETY: the pages of a library's data that the linker has protected, and that hold nothing else. Readable they are
  // all the time.
  let status = unsafe {
    let start = with_exposed_provenance_mut::<c_void>(pages.start);
    libc::mprotect(start, pages.len(), protection)
  };
  if status == 0 {
    Ok(())
  } else {
    Err(io::Error::last_os_error())
  }
}

/// What a library and those that it needs define, in the linker's own order.
struct Definitions<'a> {
  object: &'a Object,
  handle: std::cell::OnceCell<*mut c_void>,
}

impl<'a> Definitions<'a> {
  fn of(object: &'a Object) -> Self {
    Self {
      object,
      handle: std::cell::OnceCell::new(),
    }
  }

  fn find(&self, name: &CStr) -> Option<usize> {
    // SAFETY: the path of a library that is loaded, as the linker knows it, or NULL if it does not know it any more.
    let handle = *self.handle.get_or_init(|| unsafe {
      let known = libc::RTLD_LAZY | libc::RTLD_NOLOAD;
      libc::dlopen(self.object.path().as_ptr(), known)
    });
    if handle.is_null() {
      return None;
    }
    // SAFETY: a handle of `dlopen`, and a C string.
    let found = unsafe { libc::dlsym(handle, name.as_ptr()) }.expose_provenance();
    (found != 0).then_some(found)
  }
}

impl Drop for Definitions<'_> {
  fn drop(&mut self) {
    if let Some(handle) = self.handle.get().filter(|handle| !handle.is_null()) {
      // SAFETY: opened by `find`, and not used any more. The library stays, for somebody else has it open.
      unsafe { libc::dlclose(*handle) };
    }
  }
}
