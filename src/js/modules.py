"""Which modules a runtime has: what specifiers mean, where sources come from, and graphs of modules."""

import asyncio as _asyncio
import inspect as _inspect
import json as _json
import time as _time
from urllib.parse import urljoin as _urljoin
from urllib.parse import urlsplit as _urlsplit

from amphis import JavaScriptError
from amphis._js import JsPromise, Loaded

# What `add_static_module` has made importable, and what programs that were written for others call it.
_STATIC = "amphis:static/"
_ALSO_STATIC = ("jsrun://static/", "static:")
_TYPES = ("javascript", "json", "text", "bytes")


class ModuleError(RuntimeError):
    """A module cannot be had: nothing gives it, or what gives it fails. The message names who imports it.

    Attributes:
        specifier: what was imported.
        chain: the URLs of the modules that led to it, the nearest first.
    """

    __module__ = "amphis.js"

    def __init__(self, specifier, reason, chain):
        by = "".join(f", imported by {url!r}" for url in chain)
        super().__init__(f"Evaluation failed: {specifier!r} cannot be imported{by}: {reason}")
        self.specifier = specifier
        self.chain = list(chain)


class _Wanted:
    """A module of a graph that is being loaded."""

    __slots__ = ("imports", "key", "number", "parent", "specifier")

    def __init__(self, key, specifier, parent):
        self.key = key
        self.specifier = specifier
        self.parent = parent
        self.number = None
        self.imports = []

    def chain(self):
        found, parent = [], self.parent
        while parent is not None:
            found.append(parent.key[0])
            parent = parent.parent
        return found


class _Modules:
    """What one runtime may import. By default that is nothing."""

    def __init__(self, compiler):
        self._compiler = compiler
        self._static = {}
        self._resolver = None
        self._loader = None
        # The numbers of modules that are complete, by URL and type.
        self._known = {}

    def add(self, name, source):
        name = self._static_name(name) or name
        if not name:
            message = "A module needs a name"
            raise ValueError(message)
        if not isinstance(source, (str, bytes, bytearray, memoryview, dict, list)):
            message = f"The source of {name!r} must be text, bytes or plain data, not {type(source).__name__}"
            raise TypeError(message)
        self._static[name] = source

    def set_resolver(self, resolver):
        self._resolver = _callable("resolver", resolver)

    def set_loader(self, loader):
        self._loader = _callable("loader", loader)

    def forget_all(self):
        self._known.clear()

    # Graphs are loaded by one generator, which yields what has to be waited for: calls of the engine, and awaitables of
    # loaders. Who runs it waits its own way.

    def evaluate(self, specifier, timeout):
        left = _Countdown(timeout)
        number = self._load_now(specifier, "", (), left)
        namespace = self._compiler.evaluate(number, False, left())
        return namespace.result(left()) if hasattr(namespace, "result") else namespace

    async def evaluate_async(self, specifier, timeout, runtime):
        left = _Countdown(timeout)
        number = await self._load(specifier, "", (), left)
        namespace = await self._compiler.evaluate(number, True, left())
        del runtime
        return namespace

    # For `import()`, on an event loop.
    async def load_async(self, specifier, importer, attributes):
        return Loaded(await self._load(specifier, importer, attributes, _Countdown(None)))

    # For `import()` where there is no event loop, on the runtime's own thread.
    def load_for(self, laters, later, specifier, importer, attributes):
        try:
            number = self._load_now(specifier, importer, attributes, _Countdown(None))
        except Exception as error:
            laters.reject(later, error)
        else:
            laters.resolve(later, Loaded(number))

    def _load_now(self, specifier, importer, attributes, left):
        steps = self._steps(specifier, importer, attributes, False, left)
        outcome, error = None, None
        while True:
            try:
                waits = steps.send(outcome) if error is None else steps.throw(error)
            except StopIteration as end:
                return end.value
            if hasattr(waits, "close"):
                waits.close()
            message = (
                "its loader is an async module loader, and this is a synchronous evaluation: "
                "use eval_module_async, or import() where an event loop runs"
            )
            outcome, error = None, RuntimeError(message)

    async def _load(self, specifier, importer, attributes, left):
        steps = self._steps(specifier, importer, attributes, True, left)
        outcome, error = None, None
        while True:
            try:
                waits = steps.send(outcome) if error is None else steps.throw(error)
            except StopIteration as end:
                return end.value
            outcome, error = None, None
            try:
                outcome = await left.limit(waits)
            except BaseException as raised:
                error = raised

    def _steps(self, specifier, importer, attributes, is_async, left):
        root = _Wanted(self._key(specifier, importer, attributes, None), specifier, None)
        if root.key in self._known:
            return self._known[root.key]
        wanted = {root.key: root}
        waiting = [root]
        try:
            while waiting:
                module = waiting.pop()
                imports = yield from self._compile(module, is_async, left)
                for specifier, *attributes in imports:
                    key = self._key(specifier, module.key[0], attributes, module)
                    module.imports.append(key)
                    if key not in self._known and key not in wanted:
                        wanted[key] = _Wanted(key, specifier, module)
                        waiting.append(wanted[key])
            numbers = {key: module.number for key, module in wanted.items()}
            links = [
                (module.number, [numbers.get(key) or self._known[key] for key in module.imports])
                for module in wanted.values()
            ]
            linked = self._compiler.link(links, is_async, left())
            if is_async:
                yield linked
        except BaseException:
            made = [module.number for module in wanted.values() if module.number is not None]
            if made and not is_async:
                self._compiler.forget(made)
            raise
        # Somebody else may have loaded one of them meanwhile: it is theirs that is imported from here on.
        for key, number in numbers.items():
            self._known.setdefault(key, number)
        return self._known[root.key]

    def _compile(self, module, is_async, left):
        url, kind = module.key
        try:
            source = self._source(url)
            if _inspect.isawaitable(source):
                source = yield source
            source = _content(source, kind)
        except Exception as error:
            if isinstance(error, (ModuleError, TimeoutError)):
                raise
            reason = str(error) if isinstance(error, _Denied) else f"{type(error).__name__}: {error}"
            raise ModuleError(module.specifier, reason, module.chain()) from error
        if kind == "javascript":
            try:
                compiled = self._compiler.compile(url, source, is_async, left())
                module.number, imports = (yield compiled) if is_async else compiled
            except JavaScriptError as error:
                raise ModuleError(module.specifier, str(error), module.chain()) from error
            return imports
        made = self._compiler.make(url, source, is_async, left())
        module.number = (yield made) if is_async else made
        return ()

    def _key(self, specifier, importer, attributes, parent):
        chain = [parent.key[0], *parent.chain()] if parent else [importer] if importer else []
        try:
            return self._url(specifier, importer), _kind(attributes)
        except Exception as error:
            reason = str(error) if isinstance(error, _Denied) else f"{type(error).__name__}: {error}"
            raise ModuleError(specifier, reason, chain) from error

    def _static_name(self, specifier):
        for prefix in (_STATIC, *_ALSO_STATIC):
            if specifier.startswith(prefix):
                return specifier[len(prefix) :]
        return None

    def _url(self, specifier, importer):
        if self._resolver is not None:
            found = self._resolver(specifier, importer)
            if found is not None and not isinstance(found, str):
                message = f"the resolver must give text or None, not {type(found).__name__}"
                raise TypeError(message)
            if found:
                name = self._static_name(found)
                return found if name is None else _STATIC + name
        joined = specifier
        if specifier.startswith(("./", "../", "/")):
            joined = _join(importer, specifier)
        name = self._static_name(joined)
        if name is None and joined in self._static:
            name = joined
        if name is not None and (name in self._static or self._loader is None):
            return _STATIC + name
        if self._loader is not None:
            return joined
        raise _Denied(_denied(self._static or self._resolver))

    def _source(self, url):
        name = self._static_name(url)
        if name is not None and name in self._static:
            return self._static[name]
        if self._loader is None:
            raise _Denied(_denied(True))
        return self._loader(url)


class _Denied(Exception):
    """Nothing gives the module."""


def _denied(has_some):
    if has_some:
        return "access is denied: add_static_module has no module of this name, and no module loader is set"
    return (
        "access is denied: nothing is importable until add_static_module, set_module_resolver or set_module_loader "
        "says what is"
    )


def _callable(what, value):
    if value is not None and not callable(value):
        message = f"The module {what} must be a function, not {type(value).__name__}"
        raise TypeError(message)
    return value


def _join(importer, specifier):
    if importer.startswith(_STATIC):
        return _STATIC + _urljoin("/" + importer[len(_STATIC) :], specifier).lstrip("/")
    parts = _urlsplit(importer)
    if parts.scheme and (parts.netloc or parts.path.startswith("/")):
        # urljoin knows some schemes only; the rules are the same for all.
        joined = _urljoin(f"http://{parts.netloc or 'host'}{parts.path}", specifier)
        return f"{parts.scheme}:{'//' + parts.netloc if parts.netloc else ''}{_urlsplit(joined).path}"
    if importer.startswith("/"):
        return _urljoin(importer, specifier)
    return specifier


def _kind(attributes):
    pairs = dict(zip(attributes[::2], attributes[1::2], strict=False))
    kind = pairs.pop("type", "javascript")
    if pairs:
        message = f"the import attribute {next(iter(pairs))!r} is not known; there is \"type\""
        raise TypeError(message)
    if kind not in _TYPES[1:] and kind != "javascript":
        message = f"the type {kind!r} is not known; there are \"json\", \"text\" and \"bytes\""
        raise TypeError(message)
    return kind


def _content(source, kind):
    is_binary = isinstance(source, (bytes, bytearray, memoryview))
    if kind == "bytes":
        if isinstance(source, str):
            return source.encode()
        if is_binary:
            return bytes(source)
    elif kind == "json" and isinstance(source, (dict, list)):
        return source
    elif isinstance(source, str) or is_binary:
        text = source if isinstance(source, str) else bytes(source).decode()
        return _json.loads(text) if kind == "json" else text
    message = f"its source must be text or bytes, not {type(source).__name__}"
    raise TypeError(message)


class _Countdown:
    """What is left of a timeout, each time it is asked."""

    def __init__(self, seconds):
        self._until = None if seconds is None else _time.monotonic() + seconds
        self._seconds = seconds

    def __call__(self):
        if self._until is None:
            return None
        return max(self._until - _time.monotonic(), 1e-6)

    async def limit(self, waits):
        if self._until is None or isinstance(waits, JsPromise):
            return await waits
        try:
            return await _asyncio.wait_for(waits, self())
        except _asyncio.TimeoutError:
            if _time.monotonic() < self._until:
                raise
            from amphis.js import JavaScriptTimeout

            message = f"Evaluation failed: timed out after {self._seconds} s, and a module is still being loaded"
            raise JavaScriptTimeout(message) from None
