//! Binds what Python loads to the libraries that it was made for, not to Node's.
//!
//! Node exports the symbols of the C libraries inside it (OpenSSL, zlib, libuv, llhttp, c-ares, Brotli, nghttp2, ICU,
//! later SQLite and zstd as well), and on Linux a symbol of the main program wins over a library's own: uvloop would
//! run on Node's libuv, `_ssl` on Node's OpenSSL, and a library that was compiled against another version than Node's
//! calls into that one half-way and crashes. It is so for a module, for the libraries that it needs, for those that
//! they need, and for libpython itself.
//!
//! So each library is bound as if Node did not export those symbols: once the dynamic linker is done with it and before
//! any of its functions is called, the slots through which it calls Node are set to what itself or the libraries that
//! it needs define ([`rebind`]). That happens to libpython before Python starts, and from then on to whatever Python
//! loads and all that comes with it, because libpython's own `dlopen` is ours ([`open`]). Nothing in Python is changed
//! for it, so it also holds for what `site` imports, and for Pythons that carry libraries of their own.
//!
//! Why not `RTLD_DEEPBIND`: it binds a library to the C library's own variables, of which Node has copies (`environ` is
//! empty then); a replaced malloc (`LD_PRELOAD`) meets libc's own `free`; modules in C++ see second, uninitialised
//! copies of `std::cout`, so that they have to be left out; and a library that such a module was the first to need stays
//! with Node for everybody.
//!
//! On macOS a library's own symbols come first anyway, and musl is no platform of this package.

#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod elf;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod node;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod open;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod rebind;

#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
pub use self::open::{TELLS, begin, bound};
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")))]
pub use self::unbound::{TELLS, begin, bound};

/// Where there is nothing to do.
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")))]
mod unbound {
  pub const TELLS: bool = false;

  pub fn begin(_: fn(&[u8])) -> Result<(), String> {
    Ok(())
  }

  pub fn bound<T>(load: impl FnOnce() -> T) -> T {
    load()
  }
}
