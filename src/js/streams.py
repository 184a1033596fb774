"""Streams between Python and JavaScript: what Python has of a runtime's, and what a runtime has of Python's."""

import asyncio as _asyncio
import collections as _collections
import contextlib as _contextlib
import logging as _logging
import threading as _threading

from amphis import JavaScriptError
from amphis._js import Given

_log = _logging.getLogger("amphis.js")

# What is asked of an end; src/js/streams/exchange.js has the same.
_NEXT, _CANCEL, _WRITE, _CLOSE, _ABORT, _DROP = range(6)
_READABLE, _WRITABLE = 1, 2


def _size(chunk):
    if isinstance(chunk, (bytes, bytearray)):
        return len(chunk)
    return chunk.nbytes if isinstance(chunk, memoryview) else 0


class _Settled:
    """Waits for a promise, and leaves its outcome to others."""

    __slots__ = ("_promise",)

    def __init__(self, promise):
        self._promise = promise

    def __await__(self):
        promise = self._promise
        if not promise.done():
            yield from promise._wait(promise._promise)


class JsStream:
    """A `ReadableStream` of JavaScript's: iterate over it by `async for`.

    JavaScript is asked for a chunk when Python wants one. Each has the timeout of the runtime's config. From the first
    one on the stream is locked in JavaScript. Whoever has enough then closes it, or drops it: it is cancelled.
    """

    __slots__ = ("__weakref__", "_left", "_lent", "_number", "_reads")
    __module__ = "amphis.js"

    def __init__(self, lent, number):
        self._lent = lent
        self._number = number
        self._reads = set()
        # Reads that somebody has begun, and nobody waits for: the next ones want their chunks.
        self._left = _collections.deque()

    def __aiter__(self):
        return self

    async def __anext__(self):
        """The next chunk.

        Raises:
            JavaScriptError: the stream has an error. It is at its end then.
            ConversionError: the chunk cannot cross. The next one may.
            JavaScriptTimeout: it took too long. The stream is cancelled.
        """
        lent = self._lent
        if lent is None:
            raise StopAsyncIteration("Stream closed")
        read = self._left.popleft() if self._left else lent.ask(_NEXT)
        self._reads.add(read)
        try:
            await _Settled(read)
        except BaseException:
            self._left.append(read)
            raise
        finally:
            self._reads.discard(read)
        if self._lent is None:
            raise StopAsyncIteration("Stream closed")
        try:
            found = read.result()
        except JavaScriptError:
            self._finish(True)
            raise
        except TimeoutError:
            self.close()
            raise
        if not isinstance(found, dict) or found.get("done") is not False or "value" not in found:
            self._finish(True)
            raise StopAsyncIteration
        chunk = found["value"]
        lent.count(True, _size(chunk))
        return chunk

    def _finish(self, is_at_its_end):
        lent, self._lent = self._lent, None
        if lent is not None:
            lent.close(is_at_its_end)

    def close(self):
        """Cancels the stream, and lets JavaScript have its resources back. Whoever waits for a chunk is at the end."""
        if self._lent is None:
            return
        self._finish(False)
        for read in [*self._reads, *self._left]:
            read.cancel()
        self._left.clear()

    async def aclose(self):
        """The same, for `contextlib.aclosing`."""
        self.close()

    def __repr__(self):
        return "<JsStream (closed)>" if self._lent is None else f"<JsStream id={self._number}>"


class JsWritableStream:
    """A `WritableStream` of JavaScript's. Used by `async with` it is closed, or aborted by an exception.

    From the first chunk on the stream is locked in JavaScript, and is aborted where Python drops it.
    """

    __slots__ = ("__weakref__", "_lent", "_number")
    __module__ = "amphis.js"

    def __init__(self, lent, number):
        self._lent = lent
        self._number = number

    def _open(self):
        if self._lent is None:
            message = "Stream has been closed"
            raise RuntimeError(message)
        return self._lent

    async def write(self, chunk):
        """Writes a chunk, and waits until the stream has taken it.

        Raises:
            JavaScriptError: the stream has an error.
            ConversionError: the chunk cannot cross.
        """
        lent = self._open()
        await lent.ask(_WRITE, chunk)
        lent.count(False, _size(chunk))

    async def write_from(self, iterable):
        """Writes what an iterable or async iterable gives, and closes the stream; aborts it where that raises."""
        async with self:
            if hasattr(iterable, "__aiter__"):
                async for chunk in iterable:
                    await self.write(chunk)
            else:
                for chunk in iterable:
                    await self.write(chunk)

    async def _end(self, what, value=None):
        lent, self._lent = self._lent, None
        if lent is not None:
            try:
                await lent.ask(what, value)
            finally:
                lent.close(True)

    async def close(self):
        """Closes the stream, and waits until it has taken everything."""
        await self._end(_CLOSE)

    aclose = close

    async def abort(self, reason=None):
        """Ends the stream with an error; what it has not taken is lost."""
        await self._end(_ABORT, reason)

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, traceback):
        if error is None:
            return await self.close()
        # It may have come to its end before.
        with _contextlib.suppress(RuntimeError, JavaScriptError):
            await self._end(_ABORT, error if isinstance(error, Exception) else str(error))
        return None

    def __repr__(self):
        state = " (closed)" if self._lent is None else f" id={self._number}"
        return f"<JsWritableStream{state}>"


def _closed():
    return RuntimeError("Stream has been closed")


_closing = set()


def _closed_it(task):
    _closing.discard(task)
    if not task.cancelled() and task.exception() is not None:
        _log.error("A stream could not be closed", exc_info=task.exception())


class _Source:
    """What JavaScript reads of an async iterable of Python's."""

    __slots__ = ("_giver", "_is_closed", "_iterable", "_iterator", "_loop", "_running")

    def __init__(self, giver, iterable):
        self._giver = giver
        self._iterable = iterable
        self._iterator = None
        self._loop = None
        self._running = None
        self._is_closed = False

    # On the thread that runs JavaScript.
    def ask(self, what, value):
        if what == _NEXT:
            return self._next()
        self._is_closed = True
        self._iterable = None
        return None if self._iterator is None else self._leave()

    async def _next(self):
        if self._is_closed:
            raise _closed()
        self._loop = _asyncio.get_running_loop()
        self._running = _asyncio.current_task()
        try:
            if self._iterator is None:
                iterable, self._iterable = self._iterable, None
                self._iterator = type(iterable).__aiter__(iterable)
            chunk = await self._iterator.__anext__()
        except StopAsyncIteration:
            self._iterator = None
            return None
        except BaseException:
            # What Python has ended otherwise has come to its end as well.
            if self._is_closed:
                raise _closed() from None
            raise
        finally:
            self._running = None
        self._giver.count(False, _size(chunk))
        return [chunk]

    async def _leave(self):
        iterator, running = self._iterator, self._running
        self._iterator = None
        if running is not None and running.get_loop() is _asyncio.get_running_loop():
            running.cancel()
            await _asyncio.wait([running])
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()

    # From any thread.
    def shut_down(self):
        self._is_closed = True
        self._iterable = None
        if self._iterator is None:
            return
        try:
            self._loop.call_soon_threadsafe(self._begin_to_leave)
        except RuntimeError:
            # The loop is closed, and has nothing left to end by.
            self._iterator = None

    def _begin_to_leave(self):
        if self._iterator is not None:
            task = self._loop.create_task(self._leave())
            _closing.add(task)
            task.add_done_callback(_closed_it)


class PyStreamSource(Given):
    """An async iterable of Python's that JavaScript has as a `ReadableStream`: pass it to a function, or bind it.

    The iterable runs on the event loop where this was made, a chunk each time that JavaScript wants one. It is closed
    (`aclose()`) when JavaScript cancels the stream or drops it, and when the runtime ends.
    """

    __slots__ = ("__weakref__", "_end")
    __module__ = "amphis.js"

    def __new__(cls, giver, iterable):
        if not hasattr(type(iterable), "__aiter__"):
            message = f"A stream is made of an async iterable, not of {type(iterable).__name__}"
            raise TypeError(message)
        end = _Source(giver, iterable)
        made = super().__new__(cls, giver, _READABLE, end)
        made._end = end
        return made

    def close(self):
        """Closes the iterable. JavaScript gets an error where it still reads."""
        if self._close():
            self._end.shut_down()

    def __repr__(self):
        return (
            "<PyStreamSource (closed)>"
            if self._is_closed
            else f"<PyStreamSource id={self._number}>"
        )


def _settle(future, error):
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _tell(future, error=None):
    # Where its loop is closed nobody waits.
    with _contextlib.suppress(RuntimeError):
        future.get_loop().call_soon_threadsafe(_settle, future, error)


class _Sink:
    """What JavaScript writes, until Python takes it. Either side may be on a thread of its own."""

    __slots__ = ("_chunks", "_error", "_giver", "_is_over", "_lock", "_readers")

    def __init__(self, giver):
        self._giver = giver
        self._lock = _threading.Lock()
        # With what tells JavaScript that a chunk was taken.
        self._chunks = _collections.deque()
        self._readers = _collections.deque()
        self._is_over = False
        self._error = None

    # On the thread that runs JavaScript.
    def ask(self, what, value):
        if what == _WRITE:
            return self._write(value)
        if what == _CLOSE:
            self._finish(None)
        elif what == _ABORT:
            is_error = isinstance(value, BaseException)
            self._finish(
                value if is_error else RuntimeError(f"JavaScript has aborted the stream: {value}")
            )
        else:
            self._finish(RuntimeError("JavaScript has dropped the stream without closing it"))
        return None

    async def _write(self, chunk):
        taken = _asyncio.get_running_loop().create_future()
        with self._lock:
            if self._is_over:
                raise _closed()
            self._chunks.append((chunk, taken))
            readers = [*self._readers]
            self._readers.clear()
        for reader in readers:
            _tell(reader)
        try:
            await taken
        except BaseException:
            with self._lock:
                left = [waiting for waiting in self._chunks if waiting[1] is not taken]
                self._chunks = _collections.deque(left)
            raise

    async def next(self):
        while True:
            with self._lock:
                if self._chunks:
                    chunk, taken = self._chunks.popleft()
                    break
                if self._is_over:
                    error, self._error = self._error, None
                    raise StopAsyncIteration if error is None else error
                reader = _asyncio.get_running_loop().create_future()
                self._readers.append(reader)
            try:
                await reader
            finally:
                with self._lock:
                    if reader in self._readers:
                        self._readers.remove(reader)
        _tell(taken)
        self._giver.count(True, _size(chunk))
        return chunk

    def _finish(self, error):
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
            self._error = error
            waiting = [taken for _, taken in self._chunks]
            self._chunks.clear()
            readers = [*self._readers]
            self._readers.clear()
        for taken in waiting:
            _tell(taken, _closed())
        for reader in readers:
            _tell(reader)

    # From any thread.
    def shut_down(self):
        self._finish(
            RuntimeError("The runtime was closed or reset before the stream was at its end")
        )

    def leave(self):
        self._finish(None)


class PyStreamSink(Given):
    """What JavaScript writes to a `WritableStream`, to be iterated over by `async for`.

    JavaScript's writes are done when Python has taken the chunk. An aborted stream raises what it was aborted with.
    """

    __slots__ = ("__weakref__", "_end")
    __module__ = "amphis.js"

    def __new__(cls, giver):
        end = _Sink(giver)
        made = super().__new__(cls, giver, _WRITABLE, end)
        made._end = end
        return made

    def __aiter__(self):
        return self

    def __anext__(self):
        return self._end.next()

    def close(self):
        """Takes no more: JavaScript's writes fail from here on."""
        if self._close():
            self._end.leave()

    async def aclose(self):
        """The same, for `contextlib.aclosing`."""
        self.close()

    def __del__(self):
        self.close()

    def __repr__(self):
        return "<PyStreamSink (closed)>" if self._is_closed else f"<PyStreamSink id={self._number}>"


class _ByNumber:
    """`__jsrun_get_stream__` of a runtime."""

    __slots__ = ("_sources",)
    __name__ = "__jsrun_get_stream__"

    def __init__(self):
        self._sources = {}

    def add(self, source):
        self._sources[source._number] = source
        return source._number

    def __call__(self, number):
        source = self._sources.pop(number, None)
        if source is None:
            message = f"There is no stream {number}, or it was asked for already"
            raise RuntimeError(message)
        return source


async def _given(value):
    return value
