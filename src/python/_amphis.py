"""The few lines of amphis that are clearer in Python than in Rust."""

import asyncio
import atexit
import contextlib
import os
import queue
import sys
import threading

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


def announce(task, coroutine):
    """Prepares a task of asyncio's debug mode, which is yet to begin.

    What the loop says of a slow step shall name the request and the app, not `run`. A task that is
    cancelled before it has begun never comes into `run`: its cycle is told here.
    """
    variables = coroutine.cr_frame.f_locals
    app, scope, cycle = variables["app"], variables["scope"], variables["cycle"]
    if scope["type"] != "lifespan":
        # Told twice, it does nothing.
        task.add_done_callback(
            lambda task: task.cancelled() and cycle.finish(asyncio.CancelledError())
        )
    try:
        called = app if hasattr(app, "__qualname__") else type(app)
        coroutine.__qualname__ = f"{called.__module__}.{called.__qualname__}"
        kind = scope["type"]
        if kind == "lifespan":
            task.set_name(kind)
        else:
            task.set_name(f"{scope['method'] if kind == 'http' else 'WS'} {scope['path']}")
    except Exception:
        # A class of the app's that answers in its own way keeps the name that it has.
        return


async def root(loop):
    await loop.create_future()


def root_task(loop):
    """A task that lasts as long as the loop."""
    return loop.create_task(root(loop), name="amphis-root")


# Called from Rust there is no frame of Python below: where the loop's debug mode looks for one, Python 3.15 finds
# garbage. So the loop runs on a frame of these.


def run_until_complete(loop, future):
    return loop.run_until_complete(future)


def end_task(loop, task):
    task.cancel()
    loop.run_until_complete(task)


def add_reader(loop, descriptor, callback):
    loop.add_reader(descriptor, callback)


def start_loop_thread(run):
    """Has `run` run an event loop on a thread of its own.

    Raises:
        What kept it from starting.
    """
    started = queue.SimpleQueue()
    threading.Thread(target=run, args=(started.put,), name="amphis-loop", daemon=True).start()
    error = started.get()
    if error is not None:
        raise error


def at_end(close_pool, end):
    """Has `close_pool` called before Python waits for its threads, `end` before it is finalised."""
    # As concurrent.futures does; refused where Python has begun to wait for its threads.
    with contextlib.suppress(RuntimeError):
        threading._register_atexit(close_pool)
    atexit.register(end)


def wind_up(loop, seconds):
    """What `asyncio.run` does at its end, within a limit: tasks, async generators, the default executor."""
    loop.run_until_complete(_wind_up(loop, loop.time() + seconds))


async def _wind_up(loop, deadline):
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await ended(loop, tasks, deadline)
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception() is not None:
            context = {
                "message": "unhandled exception while the event loop was ended",
                "exception": task.exception(),
                "task": task,
            }
            loop.call_exception_handler(context)
    await ended(loop, {loop.create_task(loop.shutdown_asyncgens())}, deadline)
    # Never cancelled: before 3.12 it would wait for its threads then, for as long as they take.
    await ended(loop, {loop.create_task(loop.shutdown_default_executor())}, deadline)


async def ended(loop, tasks, deadline):
    if tasks:
        await asyncio.wait(tasks, timeout=max(deadline - loop.time(), 0))


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


def nearest_module(name, folder):
    """The module of a folder whose name is most like `name`; None where none is."""
    import difflib
    import pkgutil

    there = [module.name for module in pkgutil.iter_modules([folder])]
    return next(iter(difflib.get_close_matches(name, there, 1)), None)


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
