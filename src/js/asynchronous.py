"""What waits for JavaScript, and what runs for it, on event loops: the Python side of asynchronous runtimes."""

import asyncio as _asyncio
import collections as _collections
import contextvars as _contextvars
import logging as _logging
from collections.abc import Coroutine as _Coroutine

_log = _logging.getLogger("amphis.js")


class JsPromise:
    """A promise of JavaScript, or a call that is under way.

    Await it on an event loop, or block a thread by `result()`. What `eval_async`, `eval_module_async` and
    `JsFunction.call_async` give has begun already, and is a coroutine to asyncio: `create_task`, `gather`, `wait_for`
    and `TaskGroup` take it. Where the task that awaits such a call is cancelled, the JavaScript that runs for it is
    terminated.
    """

    __slots__ = ("__weakref__", "_awaiting", "_promise", "_runtime", "_steps")
    __module__ = "amphis.js"

    def __init__(self, promise, runtime):
        self._promise = promise
        self._runtime = runtime
        self._awaiting = 0
        self._steps = None

    def __await__(self):
        promise = self._promise
        if not promise.is_done() and not promise.linger():
            yield from self._wait(promise)
        elif self._runtime is not None:
            # However quick calls are, the others on the loop get their turn.
            yield
        return promise.value()

    def _wait(self, promise):
        loop = _asyncio.get_running_loop()
        future = loop.create_future()
        if not promise.add(loop, future):
            yield
            return
        timer = None

        def look():
            nonlocal timer
            left = promise.left()
            # A debugger may have put it off.
            if left > 0:
                timer = loop.call_later(left, look)
            else:
                promise.time_out()

        if promise.left() is not None:
            look()
        self._awaiting += 1
        try:
            yield from future
        except BaseException:
            promise.remove(future)
            # The promise of a call that was made otherwise is not this task's alone.
            if self._awaiting == 1 and self._runtime is not None:
                promise.cancel()
            raise
        finally:
            self._awaiting -= 1
            if timer is not None:
                timer.cancel()

    def result(self, timeout=None):
        """Blocks this thread until there is an outcome, and gives it.

        Args:
            timeout: seconds or a timedelta; None: as long as it takes. The call goes on behind it.

        Raises:
            JavaScriptError: it was rejected.
            TimeoutError: there is no outcome so far.
            RuntimeError: an event loop runs on this thread, which would wait for itself: await it there.
        """
        promise = self._promise
        if not promise.is_done():
            if _asyncio._get_running_loop() is not None:
                message = "An event loop runs on this thread: await the promise instead of blocking for its result()"
                raise RuntimeError(message)
            if not promise.wait(timeout):
                message = f"The promise is still pending after {timeout} s"
                raise TimeoutError(message)
        return promise.value()

    def done(self):
        """Whether there is an outcome."""
        return self._promise.is_done()

    def cancel(self):
        """Ends the call: what runs is terminated. Whoever awaits it gets a CancelledError. False once it is done."""
        return self._promise.cancel()

    # What asyncio wants of a coroutine.

    def send(self, value):
        """As a coroutine's."""
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps.send(value)

    def throw(self, *exception):
        """As a coroutine's."""
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps.throw(*exception)

    def close(self):
        """As a coroutine's."""
        if self._steps is not None:
            self._steps.close()

    def __repr__(self):
        return f"<JsPromise {'done' if self.done() else 'pending'}>"


_Coroutine.register(JsPromise)


class _Done:
    """What there is nothing to wait for."""

    __slots__ = ()

    def __await__(self):
        return
        yield

    def __repr__(self):
        return "<done>"


_DONE = _Done()


class _Owner:
    """The loop of a call, its context, and what runs there for JavaScript."""

    __slots__ = ("_context", "_is_scheduled", "_loop", "_queue", "_tasks")

    def __init__(self, loop):
        self._loop = loop
        self._context = _contextvars.copy_context()
        self._queue = _collections.deque()
        self._is_scheduled = False
        self._tasks = set()

    def is_alive(self):
        return not self._loop.is_closed()

    def copy(self):
        return self._context.copy()

    # On a thread that runs JavaScript.
    def start(self, laters, number, awaitable):
        self._queue.append((laters, number, awaitable))
        if not self._is_scheduled:
            self._is_scheduled = True
            try:
                self._loop.call_soon_threadsafe(self._start_all)
            except BaseException:
                self._is_scheduled = False
                self._queue.pop()
                raise

    # On the loop from here on.
    def _start_all(self):
        # Before the queue is looked at: what comes meanwhile is either seen here, or schedules this again.
        self._is_scheduled = False
        queue = self._queue
        while queue:
            self._start(*queue.popleft())

    def _start(self, laters, number, awaitable):
        try:
            task = self.copy().run(_ensure, awaitable, self._loop)
        except BaseException as error:
            laters.reject(number, error)
            return
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._done(laters, number, task))

    def _done(self, laters, number, task):
        self._tasks.discard(task)
        if task.cancelled():
            laters.reject(
                number, _asyncio.CancelledError("The asynchronous function was cancelled")
            )
        elif (error := task.exception()) is not None:
            laters.reject(number, error)
        else:
            laters.resolve(number, task.result())

    # From any thread.
    def cancel(self):
        if self._tasks or self._queue:
            self._loop.call_soon_threadsafe(self._cancel_all)

    def _cancel_all(self):
        for task in self._tasks:
            task.cancel()


def _ensure(awaitable, loop):
    return _asyncio.ensure_future(awaitable, loop=loop)


def _wake(futures):
    for future in futures:
        if not future.done():
            future.set_result(None)


_levels = {name: getattr(_logging, name.upper()) for name in ("debug", "info", "warning", "error")}
_console_log = _logging.getLogger("amphis.js.console")


def _console(level, text):
    _console_log.log(_levels.get(level, _logging.INFO), "%s", text)


def _code_refused(name):
    _log.info("The code in a snapshot is not used, and %s is compiled: V8 does not take it", name)


def _unhandled(error):
    _log.error("An error in a runtime that nobody has handled", exc_info=error)
