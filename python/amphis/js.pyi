"""Isolated JavaScript runtimes for Python.

Each `Runtime` is an isolate of the V8 that Node.js has brought along: a heap, globals and limits of its own, and
nothing of Node.js inside. What JavaScript may do is what Python binds to it.

    from amphis import js

    with js.Runtime(timeout=1, max_heap_size=64 << 20) as runtime:
        runtime.bind_function("price", lambda sku: 12.5)
        runtime.eval("price('tea') * 3")

`js.eval` and its neighbours use a runtime that belongs to the asyncio task, or the thread, which calls them.
"""

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, Self, TypeVar, final, overload

from amphis import (
    ConversionError,
    EngineUnavailable,
    JavaScriptError,
    JavaScriptFrame,
    Undefined,
    undefined,
)

__all__ = [
    "ConversionError",
    "EngineUnavailable",
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

_Function = TypeVar("_Function", bound=Callable[..., Any])

class RuntimeTerminated(RuntimeError):
    """A runtime was terminated: by terminate(), or by a limit of memory. It takes no more calls."""

class JavaScriptTimeout(RuntimeError, TimeoutError):
    """JavaScript ran for longer than its timeout. The runtime can still be used."""

class ModuleError(RuntimeError):
    """A module cannot be had: nothing gives it, or what gives it fails. The message names who imports it.

    Attributes:
        specifier: what was imported.
        chain: the URLs of the modules that led to it, the nearest first.
    """

    specifier: str
    chain: list[str]
    def __init__(self, specifier: str, reason: str, chain: Sequence[str]) -> None: ...

JsUndefined = Undefined

class JsPromise(Coroutine[Any, Any, Any]):
    """A promise of JavaScript, or a call that is under way: await it, or block a thread by `result()`."""

    def __init__(self, promise: object, runtime: object) -> None: ...
    def __await__(self) -> Generator[Any, Any, Any]: ...
    def result(self, timeout: float | timedelta | None = ...) -> Any: ...
    def done(self) -> bool: ...
    def cancel(self) -> bool: ...
    def send(self, value: Any) -> Any: ...
    def throw(self, *exception: Any) -> Any: ...
    def close(self) -> None: ...

class JsStream(AsyncIterator[Any]):
    """A `ReadableStream` of JavaScript's: iterate over it by `async for`."""

    def __init__(self, lent: object, number: int) -> None: ...
    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> Any: ...
    def close(self) -> None: ...
    async def aclose(self) -> None: ...

class JsWritableStream:
    """A `WritableStream` of JavaScript's. Used by `async with` it is closed, or aborted by an exception."""

    def __init__(self, lent: object, number: int) -> None: ...
    async def write(self, chunk: Any) -> None: ...
    async def write_from(self, iterable: AsyncIterable[Any] | Iterable[Any]) -> None: ...
    async def close(self) -> None: ...
    async def aclose(self) -> None: ...
    async def abort(self, reason: Any = ...) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: object, error: BaseException | None, traceback: object
    ) -> None: ...

class PyStreamSource:
    """An async iterable of Python's that JavaScript has as a `ReadableStream`; Runtime.stream_from_async_iterable."""

    def __new__(cls, giver: object, iterable: AsyncIterable[Any]) -> Self: ...
    def close(self) -> None: ...

class PyStreamSink(AsyncIterator[Any]):
    """What JavaScript writes to a `WritableStream`, to be iterated over; Runtime.stream_to_async_iterable."""

    def __new__(cls, giver: object) -> Self: ...
    def __del__(self) -> None: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Awaitable[Any]: ...
    def close(self) -> None: ...
    async def aclose(self) -> None: ...

@dataclass
class RuntimeConfig:
    timeout: float | timedelta | None = ...
    max_heap_size: int | None = ...
    max_buffer_size: int | None = ...
    max_serialization_depth: int = ...
    max_serialization_bytes: int = ...
    initial_heap_size: int | None = ...
    bootstrap: str | None = ...
    enable_console: bool = ...
    process: bool = ...
    grants: Collection[str] = ...

@dataclass(frozen=True)
class RuntimeStats:
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

@final
class JsFunction:
    @property
    def __name__(self) -> str: ...
    def __call__(self, *arguments: Any, timeout: float | timedelta | None = ...) -> Any: ...
    def call_async(self, *arguments: Any, timeout: float | timedelta | None = ...) -> JsPromise: ...
    def close(self) -> Awaitable[None]: ...

@final
class Runtime:
    def __new__(
        cls,
        config: RuntimeConfig | None = ...,
        /,
        *,
        timeout: float | timedelta | None = ...,
        max_heap_size: int | None = ...,
        max_buffer_size: int | None = ...,
        max_serialization_depth: int = ...,
        max_serialization_bytes: int = ...,
        initial_heap_size: int | None = ...,
        bootstrap: str | None = ...,
        enable_console: bool = ...,
        process: bool = ...,
        grants: Collection[str] = ...,
    ) -> Self: ...
    @property
    def process_id(self) -> int | None: ...
    def eval(
        self, code: str, *, timeout: float | timedelta | None = ..., name: str = ...
    ) -> Any: ...
    def eval_async(
        self, code: str, *, timeout: float | timedelta | None = ..., name: str = ...
    ) -> JsPromise: ...
    def add_static_module(
        self, name: str, source: str | bytes | dict[str, Any] | list[Any]
    ) -> None: ...
    def set_module_resolver(self, resolver: Callable[[str, str], str | None] | None) -> None: ...
    def set_module_loader(self, loader: Callable[[str], Any] | None) -> None: ...
    def eval_module(self, specifier: str, *, timeout: float | timedelta | None = ...) -> Any: ...
    def eval_module_async(
        self, specifier: str, *, timeout: float | timedelta | None = ...
    ) -> Coroutine[Any, Any, Any]: ...
    def bind_function(self, name: str, function: Callable[..., Any]) -> None: ...
    def bind_object(self, name: str, object: Mapping[str, Any]) -> None: ...  # noqa: A002
    @overload
    def bind(self, function: _Function, /, *, name: str | None = ...) -> _Function: ...
    @overload
    def bind(self, /, *, name: str | None = ...) -> Callable[[_Function], _Function]: ...
    def register_op(
        self,
        name: str,
        handler: Callable[..., Any],
        *,
        mode: Literal["sync", "async"] = ...,
        permissions: Sequence[str] = ...,
    ) -> int: ...
    def stream_from_async_iterable(self, iterable: AsyncIterable[Any]) -> PyStreamSource: ...
    def stream_to_async_iterable(self) -> PyStreamSink: ...
    def create_js_stream_from_python(self, iterable: AsyncIterable[Any]) -> Awaitable[int]: ...
    def terminate(self) -> None: ...
    def close(self) -> None: ...
    def is_closed(self) -> bool: ...
    def reset(self) -> None: ...
    def get_stats(self) -> RuntimeStats: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

def get_default_runtime() -> Runtime: ...
def close_default_runtime() -> None: ...
def eval(  # noqa: A001
    code: str, *, timeout: float | timedelta | None = ..., name: str = ...
) -> Any: ...
def eval_async(
    code: str, *, timeout: float | timedelta | None = ..., name: str = ...
) -> JsPromise: ...
def install_as(name: str = ...) -> None: ...
def bind_function(name: str, function: Callable[..., Any]) -> None: ...
def bind_object(name: str, object: Mapping[str, Any]) -> None: ...  # noqa: A002
