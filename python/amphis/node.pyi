"""The JavaScript of the process that Python runs in.

    from amphis import node

    render = await node.import_module("./render.mjs")
    html = await render.page({"user": user})
    async for row in render.rows(): ...

and for functions that are not `async`, and for scripts:

    marked = node.sync.import_module("marked")
    marked.parse(text)

Values go over as docs/values.md says; what is more than data (functions, instances of classes, streams) stays where
it is, and Python gets what stands for it. What Python may call is what it can import: there is no `eval`, and there are
no globals.
"""

from collections.abc import AsyncGenerator, Coroutine, Generator
from types import TracebackType
from typing import Any, final, overload

from typing_extensions import Never, Self

__all__ = [
    "JavaScriptCall",
    "JavaScriptFunction",
    "JavaScriptMember",
    "JavaScriptModule",
    "JavaScriptObject",
    "JavaScriptPromise",
    "SyncFunction",
    "SyncModule",
    "SyncObject",
    "SyncPromise",
    "import_module",
    "sync",
]

# Made by amphis only: what their constructors take is not said here.

class _Proxy:
    __slots__ = ("__weakref__", "_remote")

    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...

@final
class JavaScriptCall(Coroutine[Any, Any, Any]):
    """A call of JavaScript that begins when it is awaited, once.

    It is a coroutine to everybody who asks (`asyncio.create_task`, `gather`, `wait_for`); cancelling its task aborts
    the signal that the function can ask for. Of a function that gives values one by one, an async iterable or a
    ReadableStream, it can be iterated over at once: `async for row in render.rows()`.

    Raises:
        JavaScriptError: the function threw, or its promise was rejected.
        ConversionError: an argument or the result cannot be had by the other language.
        RuntimeError: the handler or worker whose JavaScript it is was closed; it was awaited before.
    """

    def __await__(self) -> Generator[Any, Any, Any]: ...
    def __aiter__(self) -> AsyncGenerator[Any]: ...
    def send(self, value: Any, /) -> Any: ...
    @overload
    def throw(
        self,
        type: type[BaseException],
        value: object = ...,
        traceback: TracebackType | None = ...,
        /,
    ) -> Any: ...
    @overload
    def throw(
        self, exception: BaseException, value: None = ..., traceback: TracebackType | None = ..., /
    ) -> Any: ...
    def close(self) -> None: ...

class JavaScriptFunction(_Proxy):
    """A function of JavaScript: `await function(…)`, or `async for value in function(…)`.

    A class is one as well; calling it makes an instance (`new`). What it has itself are its members:
    `await function.name`.

    Raises:
        TypeError: it was called with keyword arguments, which JavaScript has not. Give a dict.
    """

    __slots__ = ("_member",)

    @property
    def __name__(self) -> str: ...
    def __call__(self, *arguments: Any, **keywords: Never) -> JavaScriptCall: ...
    def __getattr__(self, name: str) -> JavaScriptMember: ...

class JavaScriptMember(JavaScriptFunction):
    """A member of an object: call it as a method, or await it for its value."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, Any]: ...

class JavaScriptObject(_Proxy):
    """An object that stays in JavaScript: an instance of a class, an iterator, a stream.

    `await obj.method(…)` calls a method, `await obj.name` gives a property, `obj["name"]` is for names that Python does
    not allow; `async for` goes through what can be iterated over. `undefined` is what a property is that is not there.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> JavaScriptMember: ...
    def __getitem__(self, name: str | int) -> JavaScriptMember: ...
    def __aiter__(self) -> AsyncGenerator[Any]: ...

class JavaScriptPromise(JavaScriptObject):
    """A promise inside of other data: `await` it for what it comes to. What a function returns is awaited already."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, Any]: ...

class JavaScriptModule(JavaScriptObject):
    """A module of JavaScript: what it exports are its members, and `dir()` lists them.

    Functions are called (`await module.parse(text)`), everything else is awaited (`await module.version`).

    Raises:
        AttributeError: it exports no such name; the nearest one is said.
    """

    __slots__ = ("_functions", "_names", "_specifier")

    def __dir__(self) -> list[str]: ...

class SyncFunction(_Proxy):
    """A function of JavaScript that blocks the thread which calls it until it is done, promises included.

    Raises:
        JavaScriptError: the function threw, or its promise was rejected.
        ConversionError: an argument or the result cannot be had by the other language.
        RuntimeError: this thread's event loop runs, or the handler or worker was closed.
        TypeError: it was called with keyword arguments, which JavaScript has not. Give a dict.
    """

    __slots__ = ("_member", "_timeout")

    @property
    def __name__(self) -> str: ...
    def __call__(self, *arguments: Any, **keywords: Never) -> Any: ...
    def __getattr__(self, name: str) -> Any: ...
    def within(self, seconds: float) -> Self:
        """The same function, whose calls raise TimeoutError after some seconds.

        The signal that the function can ask for is aborted then.

        Args:
            seconds (float): 0 or more.

        Returns:
            SyncFunction: this one is left as it is.
        """

class SyncObject(_Proxy):
    """An object that stays in JavaScript, for threads that wait: its members are had at once.

    `obj.method(…)` calls a method, `obj.name` gives a property, `obj["name"]` is for names that Python does not allow;
    `for` goes through what can be iterated over, async iterables and streams as well.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any: ...
    def __getitem__(self, name: str | int) -> Any: ...
    def __iter__(self) -> Generator[Any]: ...

class SyncPromise(SyncObject):
    """A promise inside of other data."""

    __slots__ = ()

    def result(self, timeout: float | None = None) -> Any:
        """What it comes to; waits for it.

        Args:
            timeout (float | None): seconds to wait at most; None for as long as it takes.

        Raises:
            JavaScriptError: it was rejected.
            TimeoutError: it took longer.
        """

class SyncModule(SyncObject):
    """A module of JavaScript, for threads that wait: what it exports are its attributes.

    Raises:
        AttributeError: it exports no such name; the nearest one is said.
    """

    __slots__ = ("_names", "_specifier")

    def __dir__(self) -> list[str]: ...

def import_module(specifier: str) -> Coroutine[Any, Any, JavaScriptModule]:
    """Imports a module of JavaScript, ESM or CommonJS, as `import()` does: once, however often it is asked for.

    Args:
        specifier (str): "./" and "../" are seen from the file that calls this; bare names are packages that are seen
            from the folder of the app; "node:" names Node's own; an absolute path is one.

    Returns:
        Coroutine[Any, Any, JavaScriptModule]: to be awaited.

    Raises:
        JavaScriptError: it was not found (`code` is "ERR_MODULE_NOT_FOUND"), or threw while it was loaded.
        RuntimeError: the handler or worker whose code this is was closed, or this is a forked child.

    Example:
        marked = await node.import_module("marked")
        html = await marked.parse("# Hello")
    """

@final
class _Sync:
    """The same for threads that wait: `def` endpoints, WSGI apps, scripts. Never for the thread of an event loop.

    Raises:
        RuntimeError: this thread's event loop runs. Await the call, or make it in a thread.

    Example:
        marked = node.sync.import_module("marked")
        html = marked.parse("# Hello")
    """

    def import_module(self, specifier: str) -> SyncModule:
        """Imports a module of JavaScript, and waits for it; see `node.import_module`.

        Returns:
            SyncModule: whose functions block the thread that calls them.

        Raises:
            JavaScriptError: it was not found (`code` is "ERR_MODULE_NOT_FOUND"), or threw while it was loaded.
            RuntimeError: this thread's event loop runs, or the handler or worker was closed.
        """

    @overload
    def __call__(self, proxy: JavaScriptFunction) -> SyncFunction:
        """The blocking form of a function or an object of JavaScript, such as a callback that was given.

        Returns:
            SyncFunction | SyncObject | SyncModule | SyncPromise: for the same object.

        Raises:
            TypeError: it is neither.
        """

    @overload
    def __call__(self, proxy: JavaScriptModule) -> SyncModule: ...
    @overload
    def __call__(self, proxy: JavaScriptPromise) -> SyncPromise: ...
    @overload
    def __call__(self, proxy: JavaScriptObject) -> SyncObject: ...

sync: _Sync
