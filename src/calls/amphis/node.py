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

import asyncio
import difflib
import os
import sys

from amphis._native import JavaScriptCall, wait

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

# Operations; `lib/calls/serve.ts` has the other end of this table.
_IMPORT, _CALL, _GET, _NEXT, _RETURN, _ITERATE, _AWAIT = range(1, 8)

# Kinds of objects, as `src/values` has them.
_FUNCTION, _ASYNC_FUNCTION, _CLASS, _MODULE, _PROMISE = 1, 2, 4, 5, 6


async def _values_of(call, shown):
    """Iterates over what a call gives; for Rust."""
    result = await call
    if not isinstance(result, JavaScriptObject):
        raise TypeError(
            f"{shown} gives {type(result).__name__}, which is not iterated over with async for"
        )
    async for value in result:
        yield value


class _Proxy:
    __slots__ = ("__weakref__", "_remote")

    def __init__(self, remote):
        self._remote = remote

    def __eq__(self, other):
        if isinstance(other, _Proxy):
            return self._remote == other._remote and self._name_of() == other._name_of()
        return NotImplemented

    def __hash__(self):
        return hash((self._remote, self._name_of()))

    def _name_of(self):
        return ""

    def __repr__(self):
        return f"<JavaScript {_KINDS.get(self._remote.kind, 'object')} {self._remote.name or '(anonymous)'}>"


_KINDS = {
    _FUNCTION: "function",
    _ASYNC_FUNCTION: "function",
    _CLASS: "class",
    _MODULE: "module",
    _PROMISE: "promise",
}


def _positional(shown, keywords):
    names = ", ".join(keywords)
    raise TypeError(
        f"{shown}: JavaScript functions have no keyword arguments ({names}). "
        "Give them as a dict, which is an object there."
    )


class JavaScriptFunction(_Proxy):
    """A function of JavaScript: `await function(…)`, or `async for value in function(…)`.

    A class is one as well; calling it makes an instance (`new`). What it has itself are its members:
    `await function.name`.

    Raises:
        TypeError: it was called with keyword arguments, which JavaScript has not. Give a dict.
    """

    __slots__ = ("_member",)

    def __init__(self, remote, member=""):
        super().__init__(remote)
        self._member = member

    def _name_of(self):
        return self._member

    @property
    def __name__(self):
        return self._member or self._remote.name or "function"

    def __call__(self, *arguments, **keywords):
        if keywords:
            _positional(f"{self.__name__}()", keywords)
        return JavaScriptCall(self._remote, _CALL, self._member, "", arguments)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if self._member:
            shown = f"{self._remote.name}.{self._member}"
            what = f"{shown} is a member, which is awaited before its own are had: (await {shown}).{name}"
            raise AttributeError(what, name=name, obj=self)
        return JavaScriptMember(self._remote, name)


class JavaScriptMember(JavaScriptFunction):
    """A member of an object: call it as a method, or await it for its value."""

    __slots__ = ()

    def __await__(self):
        return JavaScriptCall(self._remote, _GET, self._member, "", ()).__await__()

    def __repr__(self):
        return f"<member {self._member} of JavaScript {self._remote.name or 'object'}>"


class JavaScriptObject(_Proxy):
    """An object that stays in JavaScript: an instance of a class, an iterator, a stream.

    `await obj.method(…)` calls a method, `await obj.name` gives a property, `obj["name"]` is for names that Python does
    not allow; `async for` goes through what can be iterated over. `undefined` is what a property is that is not there.
    """

    __slots__ = ()

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return JavaScriptMember(self._remote, name)

    def __getitem__(self, name):
        return JavaScriptMember(self._remote, str(name))

    async def __aiter__(self):
        iterator = await JavaScriptCall(self._remote, _ITERATE, "", "", ())
        remote = iterator._remote
        over = False
        try:
            while True:
                try:
                    value = await JavaScriptCall(remote, _NEXT, "", "", ())
                except StopAsyncIteration:
                    over = True
                    return
                except Exception:
                    over = True
                    raise
                yield value
        finally:
            if not over:
                await JavaScriptCall(remote, _RETURN, "", "", ())


class JavaScriptPromise(JavaScriptObject):
    """A promise inside of other data: `await` it for what it comes to. What a function returns is awaited already."""

    __slots__ = ()

    def __await__(self):
        return JavaScriptCall(self._remote, _AWAIT, "", "", ()).__await__()


class JavaScriptModule(JavaScriptObject):
    """A module of JavaScript: what it exports are its members, and `dir()` lists them.

    Functions are called (`await module.parse(text)`), everything else is awaited (`await module.version`).

    Raises:
        AttributeError: it exports no such name; the nearest one is said.
    """

    __slots__ = ("_functions", "_names", "_specifier")

    def __init__(self, remote, specifier, names):
        super().__init__(remote)
        self._specifier = specifier
        self._names = names

    def _check(self, name):
        if name not in self._names:
            found = difflib.get_close_matches(name, self._names, 1)
            hint = f" Did you mean {found[0]!r}?" if found else ""
            what = f"JavaScript module {self._specifier!r} exports no {name!r}.{hint}"
            raise AttributeError(what, name=name, obj=self)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._check(name)
        return JavaScriptMember(self._remote, name)

    def __getitem__(self, name):
        self._check(name)
        return JavaScriptMember(self._remote, name)

    def __dir__(self):
        return sorted(self._names)

    def __repr__(self):
        return f"<JavaScript module {self._specifier!r}>"


def _ask_now(remote, operation, name, base, arguments, timeout=None):
    """The same for a thread that waits."""
    if asyncio._get_running_loop() is not None:
        raise RuntimeError(
            "node.sync would block this thread, whose event loop runs. Await the call instead (`await node.…`), "
            "or make it in a thread (`await asyncio.to_thread(…)`)."
        )
    return wait(remote, operation, name, base, arguments, timeout)


class SyncFunction(_Proxy):
    """A function of JavaScript that blocks the thread which calls it until it is done, promises included.

    Raises:
        JavaScriptError: the function threw, or its promise was rejected.
        ConversionError: an argument or the result cannot be had by the other language.
        RuntimeError: this thread's event loop runs, or the handler or worker was closed.
        TypeError: it was called with keyword arguments, which JavaScript has not. Give a dict.
    """

    __slots__ = ("_member", "_timeout")

    def __init__(self, remote, member="", timeout=None):
        super().__init__(remote)
        self._member = member
        self._timeout = timeout

    def _name_of(self):
        return self._member

    @property
    def __name__(self):
        return self._member or self._remote.name or "function"

    def __call__(self, *arguments, **keywords):
        if keywords:
            _positional(f"{self.__name__}()", keywords)
        return _ask_now(self._remote, _CALL, self._member, "", arguments, self._timeout)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        itself = _ask_now(self._remote, _GET, self._member, "", ()) if self._member else self
        return getattr(SyncObject(itself._remote), name)

    def within(self, seconds):
        """The same function, whose calls raise TimeoutError after some seconds.

        The signal that the function can ask for is aborted then.

        Args:
            seconds (float): 0 or more.

        Returns:
            SyncFunction: this one is left as it is.
        """
        return type(self)(self._remote, self._member, seconds)


class SyncObject(_Proxy):
    """An object that stays in JavaScript, for threads that wait: its members are had at once.

    `obj.method(…)` calls a method, `obj.name` gives a property, `obj["name"]` is for names that Python does not allow;
    `for` goes through what can be iterated over, async iterables and streams as well.
    """

    __slots__ = ()

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self[name]

    def __getitem__(self, name):
        value = _ask_now(self._remote, _GET, str(name), "", ())
        # Bound to the object that it was had from.
        return SyncFunction(self._remote, str(name)) if isinstance(value, SyncFunction) else value

    def __iter__(self):
        remote = _ask_now(self._remote, _ITERATE, "", "", ())._remote
        over = False
        try:
            while True:
                try:
                    value = _ask_now(remote, _NEXT, "", "", ())
                except StopAsyncIteration:
                    over = True
                    return
                except Exception:
                    over = True
                    raise
                yield value
        finally:
            if not over:
                _ask_now(remote, _RETURN, "", "", ())


class SyncPromise(SyncObject):
    """A promise inside of other data."""

    __slots__ = ()

    def result(self, timeout=None):
        """What it comes to; waits for it.

        Args:
            timeout (float | None): seconds to wait at most; None for as long as it takes.

        Raises:
            JavaScriptError: it was rejected.
            TimeoutError: it took longer.
        """
        return _ask_now(self._remote, _AWAIT, "", "", (), timeout)


class SyncModule(SyncObject):
    """A module of JavaScript, for threads that wait: what it exports are its attributes.

    Raises:
        AttributeError: it exports no such name; the nearest one is said.
    """

    __slots__ = ("_names", "_specifier")

    def __init__(self, remote, specifier, names):
        super().__init__(remote)
        self._specifier = specifier
        self._names = names

    _check = JavaScriptModule._check

    def __getitem__(self, name):
        self._check(name)
        if self._names[name]:
            return SyncFunction(self._remote, name)
        return super().__getitem__(name)

    def __dir__(self):
        return sorted(self._names)

    def __repr__(self):
        return f"<JavaScript module {self._specifier!r}>"


def _proxy(remote, is_sync):
    """What stands for an object of JavaScript; for Rust."""
    if remote.kind in (_FUNCTION, _ASYNC_FUNCTION, _CLASS):
        return SyncFunction(remote) if is_sync else JavaScriptFunction(remote)
    if remote.kind == _PROMISE:
        return SyncPromise(remote) if is_sync else JavaScriptPromise(remote)
    return SyncObject(remote) if is_sync else JavaScriptObject(remote)


def _folder_of(frame):
    """The folder of the file whose code runs in a frame; "" where it has none."""
    file = frame.f_code.co_filename
    return "" if file.startswith("<") else os.path.dirname(os.path.abspath(file))


async def _import(specifier, base):
    namespace, names = await JavaScriptCall(None, _IMPORT, specifier, base, ())
    return JavaScriptModule(namespace._remote, specifier, names)


def import_module(specifier):
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
    return _import(specifier, _folder_of(sys._getframe(1)))


class _Sync:
    """The same for threads that wait: `def` endpoints, WSGI apps, scripts. Never for the thread of an event loop.

    Raises:
        RuntimeError: this thread's event loop runs. Await the call, or make it in a thread.

    Example:
        marked = node.sync.import_module("marked")
        html = marked.parse("# Hello")
    """

    def import_module(self, specifier):
        """Imports a module of JavaScript, and waits for it; see `node.import_module`.

        Returns:
            SyncModule: whose functions block the thread that calls them.

        Raises:
            JavaScriptError: it was not found (`code` is "ERR_MODULE_NOT_FOUND"), or threw while it was loaded.
            RuntimeError: this thread's event loop runs, or the handler or worker was closed.
        """
        base = _folder_of(sys._getframe(1))
        namespace, names = _ask_now(None, _IMPORT, specifier, base, ())
        return SyncModule(namespace._remote, specifier, names)

    def __call__(self, proxy):
        """The blocking form of a function or an object of JavaScript, such as a callback that was given.

        Returns:
            SyncFunction | SyncObject | SyncModule | SyncPromise: for the same object.

        Raises:
            TypeError: it is neither.
        """
        if isinstance(proxy, JavaScriptFunction):
            return SyncFunction(proxy._remote, proxy._member)
        if isinstance(proxy, JavaScriptModule):
            return SyncModule(proxy._remote, proxy._specifier, proxy._names)
        if isinstance(proxy, JavaScriptPromise):
            return SyncPromise(proxy._remote)
        if isinstance(proxy, JavaScriptObject):
            return SyncObject(proxy._remote)
        raise TypeError(
            f"node.sync takes a function or an object of JavaScript, not {type(proxy).__name__}"
        )

    def __repr__(self):
        return "amphis.node.sync"


sync = _Sync()
