"""The few lines of amphis that are clearer in Python than in Rust."""

import asyncio
import importlib
import json
import sys
import traceback

import _amphis_uvloop as _uvloop

MESSAGE_LIMIT = 64 * 1024
TRACEBACK_LIMIT = 256 * 1024


class ClientDisconnected(OSError):
    """Raised by `send` once the client has left."""


ClientDisconnected.__module__ = "amphis"


def is_disconnect(exc):
    """Whether `exc` says only that the client has left, alone or in exception groups."""
    if isinstance(exc, ClientDisconnected):
        return True
    return is_group(exc) and all(map(is_disconnect, exc.exceptions))


def is_group(exc):
    # By name: 3.10 has groups only as the backport's classes.
    return any(cls.__name__ == "BaseExceptionGroup" for cls in type(exc).__mro__)


async def run(app, scope, cycle):
    """Awaits the app and tells the cycle how it went: None, or the exception of whatever kind.

    SystemExit and KeyboardInterrupt end here too: out of a task they would end the loop.
    """
    try:
        await app(scope, cycle.receive, cycle.send)
    except asyncio.CancelledError as exc:
        cycle.finish(exc)
        raise
    except BaseException as exc:
        cycle.finish(exc)
    else:
        cycle.finish(None)


async def root(loop):
    await loop.create_future()


def root_task(loop):
    """A task that lasts as long as the loop."""
    return loop.create_task(root(loop), name="amphis-root")


def new_event_loop(kind):
    """A new loop, set as this thread's, and its name: of `kind`, or the better there is for auto."""
    if kind == "asyncio":
        loop, name = asyncio.new_event_loop(), "asyncio"
    else:
        try:
            loop, name = uvloop_event_loop(), "uvloop"
        except ImportError as exc:
            if kind == "uvloop":
                raise RuntimeError(
                    f"uvloop can't be imported ({exc}). Install it with "
                    f"`{sys.executable} -m pip install uvloop`, or use loop 'auto'."
                ) from exc
            loop, name = asyncio.new_event_loop(), "asyncio"
    asyncio.set_event_loop(loop)
    return loop, name


def uvloop_event_loop():
    import uvloop

    _uvloop.adopt(uvloop.Loop)
    return uvloop.new_event_loop()


def describe(exc):
    """One line of ASCII JSON: type, message and traceback of an exception."""
    kind, message, text = report(exc)
    return json.dumps({"type": kind, "message": message, "traceback": text})


def report(exc):
    """Type, message and traceback of an exception, whatever its own methods do."""
    try:
        kind = type_name(type(exc))
    except BaseException:
        kind = "Exception"
    try:
        message = str(exc)
    except BaseException:
        message = f"<{kind} whose str() failed>"
    try:
        text = "".join(traceback.format_exception(type(exc), exc, app_traceback(exc)))
    except BaseException:
        text = f"{kind}: {message}\n<its traceback could not be formatted>\n"
    return kind, shortened(message, MESSAGE_LIMIT), shortened(text, TRACEBACK_LIMIT)


def type_name(cls):
    module, name = cls.__module__, cls.__qualname__
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def app_traceback(exc):
    """The traceback from the first frame that is neither ours nor the import system's."""
    tb = exc.__traceback__
    while tb is not None and is_machinery(tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    return tb


def is_machinery(filename):
    return filename.startswith(("<amphis>", "<frozen importlib")) or filename == IMPORTLIB


IMPORTLIB = importlib.__file__


def shortened(text, limit):
    if len(text) > limit:
        half = limit // 2
        omitted = f"\n[... {len(text) - 2 * half} characters left out ...]\n"
        text = text[:half] + omitted + text[-half:]
    # Lone surrogates, as in names of files that are not UTF-8, are no text for Rust and JavaScript.
    return text.encode("utf-8", "backslashreplace").decode()
