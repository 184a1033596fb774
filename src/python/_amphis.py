"""The few lines of amphis that are clearer in Python than in Rust."""

import asyncio
import os
import sys

import _amphis_traceback as _traceback

app_traceback = _traceback.app_traceback
describe = _traceback.describe
report = _traceback.report


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

    return uvloop.new_event_loop()


def sources():
    """Of what this start of Python has depended on and somebody may change, the paths.

    The folders of sys.path, and the files of the modules imported so far but for the standard library's.
    """
    library = os.path.dirname(os.__file__) + os.sep
    files = [vars(module).get("__file__") for module in list(sys.modules.values())]
    installed = (file for file in files if file and not is_library(file, library))
    return [*map(os.fspath, sys.path), *installed]


def is_library(file, library):
    return file.startswith(library) and "-packages" + os.sep not in file
