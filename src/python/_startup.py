"""What amphis does in Python right after it has started, and right before it leaves.

Runs before asyncio, and with it `_ssl`, is imported for the first time.
"""

import atexit
import io
import os
import select
import sys
from importlib.machinery import ExtensionFileLoader, PathFinder

# Extension modules in plain C over libraries that Node carries too and exports. Global symbols win
# on Linux, so that uvloop would run on Node's libuv and ssl on Node's OpenSSL.
DEEP_BOUND = frozenset({"uvloop.loop", "_ssl", "_hashlib", "zlib", "_sqlite3", "_zstd", "_brotli"})

# glibc's RTLD_NOW | RTLD_DEEPBIND: the module's own libraries come before Node's symbols.
DEEP_BINDING = 0x2 | 0x8


class DeepBindingLoader(ExtensionFileLoader):
    """Loads an extension module so that it sees its own libraries first.

    For the named modules only: under DEEPBIND, C++ code would get a second set of the run-time
    type information and allocators that it has to share.
    """

    def create_module(self, spec):
        flags = sys.getdlopenflags()
        sys.setdlopenflags(DEEP_BINDING)
        try:
            return super().create_module(spec)
        finally:
            sys.setdlopenflags(flags)


class DeepBindingFinder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in DEEP_BOUND:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or type(spec.loader) is not ExtensionFileLoader:
            return None
        spec.loader = DeepBindingLoader(spec.loader.name, spec.loader.path)
        return spec


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
