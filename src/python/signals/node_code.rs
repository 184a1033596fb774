//! Where Node's own code is, so that its signal handlers can be told from others. They are static functions: no name
//! leads to them.

use std::ffi::{CStr, c_void};
use std::ops::Range;
use std::sync::OnceLock;

/// A symbol of Node's, and one of its libuv, which some distributions keep in a library of its own.
const SYMBOLS: [&CStr; 2] = [c"napi_get_undefined", c"uv_signal_start"];

static RANGES: OnceLock<[Range<usize>; SYMBOLS.len()]> = OnceLock::new();

/// To be called before [`contains`], on any thread.
pub fn find() {
  RANGES.get_or_init(|| SYMBOLS.map(range_of));
}

/// Whether code of Node's, or its libuv's, is at this address. Async-signal-safe.
pub fn contains(address: usize) -> bool {
  RANGES
    .get()
    .is_some_and(|ranges| ranges.iter().any(|range| range.contains(&address)))
}

/// The address of a symbol that the process exports.
pub fn symbol(name: &CStr) -> Option<*const c_void> {
  // SAFETY: looks a name up among what is loaded.
  let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
  (!found.is_null()).then_some(found.cast_const())
}

fn range_of(name: &CStr) -> Range<usize> {
  symbol(name)
    .and_then(|address| image_around(address.addr()))
    .unwrap_or(0..0)
}

/// The program or library that holds an address, from its first to its last segment.
#[cfg(target_os = "linux")]
fn image_around(address: usize) -> Option<Range<usize>> {
  struct Search {
    address: usize,
    found: Option<Range<usize>>,
  }

  unsafe extern "C" fn look(
    info: *mut libc::dl_phdr_info,
    _: usize,
    search: *mut c_void,
  ) -> libc::c_int {
    // SAFETY: the loader describes an image that stays while it calls; the search is the caller's.
    let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
    // SAFETY: as many headers as it says.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let mut segments = headers
      .iter()
      .filter(|header| header.p_type == libc::PT_LOAD)
      .filter_map(|header| {
        let start = usize::try_from(info.dlpi_addr + header.p_vaddr).ok()?;
        Some(start..start + usize::try_from(header.p_memsz).ok()?)
      });
    if !segments
      .clone()
      .any(|segment| segment.contains(&search.address))
    {
      return 0;
    }
    let first = segments.next().map_or(0, |segment| segment.start);
    let last = segments.next_back().map_or(first, |segment| segment.end);
    search.found = Some(first..last);
    1
  }

  let mut search = Search {
    address,
    found: None,
  };
  // SAFETY: the function keeps nothing of what it is given.
  unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
  search.found
}

#[cfg(target_vendor = "apple")]
fn image_around(address: usize) -> Option<Range<usize>> {
  unsafe extern "C" {
    fn getsegmentdata(
      header: *const c_void,
      name: *const libc::c_char,
      size: *mut libc::c_ulong,
    ) -> *const u8;
  }
  let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
  let mut size = 0;
  // SAFETY: `dladdr` takes any address, and gives the header of the image that holds it.
  let text = unsafe {
    if libc::dladdr(
      std::ptr::with_exposed_provenance(address),
      info.as_mut_ptr(),
    ) == 0
    {
      return None;
    }
    getsegmentdata(
      info.assume_init().dli_fbase,
      c"__TEXT".as_ptr(),
      &raw mut size,
    )
  };
  let start = text.addr();
  (start != 0).then_some(start..start + usize::try_from(size).ok()?)
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn an_image_holds_its_own_functions_and_no_data_of_others() {
    let here = (image_around as *const ()).addr();
    let image = image_around(here).expect("the test is loaded");
    assert!(image.contains(&here));
    assert!(!image.contains(&(libc::abort as *const ()).addr()));
    assert_eq!(image_around(1), None);
  }
}
