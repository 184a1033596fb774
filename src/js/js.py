"""Isolated JavaScript runtimes for Python.

Each `Runtime` is an isolate of the V8 that Node.js has brought along: a heap, globals and limits of its own, and
nothing of Node.js inside. What JavaScript may do is what Python binds to it.

    from amphis import js

    with js.Runtime(timeout=1, max_heap_size=64 << 20) as runtime:
        runtime.bind_function("price", lambda sku: 12.5)
        runtime.eval("price('tea') * 3")

`js.eval` and its neighbours use a runtime that belongs to the asyncio task, or the thread, which calls them.
"""

import asyncio as _asyncio
import atexit as _atexit
import contextvars as _contextvars
import sys as _sys
import threading as _threading
from dataclasses import dataclass as _dataclass
from dataclasses import field as _field
from ipaddress import ip_address as _ip_address

from amphis import (
    ConversionError,
    EngineUnavailable,
    JavaScriptError,
    JavaScriptFrame,
    Undefined,
    undefined,
)
from amphis._js import (
    JsFunction,
    JsPromise,
    JsStream,
    JsWritableStream,
    ModuleError,
    PyStreamSink,
    PyStreamSource,
    Runtime,
    RuntimeTerminated,
    SnapshotBuilder,
)
from amphis._js import seconds as _seconds
from amphis._js import stop_all as _stop_all

__all__ = [
    "ConversionError",
    "EngineUnavailable",
    "InspectorConfig",
    "InspectorEndpoints",
    "JavaScriptError",
    "JavaScriptFrame",
    "JavaScriptTimeout",
    "JsFunction",
    "JsPromise",
    "JsStream",
    "JsUndefined",
    "JsWritableStream",
    "ModuleError",
    "PyStreamSink",
    "PyStreamSource",
    "Runtime",
    "RuntimeConfig",
    "RuntimeStats",
    "RuntimeTerminated",
    "SnapshotBuilder",
    "Undefined",
    "bind_function",
    "bind_object",
    "close_default_runtime",
    "eval",
    "eval_async",
    "get_default_runtime",
    "install_as",
    "undefined",
]


class JavaScriptTimeout(RuntimeError, TimeoutError):
    """JavaScript ran for longer than its timeout. The runtime can still be used."""


@_dataclass
class InspectorConfig:
    """Where debuggers find a runtime: Chrome DevTools, VS Code, and whatever speaks their protocol.

    Attributes:
        host: the address to listen on. Whoever reaches it, and knows the token of the path, can do all that the
            runtime can.
        port: the port; runtimes of one process may share it. 0: one that is free.
        wait_for_connection: whether the first script waits until a debugger is there and says that it may run.
        break_on_next_statement: the same, and it stops at its first statement.
        target_url: what debuggers are told as the address of what they debug.
        display_name: what they call it.
    """

    host: str = "127.0.0.1"
    port: int = 9229
    wait_for_connection: bool = _field(default=False, kw_only=True)
    break_on_next_statement: bool = _field(default=False, kw_only=True)
    target_url: str | None = _field(default=None, kw_only=True)
    display_name: str | None = _field(default=None, kw_only=True)

    def __setattr__(self, name, value):
        if name == "host":
            # An address, so that it is plain who can reach it.
            value = str(_ip_address("127.0.0.1" if value == "localhost" else value))
        elif name == "port" and not (isinstance(value, int) and 0 <= value <= 65535):
            message = f"port must be a whole number from 0 to 65535, not {value!r}"
            raise ValueError(message)
        object.__setattr__(self, name, value)

    def endpoint(self):
        """Host and port, as they are written in an address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@_dataclass(frozen=True)
class InspectorEndpoints:
    """Where debuggers find a runtime.

    Attributes:
        id: the token of the path; whoever knows it can attach.
        websocket_url: for debuggers.
        devtools_frontend_url: for the address line of Chrome.
        title: what debuggers call it.
        description: what kind of target it is.
        target_url: the address that they are told.
        favicon_url: its picture; there is none.
        host: the address and the port that it listens on.
    """

    id: str
    websocket_url: str
    devtools_frontend_url: str
    title: str
    description: str
    target_url: str
    favicon_url: str
    host: str


@_dataclass
class RuntimeConfig:
    """What a runtime may use.

    Attributes:
        timeout: seconds or a timedelta for each call that names none; None: no limit.
        max_heap_size: bytes of heap, array buffers and WebAssembly memory included; None: V8's own limit.
        max_buffer_size: bytes of array buffers; None: max_heap_size.
        max_serialization_depth: how many containers may be within each other in a value that crosses; at most 1000.
        max_serialization_bytes: bytes of one such value.
        initial_heap_size: bytes that V8 may begin with; a hint.
        bootstrap: a script that is run first, and again after `reset()`.
        enable_console: whether what JavaScript writes by `console` goes to the logger `amphis.js.console`, or nowhere.
        spare: whether it may be one that was made before, while another one is made in the background for the next.
        process: whether the runtime gets a process of its own, which is killed where it does not obey its limits.
        snapshot: bytes of a SnapshotBuilder, whose scripts are run first, and again after `reset()`.
        snapshot_key: the key of that builder; needed in other processes for V8's code in the bytes to be used.
        snapshot_trusted: whether that code is used without a key. Whoever can write the bytes can do all that this
            process can.
        inspector: an InspectorConfig, so that debuggers can attach; None: they cannot.
        grants: names of the permissions that operations have here; see Runtime.register_op.
    """

    timeout: object = None
    max_heap_size: int | None = None
    max_buffer_size: int | None = None
    max_serialization_depth: int = 100
    max_serialization_bytes: int = 10 << 20
    initial_heap_size: int | None = None
    bootstrap: str | None = None
    enable_console: bool = False
    spare: bool = True
    process: bool = False
    snapshot: bytes | None = None
    snapshot_key: bytes | None = None
    snapshot_trusted: bool = False
    inspector: InspectorConfig | None = None
    grants: frozenset = frozenset()

    def __setattr__(self, name, value):
        if name == "timeout" and value is not None:
            value = _seconds(value)
        elif name == "snapshot" and value is not None and len(value) == 0:
            message = "Snapshot bytes cannot be empty"
            raise ValueError(message)
        elif name in ("max_serialization_depth", "max_serialization_bytes") and value is None:
            value = getattr(type(self), name)
        other = {"snapshot": "bootstrap", "bootstrap": "snapshot"}.get(name)
        if other is not None and value is not None and self.__dict__.get(other) is not None:
            message = "snapshot and bootstrap cannot be used together"
            raise ValueError(message)
        object.__setattr__(self, name, value)


@_dataclass(frozen=True)
class RuntimeStats:
    """What a runtime uses.

    Attributes:
        heap_total_bytes: bytes that V8 has taken for the heap.
        heap_used_bytes: bytes of it that are in use.
        heap_limit_bytes: bytes that it may take.
        physical_total_bytes: bytes of it that are in memory.
        external_memory_bytes: bytes outside of the heap that it holds.
        buffer_bytes: bytes of array buffers.
        functions: functions that Python has handles of.
        total_execution_time_ms: milliseconds that all calls have taken, with what they called back.
        last_execution_time_ms: milliseconds that the last one has taken.
        last_execution_kind: which it was, as "eval_sync" or "call_function_async"; None: there was none.
        eval_sync_count: how often a script was evaluated.
        eval_async_count: the same, asynchronously.
        eval_module_sync_count: how often a module was.
        eval_module_async_count: the same, asynchronously.
        call_function_sync_count: how often a function was called.
        call_function_async_count: the same, asynchronously.
        active_timers: timeouts that have not come.
        active_intervals: intervals that were not cleared.
        active_async_ops: asynchronous functions of Python's that have not come to their end.
        open_resources: timers of both kinds.
        active_js_streams: streams of JavaScript that Python has.
        active_py_streams: streams of Python that have not come to their end.
        total_js_streams: how many streams of JavaScript Python has had.
        total_py_streams: how many it has made for JavaScript.
        bytes_streamed_js_to_py: bytes of binary chunks that have come from JavaScript.
        bytes_streamed_py_to_js: bytes of binary chunks that have gone there.
    """

    heap_total_bytes: int
    heap_used_bytes: int
    heap_limit_bytes: int
    physical_total_bytes: int
    external_memory_bytes: int
    buffer_bytes: int
    functions: int
    total_execution_time_ms: float
    last_execution_time_ms: float
    last_execution_kind: str | None
    eval_sync_count: int
    eval_async_count: int
    eval_module_sync_count: int
    eval_module_async_count: int
    call_function_sync_count: int
    call_function_async_count: int
    active_timers: int
    active_intervals: int
    active_async_ops: int
    open_resources: int
    active_js_streams: int
    active_py_streams: int
    total_js_streams: int
    total_py_streams: int
    bytes_streamed_js_to_py: int
    bytes_streamed_py_to_js: int


class _Owned:
    """The runtime of one task or thread, closed when that ends."""

    def __init__(self, owner):
        self.owner = owner
        self.runtime = Runtime()

    def close(self, *_):
        self.runtime.close()

    # What a thread has of its own is dropped when it ends.
    __del__ = close


class _ThreadsOwn(_threading.local):
    owned = None


_of_task = _contextvars.ContextVar("amphis.js runtime", default=None)
_of_thread = _ThreadsOwn()


def _task():
    try:
        return _asyncio.current_task()
    except RuntimeError:
        return None


def _owned():
    task = _task()
    if task is None:
        return _of_thread.owned
    owned = _of_task.get()
    # A context is copied into the tasks that a task starts; its runtime is not theirs.
    return owned if owned is not None and owned.owner is task else None


def get_default_runtime():
    """The runtime of this task, or of this thread where there is no task; made when it is first asked for.

    It is closed when the task or the thread ends.
    """
    owned = _owned()
    if owned is not None and not owned.runtime.is_closed():
        return owned.runtime
    task = _task()
    owned = _Owned(task)
    if task is None:
        _of_thread.owned = owned
    else:
        _of_task.set(owned)
        task.add_done_callback(owned.close)
    return owned.runtime


def close_default_runtime():
    """Closes the runtime of this task or thread, if there is one; the next call makes another."""
    owned = _owned()
    if owned is not None:
        owned.close()


def eval(code, *, timeout=None, name="<eval>"):  # noqa: A001
    """`Runtime.eval` in the runtime of this task or thread."""
    return get_default_runtime().eval(code, timeout=timeout, name=name)


def eval_async(code, *, timeout=None, name="<eval>"):
    """`Runtime.eval_async` in the runtime of this task or thread."""
    return get_default_runtime().eval_async(code, timeout=timeout, name=name)


def bind_function(name, function):
    """`Runtime.bind_function` in the runtime of this task or thread."""
    get_default_runtime().bind_function(name, function)


def bind_object(name, object):  # noqa: A002
    """`Runtime.bind_object` in the runtime of this task or thread."""
    get_default_runtime().bind_object(name, object)


JsUndefined = Undefined


def install_as(name="jsrun"):
    """Makes `import jsrun`, and what is below it, this module: programs that were written for it run unchanged.

    Call it before they are imported.

    Raises:
        RuntimeError: another module of this name was imported already.
    """
    module = _sys.modules[__name__]
    if _sys.modules.get(name, module) is not module:
        message = (
            f"Another module {name} was imported already: call install_as({name!r}) before that"
        )
        raise RuntimeError(message)
    setattr(module, f"_{name}", module)
    _sys.modules[name] = _sys.modules[f"{name}._{name}"] = module


_atexit.register(_stop_all)
