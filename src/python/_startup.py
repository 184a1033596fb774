"""What amphis does in Python right after it has started, and right before it leaves.

Runs before asyncio, and with it `_ssl`, is imported for the first time.
"""

import atexit
import io
import os
import select
import struct
import sys
from importlib.machinery import ExtensionFileLoader, PathFinder

# Node exports the symbols of the C libraries that it carries (OpenSSL, zlib, libuv, llhttp, c-ares,
# Brotli, nghttp2, ICU), and on Linux a global symbol wins: uvloop would run on Node's libuv, ssl on
# Node's OpenSSL, and zlib or aiohttp's parser on another version of what they were compiled for,
# which crashes. Under glibc's DEEPBIND a module sees its own libraries first.
DEEP_BINDING = 0x2 | 0x8  # RTLD_NOW | RTLD_DEEPBIND

# Known to collide, and bound deeply even where a replaced malloc makes that risky for all others.
COLLIDING = frozenset({"uvloop.loop", "_ssl", "_hashlib", "zlib", "_sqlite3", "_zstd", "_brotli"})


class DeepBindingLoader(ExtensionFileLoader):
    """Loads an extension module so that it sees its own libraries first."""

    def create_module(self, spec):
        flags = sys.getdlopenflags()
        sys.setdlopenflags(DEEP_BINDING)
        try:
            return super().create_module(spec)
        finally:
            sys.setdlopenflags(flags)


class DeepBindingFinder:
    """Finds what `PathFinder` finds; extension modules in C get the loader above.

    Those in C++ do not: they share `std::cout` and run-time type information with Node's libstdc++,
    and under DEEPBIND would see second, uninitialised copies.
    """

    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is ExtensionFileLoader and is_bound_deeply(spec):
            spec.loader = DeepBindingLoader(spec.loader.name, spec.loader.path)
        return spec


def is_bound_deeply(spec):
    if spec.name in COLLIDING:
        return True
    # Memory that libc allocates with the replacement would be freed with libc's own free.
    if "malloc" in os.environ.get("LD_PRELOAD", ""):
        return False
    # The standard library's modules are C; only what was installed has to be looked at.
    if os.path.dirname(spec.origin).endswith("lib-dynload"):
        return True
    try:
        return not any(library.startswith(b"libstdc++") for library in needed(spec.origin))
    except (OSError, struct.error, IndexError, ValueError):
        # Not an ELF file of this machine: the import says so better.
        return False


def needed(path):
    """The libraries that a 64-bit little-endian ELF file asks for (its DT_NEEDED entries)."""
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


class PatientWriter(io.FileIO):
    """Writes all it is given, also where Node has made the file description non-blocking.

    CPython's own would report a full pipe as BlockingIOError and lose what did not fit.
    """

    def write(self, data):
        with memoryview(data) as view, view.cast("B") as rest:
            written = 0
            while written < len(rest):
                count = super().write(rest[written:])
                if count is None:
                    # Waits without the GIL. These descriptors are 1 and 2, so select will do.
                    select.select((), (self.fileno(),), ())
                else:
                    written += count
            return written


def patient(stream):
    """The same standard stream over a PatientWriter; `stream` itself if it is not CPython's own."""
    if type(stream) is not io.TextIOWrapper:
        return stream
    try:
        stream.flush()
        raw = PatientWriter(stream.fileno(), "wb", closefd=False)
    except (OSError, ValueError):
        return stream
    raw.name = stream.name
    # `python -u` has no buffer between text and file.
    buffer = raw if isinstance(stream.buffer, io.RawIOBase) else io.BufferedWriter(raw)
    text = io.TextIOWrapper(
        buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    text.mode = stream.mode
    return text


def prepare(stack_size):
    # Only glibc has DEEPBIND. On macOS a module's own libraries come first anyway.
    if is_glibc():
        sys.meta_path.insert(0, DeepBindingFinder)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream is getattr(sys, f"__{name}__"):
            replacement = patient(stream)
            setattr(sys, name, replacement)
            setattr(sys, f"__{name}__", replacement)
    # As in any embedded interpreter; "-c" is only what made CPython find the environment.
    sys.argv[:] = [""]

    # On this thread first, since it is Python's main thread; and while the caller still watches over
    # the signals: importing signal takes SIGINT where nothing handles it.
    import signal  # noqa: F401
    import threading

    threading.stack_size(stack_size)


def is_glibc():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") is not None
    except (OSError, ValueError):
        return False


def leave():
    """Python's own way out, each step whatever the others did, without finalisation."""
    # Output comes first: joining a thread that never ends must not cost what was printed.
    for step in (flush, join_threads, atexit._run_exitfuncs, flush):
        try:
            step()
        except BaseException:
            report()


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError, BrokenPipeError):
            # None, closed, or nobody reads it any more.
            pass


def join_threads():
    import threading

    threading._shutdown()


def report():
    try:
        sys.excepthook(*sys.exc_info())
    except BaseException:
        # There is nowhere left to say it.
        pass
