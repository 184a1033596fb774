"""The least an ASGI app can be: what is measured is the server around it."""

import asyncio
import hashlib
import os
import time
from pathlib import Path

HELLO = b"Hello, World!"
HELLO_HEADERS = [[b"content-type", b"text/plain"], [b"content-length", b"13"]]
TEXT_HEADERS = [[b"content-type", b"text/plain"]]
BINARY_HEADERS = [[b"content-type", b"application/octet-stream"]]
EVENT_HEADERS = [[b"content-type", b"text/event-stream"]]
# Not from __file__, which is not whole in every server.
CACHE = Path(os.environ.get("BENCH_CACHE", "."))
FILE = CACHE / "100-mib.bin"
SMALL_FILE = CACHE / "64-kib.bin"

waiting = 0


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await echo(receive, send)
    else:
        await ROUTES[scope["path"]](scope, receive, send)


async def lifespan(receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        text = event.get("text")
        if text is None:
            await send({"type": "websocket.send", "bytes": event["bytes"]})
        else:
            await send({"type": "websocket.send", "text": text})


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": HELLO_HEADERS})
    await send({"type": "http.response.body", "body": HELLO})


async def wait(scope, receive, send):
    """A request that waits for something which never comes."""
    global waiting
    waiting += 1
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        waiting -= 1


async def count_waiting(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": TEXT_HEADERS})
    await send({"type": "http.response.body", "body": str(waiting).encode()})


async def stream(scope, receive, send):
    """One chunk, then silence until the client leaves."""
    await send({"type": "http.response.start", "status": 200, "headers": TEXT_HEADERS})
    await send({"type": "http.response.body", "body": b"open", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


async def wait_a_little(scope, receive, send):
    await asyncio.sleep(0.01)
    await hello(scope, receive, send)


async def down(scope, receive, send):
    """So many MiB in chunks of 64 KiB, of a length that is not announced."""
    chunk = SMALL_FILE.read_bytes()
    await send({"type": "http.response.start", "status": 200, "headers": BINARY_HEADERS})
    for _ in range(number(scope, b"mib") * 16):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def up(scope, receive, send):
    """Tells how many bytes came, or their hash: that takes longer than to receive them."""
    digest = hashlib.sha256() if scope["query_string"] == b"hash" else None
    total = 0
    more = True
    while more:
        event = await receive()
        body = event.get("body", b"")
        total += len(body)
        if digest is not None:
            digest.update(body)
        more = event.get("more_body", False)
    text = digest.hexdigest() if digest is not None else str(total)
    headers = [*TEXT_HEADERS, [b"content-length", b"%d" % len(text)]]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


async def events(scope, receive, send):
    """Server-sent events, one every so many milliseconds, or one after the other."""
    gap = number(scope, b"gap")
    if gap not in broadcasts:
        broadcasts[gap] = Broadcast(gap / 1000)
    gone = asyncio.ensure_future(disconnected(receive))
    try:
        await send({"type": "http.response.start", "status": 200, "headers": EVENT_HEADERS})
        while not gone.done():
            event = await broadcasts[gap].next()
            await send({"type": "http.response.body", "body": event, "more_body": True})
    except OSError:
        pass  # How some servers tell that the client has gone.
    finally:
        gone.cancel()


async def disconnected(receive):
    while (await receive())["type"] != "http.disconnect":
        pass


class Broadcast:
    """Events for all who wait at that moment; one who is still sending the last one misses some."""

    def __init__(self, gap):
        self.gap = gap
        self.waiters = []
        self.wanted = asyncio.Event()
        self.task = asyncio.ensure_future(self.run())

    def next(self):
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        self.wanted.set()
        return waiter

    async def run(self):
        count = 0
        while True:
            await self.wanted.wait()
            await asyncio.sleep(self.gap)
            count += 1
            event = b"data: %010d %016d\n\n" % (count, time.monotonic_ns() // 1000)
            waiters, self.waiters = self.waiters, []
            self.wanted.clear()
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(event)


broadcasts = {}


def number(scope, name):
    fields = dict(field.split(b"=") for field in scope["query_string"].split(b"&"))
    return int(fields[name])


async def file(scope, receive, send):
    """A file that the server reads itself."""
    await send_file(send, FILE)


async def small_file(scope, receive, send):
    await send_file(send, SMALL_FILE)


async def send_file(send, path):
    headers = [*BINARY_HEADERS, [b"content-length", b"%d" % path.stat().st_size]]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.pathsend", "path": str(path)})


ROUTES = {
    "/": hello,
    "/await": wait_a_little,
    "/down": down,
    "/events": events,
    "/file": file,
    "/static/64-kib.bin": small_file,
    "/stream": stream,
    "/up": up,
    "/wait": wait,
    "/waiting": count_waiting,
}
