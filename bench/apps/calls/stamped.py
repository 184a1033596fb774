"""A stream whose only piece is when it was sent, in nanoseconds of the clock that all processes of a machine share."""

import time


async def app(scope, receive, send):
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [[b"content-type", b"text/event-stream"]],
        }
    )
    await send(
        {"type": "http.response.body", "body": b"%d" % time.monotonic_ns(), "more_body": True}
    )
    await send({"type": "http.response.body", "body": b""})
