"""WSGI apps (PEP 3333) as ASGI apps, by a2wsgi.

a2wsgi has the threads, most of the environ and the way from an app's thread to the event loop. What stands around it
here: nobody waits for ever where the client leaves, where the request is cancelled or where `send` refuses what the
app sends; a body that was cut off is an error instead of a shorter body; `start_response` may be called again until
something was sent.
"""

import asyncio
import io
import sys

from _amphis_support import ClientDisconnected
from a2wsgi import WSGIMiddleware

INPUT_BUFFER = 64 * 1024


class Adapter:
    """An ASGI app for a WSGI app, which it calls in so many threads."""

    def __init__(self, app, threads):
        self.app = app
        self.adapter = WSGIMiddleware(call, workers=threads)

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.adapter(scope, receive, send)
            return
        exchange = Exchange(self.app, scope, receive, send)
        task = asyncio.ensure_future(
            self.adapter(exchange.adapted_scope(), exchange.receive, exchange.send)
        )
        try:
            # The app's thread cannot be cancelled, so neither is what the thread waits for.
            await asyncio.shield(task)
        except asyncio.CancelledError:
            exchange.cancel()
            raise
        if exchange.error is not None:
            raise exchange.error


def call(environ, start_response):
    return environ["asgi.scope"]["exchange"].respond(environ, start_response)


class Exchange:
    """One request and its response, between a2wsgi and the app."""

    def __init__(self, app, scope, receive, send):
        self.app = app
        self.scope = scope
        self.asgi_receive = receive
        self.asgi_send = send
        self.loop = asyncio.get_running_loop()
        # What ended it. No exception goes through a2wsgi, so tracebacks are the app's alone.
        self.error = None
        # The tasks in which the app's thread receives and sends.
        self.waiting = set()

    def fail(self, error):
        if self.error is None:
            self.error = error

    def cancel(self):
        self.fail(ClientDisconnected("The request was cancelled."))
        for task in self.waiting:
            task.cancel()

    async def interruptible(self, awaitable):
        task = asyncio.current_task()
        self.waiting.add(task)
        try:
            return await awaitable
        except asyncio.CancelledError:
            raise self.error or ClientDisconnected("The request was cancelled.") from None
        finally:
            self.waiting.discard(task)

    def adapted_scope(self):
        """The scope without what a2wsgi reads wrongly; `complete` adds it to the environ."""
        path, root = self.scope["path"], self.scope["root_path"]
        if f"{path}/".startswith(f"{root}/"):
            path = path[len(root) :]
        # A name with an underscore would be another one's name in the environ: X_Forwarded_For.
        headers = [pair for pair in self.scope["headers"] if b"_" not in pair[0]]
        cookies = [value for name, value in headers if name == b"cookie"]
        if len(cookies) > 1:
            headers = [pair for pair in headers if pair[0] != b"cookie"]
            headers.append((b"cookie", b"; ".join(cookies)))
        changed = {"path": path, "root_path": "", "query_string": b"", "headers": headers}
        return {**self.scope, **changed, "exchange": self}

    def complete(self, environ):
        environ["asgi.scope"] = self.scope
        environ["SCRIPT_NAME"] = self.scope["root_path"].encode().decode("latin-1")
        environ["QUERY_STRING"] = self.scope["query_string"].decode("latin-1")
        environ["wsgi.errors"] = sys.stderr
        environ["wsgi.input"] = io.BufferedReader(Input(self), INPUT_BUFFER)
        # It ends by itself, also where there is no content-length.
        environ["wsgi.input_terminated"] = True

    async def receive(self):
        message = await self.interruptible(self.asgi_receive())
        if message["type"] == "http.disconnect":
            raise ClientDisconnected("The client left before the whole body had come.")
        return message

    async def send(self, message):
        # a2wsgi's queue is emptied whatever happens, or the app's thread would wait for room in it for ever.
        if self.error is None:
            try:
                await self.interruptible(self.asgi_send(message))
            except Exception as exc:
                self.fail(exc)

    def respond(self, environ, start_response):
        """Runs in the app's thread: the chunks of the response, none of them empty."""
        head = Head(self, start_response)
        try:
            if self.error is not None:
                return
            self.complete(environ)
            chunks = self.app(environ, head.start)
            try:
                for chunk in chunks:
                    if self.error is not None:
                        return
                    if chunk:
                        head.send()
                        yield chunk
                head.send()
            finally:
                getattr(chunks, "close", nothing)()
        except BaseException as exc:
            self.fail(exc)


class Head:
    """Status and headers, which go out with the first chunk."""

    def __init__(self, exchange, start_response):
        self.exchange = exchange
        self.start_response = start_response
        self.head = None
        self.write = None

    def start(self, status, headers, exc_info=None):
        """The app's `start_response`."""
        try:
            if exc_info is not None and self.write is not None:
                raise exc_info[1].with_traceback(exc_info[2])
            if exc_info is None and self.head is not None:
                raise AssertionError("start_response was called a second time without exc_info.")
        finally:
            # Its traceback holds this frame.
            exc_info = None
        self.head = (status, list(headers))
        return self.write_chunk

    def send(self):
        if self.write is not None:
            return
        if self.head is None:
            raise AssertionError("The app did not call start_response.")
        self.write = self.start_response(*self.head)

    def write_chunk(self, chunk):
        """The `write` that `start_response` returns."""
        if self.exchange.error is not None:
            raise self.exchange.error
        self.send()
        self.write(chunk)


class Input(io.RawIOBase):
    """The request's body, read from the app's thread."""

    def __init__(self, exchange):
        self.exchange = exchange
        self.rest = memoryview(b"")
        self.more = True

    def readable(self):
        return True

    def readinto(self, buffer):
        while not self.rest and self.more:
            receiving = asyncio.run_coroutine_threadsafe(
                self.exchange.receive(), self.exchange.loop
            )
            message = receiving.result()
            self.rest = memoryview(message.get("body", b""))
            self.more = message.get("more_body", False)
        count = min(len(buffer), len(self.rest))
        buffer[:count] = self.rest[:count]
        self.rest = self.rest[count:]
        return count


def nothing():
    pass
