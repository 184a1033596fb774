"""WSGI apps (PEP 3333) as ASGI apps, by a2wsgi.

a2wsgi has the threads and most of the environ. The app's thread receives and sends here: a2wsgi would leave it waiting
for ever where the client leaves, where the request is cancelled or where `send` refuses what the app sends, takes a
body that was cut off for a shorter one, and goes over to the loop and back three times for the smallest response.
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
        try:
            await self.adapter(exchange.adapted_scope(), receive, send)
        except Done:
            # From Python 3.14 on the loop learns at once that a quick thread has ended, before it comes to what that
            # thread has asked of it.
            exchange.send_last()
        except asyncio.CancelledError:
            # The app's thread goes on, until it next looks up.
            exchange.cancel()
            raise
        finally:
            if exchange.watcher is not None:
                exchange.watcher.cancel()
        if exchange.error is not None:
            raise exchange.error


class Done(Exception):
    """Takes the app's thread out of a2wsgi, which would go over to the loop once more to end what has ended."""


def call(environ, start_response):
    environ["asgi.scope"]["exchange"].respond(environ)
    raise Done


class Exchange:
    """One request and its response."""

    def __init__(self, app, scope, receive, send):
        self.app = app
        self.scope = scope
        self.asgi_receive = receive
        self.asgi_send = send
        self.loop = asyncio.get_running_loop()
        # What ended it. No exception goes through a2wsgi, so tracebacks are the app's alone.
        self.error = None
        # The tasks that the app's thread waits for.
        self.waiting = set()
        # Status and headers, until they are sent with the first chunk.
        self.head = None
        self.begun = False
        # Bytes of the body that are still to come, where the app has said how many there are.
        self.left = None
        # The messages that end the response, until they are sent.
        self.last = ()
        # What is received while events are sent: the body, then that the client has gone or the server is to stop.
        self.first = None
        self.watcher = None
        self.ending = False

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

    # On the loop

    async def receive(self):
        first, self.first = self.first, None
        message = await (first or self.asgi_receive())
        if message["type"] == "http.disconnect":
            raise ClientDisconnected("The client left before the whole body had come.")
        return message

    async def send(self, *messages):
        for message in messages:
            await self.asgi_send(message)
        if messages[0] is self.head and is_event_stream(self.head["headers"]):
            self.watcher = asyncio.ensure_future(self.watch())

    async def watch(self):
        """Ends events with the next one: an app of WSGI cannot be told in between."""
        self.first = asyncio.ensure_future(self.asgi_receive())
        message = await asyncio.shield(self.first)
        if message["type"] == "http.request" and not message.get("more_body", False):
            message = await self.asgi_receive()
        self.ending = message["type"] == "http.disconnect"

    def send_last(self):
        """amphis' `send` acts when it is called; what it returns is only the wait for room."""
        messages, self.last = self.last, ()
        try:
            for message in messages:
                self.asgi_send(message)
        except BaseException as exc:
            self.error = self.error or exc

    async def interruptible(self, coroutine):
        task = asyncio.current_task()
        self.waiting.add(task)
        try:
            return await coroutine
        except asyncio.CancelledError:
            raise self.error or ClientDisconnected("The request was cancelled.") from None
        finally:
            self.waiting.discard(task)

    def cancel(self):
        self.error = self.error or ClientDisconnected("The request was cancelled.")
        for task in self.waiting:
            task.cancel()

    # In the app's thread

    def await_on_loop(self, coroutine):
        if self.error is not None:
            coroutine.close()
            raise self.error
        task = asyncio.run_coroutine_threadsafe(self.interruptible(coroutine), self.loop)
        return task.result()

    def respond(self, environ):
        try:
            if self.error is None:
                self.run(environ)
        except BaseException as exc:
            self.error = self.error or exc

    def run(self, environ):
        environ["asgi.scope"] = self.scope
        environ["SCRIPT_NAME"] = self.scope["root_path"].encode().decode("latin-1")
        environ["QUERY_STRING"] = self.scope["query_string"].decode("latin-1")
        environ["wsgi.errors"] = sys.stderr
        environ["wsgi.input"] = io.BufferedReader(Input(self), INPUT_BUFFER)
        # It ends by itself, also where there is no content-length.
        environ["wsgi.input_terminated"] = True
        chunks = self.app(environ, self.start_response)
        try:
            for chunk in chunks:
                self.write(chunk)
                if self.ending:
                    break
            if self.left != 0 or not self.begun:
                self.left = 0
                self.transmit(b"")
        finally:
            if hasattr(chunks, "close"):
                chunks.close()

    def start_response(self, status, headers, exc_info=None):
        try:
            if exc_info is not None and self.begun:
                raise exc_info[1].with_traceback(exc_info[2])
            if exc_info is None and self.head is not None:
                raise AssertionError("start_response was called a second time without exc_info.")
        finally:
            # Its traceback holds this frame.
            exc_info = None
        encoded = [
            (name.strip().lower().encode("latin-1"), value.strip().encode("latin-1"))
            for name, value in headers
        ]
        lengths = [value for name, value in encoded if name == b"content-length"]
        self.left = int(lengths[0]) if lengths else None
        code = int(status.split(maxsplit=1)[0])
        self.head = {"type": "http.response.start", "status": code, "headers": encoded}
        return self.write

    def write(self, chunk):
        if not isinstance(chunk, bytes):
            raise TypeError(f"A WSGI app yields bytes, not {type(chunk).__name__}.")
        # Nothing is sent for an empty one, the head neither.
        if chunk:
            if self.left is not None:
                self.left -= len(chunk)
            self.transmit(chunk)

    def transmit(self, chunk):
        """Sends a chunk, and waits for room for more where it is not the last."""
        more = self.left != 0
        messages = [{"type": "http.response.body", "body": chunk, "more_body": more}]
        if not self.begun:
            if self.head is None:
                raise AssertionError("The app did not call start_response.")
            self.begun = True
            messages.insert(0, self.head)
        if more:
            self.await_on_loop(self.send(*messages))
        else:
            self.last = messages
            self.loop.call_soon_threadsafe(self.send_last)


def is_event_stream(headers):
    kinds = [value for name, value in headers if name == b"content-type"]
    return any(kind.partition(b";")[0].strip().lower() == b"text/event-stream" for kind in kinds)


class Input(io.RawIOBase):
    """The request's body, for the app's thread."""

    def __init__(self, exchange):
        self.exchange = exchange
        self.rest = memoryview(b"")
        self.more = True

    def readable(self):
        return True

    def readinto(self, buffer):
        while not self.rest and self.more:
            message = self.exchange.await_on_loop(self.exchange.receive())
            self.rest = memoryview(message.get("body", b""))
            self.more = message.get("more_body", False)
        count = min(len(buffer), len(self.rest))
        buffer[:count] = self.rest[:count]
        self.rest = self.rest[count:]
        return count
