"""Isolated JavaScript runtimes for Python.

Each `Runtime` is an isolate of the V8 that Node.js has brought along: a heap, globals and limits of its own, and
nothing of Node.js inside. What JavaScript may do is what Python binds to it.

    from amphis import js

    with js.Runtime(timeout=1, max_heap_size=64 << 20) as runtime:
        runtime.bind_function("price", lambda sku: 12.5)
        runtime.eval("price('tea') * 3")

`js.eval` and its neighbours use a runtime that belongs to the asyncio task, or the thread, which calls them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
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
    "Runtime",
    "RuntimeConfig",
    "RuntimeStats",
    "RuntimeTerminated",
    "Undefined",
    "bind_function",
    "bind_object",
    "close_default_runtime",
    "eval",
    "get_default_runtime",
    "undefined",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])

class RuntimeTerminated(RuntimeError):
    """A runtime was terminated: by terminate(), or by a limit of memory. It takes no more calls."""

class JavaScriptTimeout(RuntimeError, TimeoutError):
    """JavaScript ran for longer than its timeout. The runtime can still be used."""

@dataclass(frozen=True)
class RuntimeConfig:
    timeout: float | timedelta | None = ...
    max_heap_size: int | None = ...
    max_buffer_size: int | None = ...
    max_serialization_depth: int = ...
    max_serialization_bytes: int = ...
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
    call_function_sync_count: int

@final
class JsFunction:
    @property
    def __name__(self) -> str: ...
    def __call__(self, *arguments: Any, timeout: float | timedelta | None = ...) -> Any: ...
    def close(self) -> None: ...

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
        process: bool = ...,
        grants: Collection[str] = ...,
    ) -> Self: ...
    @property
    def process_id(self) -> int | None: ...
    def eval(
        self, code: str, *, timeout: float | timedelta | None = ..., name: str = ...
    ) -> Any: ...
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
        mode: Literal["sync"] = ...,
        permissions: Sequence[str] = ...,
    ) -> int: ...
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
def bind_function(name: str, function: Callable[..., Any]) -> None: ...
def bind_object(name: str, object: Mapping[str, Any]) -> None: ...  # noqa: A002
