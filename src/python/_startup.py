"""What amphis does in Python right after it has started, and right before it leaves.

Runs before asyncio, and with it `signal`, is imported for the first time, unless `site` has done so.
"""

import atexit
import io
import select
import sys


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
