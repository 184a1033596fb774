//! A library, or the main program, as the dynamic linker has it in memory.
//!
//! The layout is that of the ELF specification, in the form for 64 bits; what the linker has loaded is of this
//! machine's byte order.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ops::Range;
use std::ptr::{self, with_exposed_provenance};
use std::slice;

/// Keys of the dynamic section.
mod tag {
  pub const END: u64 = 0;
  pub const NEEDED: u64 = 1;
  pub const SIZE_OF_CALLS: u64 = 2;
  pub const STRINGS: u64 = 5;
  pub const SYMBOLS: u64 = 6;
  pub const RELOCATIONS: u64 = 7;
  pub const SIZE_OF_RELOCATIONS: u64 = 8;
  pub const NAME: u64 = 14;
  pub const CALLS: u64 = 23;
  pub const HASH: u64 = 0x6fff_fef5;
}

#[repr(C)]
struct Entry {
  tag: u64,
  value: u64,
}

#[repr(C)]
pub struct Symbol {
  name: u32,
  info: u8,
  visibility: u8,
  section: u16,
  value: u64,
  size: u64,
}

impl Symbol {
  const GLOBAL: u8 = 1;
  const WEAK: u8 = 2;
  const THREAD_LOCAL: u8 = 6;
  const INDIRECT: u8 = 10;
  /// From here on a section's number is none.
  const RESERVED: u16 = 0xff00;

  /// Whether another library's definition may come before the own one.
  pub fn is_interposable(&self) -> bool {
    matches!(self.info >> 4, Self::GLOBAL | Self::WEAK)
      && self.visibility.trailing_zeros() >= 2
      && self.kind() != Self::THREAD_LOCAL
  }

  /// Whether its address is where its library says, which is not so of a function that is chosen at run time.
  pub fn has_own_address(&self) -> bool {
    self.is_defined() && self.section < Self::RESERVED && self.kind() != Self::INDIRECT
  }

  fn is_defined(&self) -> bool {
    self.section != 0
  }

  fn kind(&self) -> u8 {
    self.info & 15
  }
}

#[repr(C)]
struct Relocation {
  offset: u64,
  info: u64,
  addend: i64,
}

/// A place in a library that holds the address of a symbol.
pub struct Slot<'a> {
  pub place: usize,
  pub symbol: &'a Symbol,
  pub name: &'a CStr,
  /// Is added to the address.
  pub addend: usize,
  /// May be filled in at the first call only, and until then leads back into the library.
  pub is_call: bool,
}

struct Segment {
  kind: u32,
  flags: u32,
  extent: Range<usize>,
}

/// A table of the dynamic section: where it is, and of how many bytes. Zero where there is none.
#[derive(Default)]
struct Table {
  address: usize,
  bytes: usize,
}

pub struct Object {
  /// What addresses in the file are counted from.
  base: usize,
  /// Where it was loaded from; empty for the main program.
  path: CString,
  /// What others call it.
  name: Vec<u8>,
  needed: Vec<Vec<u8>>,
  segments: Vec<Segment>,
  strings: usize,
  symbols: usize,
  hash: usize,
  relocations: Table,
  calls: Table,
}

/// What tells the objects in a process apart, for as long as they are loaded.
pub type Identity = usize;

/// Which objects there are.
pub fn identities() -> Vec<Identity> {
  let mut all = Vec::new();
  each(&mut |info| all.push(info.dlpi_phdr.addr()));
  all
}

/// The objects in this process, the main program first, without those in `known`.
pub fn objects_beside(known: &[Identity]) -> Vec<Object> {
  let mut all = Vec::new();
  each(&mut |info| {
    if !known.contains(&info.dlpi_phdr.addr()) {
      all.push(Object::new(info));
    }
  });
  all
}

/// While it runs nothing is loaded or unloaded.
fn each(visit: &mut dyn FnMut(&libc::dl_phdr_info)) {
  type Visit<'a> = &'a mut dyn FnMut(&libc::dl_phdr_info);

  unsafe extern "C" fn call(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: the pointer that `each` has passed, used by this call alone; `info` is the linker's.
    unsafe { (*data.cast::<Visit<'_>>())(&*info) };
    0
  }
  let mut visit: Visit<'_> = visit;
  // SAFETY: `call` is what it asks for, and `visit` outlives it. None of those above panics.
  unsafe { libc::dl_iterate_phdr(Some(call), ptr::from_mut(&mut visit).cast()) };
}

impl Object {
  fn new(info: &libc::dl_phdr_info) -> Self {
    let base = usize::try_from(info.dlpi_addr).unwrap_or_default();
    let address = |value: u64| base.wrapping_add(usize::try_from(value).unwrap_or_default());
    // SAFETY: the linker's own table, which stays while the object is loaded.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let segments: Vec<_> = headers
      .iter()
      .map(|header| Segment {
        kind: header.p_type,
        flags: header.p_flags,
        extent: address(header.p_vaddr)..address(header.p_vaddr.wrapping_add(header.p_memsz)),
      })
      .collect();
    let path = if info.dlpi_name.is_null() {
      CString::default()
    } else {
      // SAFETY: the linker's own string.
      unsafe { CStr::from_ptr(info.dlpi_name) }.to_owned()
    };
    let mut object = Self {
      base,
      name: after_slash(path.to_bytes()).to_vec(),
      path,
      needed: Vec::new(),
      segments,
      strings: 0,
      symbols: 0,
      hash: 0,
      relocations: Table::default(),
      calls: Table::default(),
    };
    object.read_dynamic_section();
    object
  }

  fn read_dynamic_section(&mut self) {
    let (mut name, mut needed) = (None, Vec::new());
    for Entry { tag, value } in self.dynamic_section() {
      let value = usize::try_from(*value).unwrap_or_default();
      // The linker has added the base, unless the section is read-only.
      let address = if value < self.base {
        self.base + value
      } else {
        value
      };
      match *tag {
        tag::NEEDED => needed.push(value),
        tag::NAME => name = Some(value),
        tag::STRINGS => self.strings = address,
        tag::SYMBOLS => self.symbols = address,
        tag::HASH => self.hash = address,
        tag::RELOCATIONS => self.relocations.address = address,
        tag::SIZE_OF_RELOCATIONS => self.relocations.bytes = value,
        tag::CALLS => self.calls.address = address,
        tag::SIZE_OF_CALLS => self.calls.bytes = value,
        _ => {}
      }
    }
    self.needed = needed
      .into_iter()
      .map(|at| self.string(at).to_bytes().to_vec())
      .collect();
    if let Some(at) = name {
      self.name = self.string(at).to_bytes().to_vec();
    }
  }

  fn dynamic_section<'a>(&self) -> &'a [Entry] {
    let Some(segment) = self.segment(libc::PT_DYNAMIC) else {
      return &[];
    };
    let longest = segment.extent.len() / size_of::<Entry>();
    let first: *const Entry = with_exposed_provenance(segment.extent.start);
    // SAFETY: where the object says that its dynamic section is, in memory that the linker has read as such.
    let entries = unsafe { slice::from_raw_parts(first, longest) };
    let length = entries.iter().position(|entry| entry.tag == tag::END);
    &entries[..length.unwrap_or(longest)]
  }

  fn segment(&self, kind: u32) -> Option<&Segment> {
    self.segments.iter().find(|segment| segment.kind == kind)
  }

  pub fn path(&self) -> &CStr {
    &self.path
  }

  pub fn name(&self) -> &[u8] {
    &self.name
  }

  /// The names of the libraries that it asks for.
  pub fn needed(&self) -> &[Vec<u8>] {
    &self.needed
  }

  /// Whether an address lies in it.
  pub fn holds(&self, address: usize) -> bool {
    let mut loaded = self.loaded_segments();
    loaded.any(|segment| segment.extent.contains(&address))
  }

  /// Whether the linker writes there, before it protects some of it.
  pub fn is_data(&self, address: usize) -> bool {
    self
      .loaded_segments()
      .any(|segment| segment.flags & libc::PF_W != 0 && segment.extent.contains(&address))
  }

  fn loaded_segments(&self) -> impl Iterator<Item = &Segment> {
    let loaded = |segment: &&Segment| segment.kind == libc::PT_LOAD;
    self.segments.iter().filter(loaded)
  }

  /// What the linker has protected from writing once it was done.
  pub fn protected(&self) -> Option<Range<usize>> {
    self
      .segment(libc::PT_GNU_RELRO)
      .map(|segment| segment.extent.clone())
  }

  pub fn address_of(&self, symbol: &Symbol) -> usize {
    self
      .base
      .wrapping_add(usize::try_from(symbol.value).unwrap_or_default())
  }

  /// Every place that holds the address of a symbol.
  pub fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
    [(&self.relocations, false), (&self.calls, true)]
      .into_iter()
      .flat_map(move |(table, is_call)| {
        let relocations = entries::<Relocation>(table);
        relocations
          .iter()
          .filter_map(move |relocation| self.slot(relocation, is_call))
      })
  }

  fn slot(&self, relocation: &Relocation, is_call: bool) -> Option<Slot<'_>> {
    let index = usize::try_from(relocation.info >> 32).ok()?;
    if index == 0 || self.symbols == 0 {
      return None;
    }
    let symbol = self.symbol(index);
    Some(Slot {
      place: self
        .base
        .wrapping_add(usize::try_from(relocation.offset).ok()?),
      symbol,
      name: self.string(usize::try_from(symbol.name).ok()?),
      addend: isize::try_from(relocation.addend).ok()?.cast_unsigned(),
      is_call,
    })
  }

  fn symbol(&self, index: usize) -> &Symbol {
    let first: *const Symbol = with_exposed_provenance(self.symbols);
    // SAFETY: an index that the object's own tables give, in a table that stays while it is loaded.
    unsafe { &*first.add(index) }
  }

  fn string(&self, at: usize) -> &CStr {
    let first: *const c_char = with_exposed_provenance(self.strings);
    // SAFETY: as above; the strings of that table end with a NUL each. All that ask have found the table.
    unsafe { CStr::from_ptr(first.add(at)) }
  }

  /// The address of what it exports by that name.
  pub fn find(&self, name: &CStr, hash: u32) -> Option<usize> {
    if self.hash == 0 || self.symbols == 0 {
      return None;
    }
    let header: *const u32 = with_exposed_provenance(self.hash);
    // SAFETY: here and below: the table of hashes in its documented layout (number of buckets, index of the first symbol
    // that it knows, number and shift of the words of its filter; filter, buckets, chains), all in memory that stays.
    let [buckets, first, words, shift] = unsafe { header.cast::<[u32; 4]>().read() };
    if buckets == 0 || words == 0 {
      return None;
    }
    // SAFETY: see above.
    let filter: *const u64 = unsafe { header.add(4) }.cast();
    // SAFETY: see above; the word's number is below `words`.
    let word = unsafe { filter.add(((hash / 64) % words) as usize).read() };
    let bits = 1_u64 << (hash % 64) | 1_u64 << ((hash >> (shift % 32)) % 64);
    if word & bits != bits {
      return None;
    }
    // SAFETY: see above.
    let bucket: *const u32 = unsafe { filter.add(words as usize) }.cast();
    // SAFETY: see above.
    let chain = unsafe { bucket.add(buckets as usize) };
    // SAFETY: see above; the bucket's number is below `buckets`.
    let mut index = unsafe { bucket.add((hash % buckets) as usize).read() };
    if index < first {
      return None;
    }
    loop {
      // SAFETY: see above; a chain ends with an odd hash.
      let known = unsafe { chain.add((index - first) as usize).read() };
      let symbol = self.symbol(index as usize);
      if known | 1 == hash | 1
        && symbol.is_defined()
        && symbol.is_interposable()
        && self.string(symbol.name as usize) == name
      {
        return Some(self.address_of(symbol));
      }
      if known & 1 == 1 {
        return None;
      }
      index += 1;
    }
  }
}

/// The hash by which [`Object::find`] finds a name.
pub fn hash(name: &CStr) -> u32 {
  let add = |hash: u32, byte: &u8| hash.wrapping_mul(33).wrapping_add(u32::from(*byte));
  name.to_bytes().iter().fold(5381, add)
}

fn entries<'a, T>(table: &Table) -> &'a [T] {
  if table.address == 0 {
    return &[];
  }
  let first: *const T = with_exposed_provenance(table.address);
  // SAFETY: a table of the dynamic section, which stays while the object is loaded.
  unsafe { slice::from_raw_parts(first, table.bytes / size_of::<T>()) }
}

fn after_slash(path: &[u8]) -> &[u8] {
  path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
  use super::*;

  #[test]
  fn hashes_names_as_the_linker_does() {
    assert_eq!(hash(c""), 0x1505);
    assert_eq!(hash(c"printf"), 0x156b_2bb8);
    assert_eq!(hash(c"exit"), 0x7c96_7e3f);
  }

  #[test]
  fn the_main_program_comes_first_and_needs_libc() {
    let objects = objects_beside(&[]);
    assert_eq!(objects[0].path(), c"");
    assert!(objects[0].needed().iter().any(|name| name == b"libc.so.6"));
    assert!(objects_beside(&identities()).is_empty());
  }

  #[test]
  fn finds_what_a_library_exports_and_nothing_else() {
    let objects = objects_beside(&[]);
    let libc = objects.iter().find(|object| object.name() == b"libc.so.6");
    let libc = libc.expect("libc is loaded");
    // SAFETY: looks a name up.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"getppid".as_ptr()) }.addr();
    assert_eq!(libc.find(c"getppid", hash(c"getppid")), Some(address));
    assert!(libc.holds(address) && !libc.is_data(address));
    assert_eq!(libc.find(c"getpppid", hash(c"getpppid")), None);
  }

  #[test]
  fn lists_the_places_of_a_symbol() {
    let objects = objects_beside(&[]);
    let address = (pyo3::ffi::Py_IsInitialized as *const ()).addr();
    let libpython = objects.iter().find(|object| object.holds(address));
    let libpython = libpython.expect("libpython is loaded");
    let slots: Vec<_> = libpython.slots().collect();
    let opens = slots.iter().filter(|slot| slot.name == c"dlopen");
    assert!(opens.clone().all(|slot| libpython.is_data(slot.place)));
    assert_eq!(opens.count(), 1);
  }
}
