"""The least an ASGI app can be: what is measured is the server around it."""

import asyncio

HELLO = b"Hello, World!"
HELLO_HEADERS = [[b"content-type", b"text/plain"], [b"content-length", b"13"]]
TEXT_HEADERS = [[b"content-type", b"text/plain"]]

waiting = 0


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        await ROUTES[scope["path"]](receive, send)


async def lifespan(receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def hello(receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": HELLO_HEADERS})
    await send({"type": "http.response.body", "body": HELLO})


async def wait(receive, send):
    """A request that waits for something which never comes."""
    global waiting
    waiting += 1
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        waiting -= 1


async def count_waiting(receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": TEXT_HEADERS})
    await send({"type": "http.response.body", "body": str(waiting).encode()})


async def stream(receive, send):
    """One chunk, then silence until the client leaves."""
    await send({"type": "http.response.start", "status": 200, "headers": TEXT_HEADERS})
    await send({"type": "http.response.body", "body": b"open", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


ROUTES = {"/": hello, "/wait": wait, "/waiting": count_waiting, "/stream": stream}
