"""Binds extension modules to the libraries that they were made for, not to Node's.

Imports next to nothing: it runs before everything else, also before scripts that expect a plain Python.
"""

import posix
import sys
from _frozen_importlib_external import ExtensionFileLoader

# Node exports the symbols of the C libraries that it carries (OpenSSL, zlib, libuv, llhttp, c-ares,
# Brotli, nghttp2, ICU), and on Linux a global symbol wins: uvloop would run on Node's libuv, ssl on
# Node's OpenSSL, and zlib or aiohttp's parser on another version of what they were compiled for,
# which crashes. Under glibc's DEEPBIND a module sees its own libraries first.
DEEP_BINDING = 0x2 | 0x8  # RTLD_NOW | RTLD_DEEPBIND

# Known to collide, and bound deeply even where a replaced malloc makes that risky for all others.
COLLIDING = frozenset({"uvloop.loop", "_ssl", "_hashlib", "zlib", "_sqlite3", "_zstd", "_brotli"})


# The extension module of the package `setproctitle`; before its version 1.2 it was no package.
TITLES = frozenset({"setproctitle._setproctitle", "setproctitle"})


def adopt_title(module, set_title):
    """Has `setproctitle` set the title of this process as Node does.

    By itself it does nothing here: it looks for Python's arguments in front of the environment, and there
    are Node's. Could it find them, it would write over the environment, which Node's threads read.
    """
    change, own = module.setproctitle, module.getproctitle
    given = []

    def setproctitle(title):
        """setproctitle(title) -- Change the process title."""
        if set_title(title):
            given[:] = [title]
        else:
            change(title)

    def getproctitle():
        """getproctitle() -- Get the current process title."""
        return given[0] if given else own() or command_line()

    module.setproctitle = setproctitle
    module.getproctitle = getproctitle


def command_line():
    try:
        with open("/proc/self/cmdline", encoding="utf-8", errors="surrogateescape") as file:
            return file.read().rstrip("\0").replace("\0", " ")
    except OSError:
        return ""


def bind_deeply(adopt_uvloop, set_title):
    """Has modules that are imported from here on see their own libraries first.

    Modules in C++ do not: they share `std::cout` and run-time type information with Node's libstdc++,
    and under DEEPBIND would see second, uninitialised copies.
    """
    create = ExtensionFileLoader.create_module
    execute = ExtensionFileLoader.exec_module

    def create_module(self, spec):
        if not is_bound_deeply(spec):
            return create(self, spec)
        flags = sys.getdlopenflags()
        sys.setdlopenflags(DEEP_BINDING)
        try:
            return create(self, spec)
        finally:
            sys.setdlopenflags(flags)

    def exec_module(self, module):
        execute(self, module)
        if module.__name__ == "uvloop.loop":
            adopt_uvloop(module)
        elif module.__name__ in TITLES:
            adopt_title(module, set_title)

    # In the class itself: finders, and whoever makes a loader by hand, keep what they have.
    if is_glibc():
        # Elsewhere there is no DEEPBIND. On macOS a module's own libraries come first anyway.
        ExtensionFileLoader.create_module = create_module
    ExtensionFileLoader.exec_module = exec_module


def is_bound_deeply(spec):
    if spec.name in COLLIDING:
        return True
    # Memory that libc allocates with the replacement would be freed with libc's own free.
    if b"malloc" in posix.environ.get(b"LD_PRELOAD", b""):
        return False
    # The standard library's modules are C; only what was installed has to be looked at.
    if spec.origin.rpartition("/")[0].endswith("lib-dynload"):
        return True
    try:
        return not any(library.startswith(b"libstdc++") for library in needed(spec.origin))
    except Exception:
        # Not an ELF file of this machine: the import says so better.
        return False


def needed(path):
    """The libraries that a 64-bit little-endian ELF file asks for (its DT_NEEDED entries)."""
    import struct

    with open(path, "rb") as file:
        header = file.read(64)
        if header[:6] != b"\x7fELF\x02\x01":
            raise ValueError(path)
        (offset,) = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        file.seek(offset)
        table = file.read(size * count)
        # Of each segment: type, flags, place in the file, address, (physical address), size there.
        segments = [struct.unpack_from("<IIQQQQ", table, at) for at in range(0, len(table), size)]

        def read(address, length):
            for kind, _, place, start, _, extent in segments:
                if kind == 1 and start <= address < start + extent:
                    file.seek(place + address - start)
                    return file.read(length)
            raise ValueError(path)

        names, tags = [], {}
        for kind, _, place, _, _, extent in segments:
            if kind == 2:
                file.seek(place)
                for tag, value in struct.iter_unpack("<QQ", file.read(extent // 16 * 16)):
                    if tag == 1:
                        names.append(value)
                    else:
                        tags.setdefault(tag, value)
        if not names:
            return []
        strings = read(tags[5], tags[10])
        return [strings[at : strings.index(b"\0", at)] for at in names]


def is_glibc():
    try:
        return posix.confstr("CS_GNU_LIBC_VERSION") is not None
    except (OSError, ValueError):
        return False
