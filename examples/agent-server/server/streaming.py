"""The answer to a prompt: a stream of Server-Sent Events, or one JSON when the turn is over. Either notes when the
client has gone."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .events import Log, as_sse
from .turns import Turn, Turns

#: Seconds of silence after which a comment shows proxies, and us, that the connection is alive.
HEARTBEAT = 15


def wants_events(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


class TurnResponse(Response):
    """Follows a turn until it is over or the client has gone."""

    def __init__(self, turns: Turns, turn: Turn | None, log: Log, after: int, *, events: bool):
        # Not Response's own: there is no body yet.
        self.status_code = 200
        self.background = None
        self._turns, self._turn, self._log, self._after, self._events = (
            turns,
            turn,
            log,
            after,
            events,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = asyncio.ensure_future(self._answer(send))
        leaving = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not answering.done():
                answering.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)
        if not answering.cancelled() and (error := answering.exception()):
            raise error

    async def _answer(self, send: Send) -> None:
        if self._events:
            await self._stream(send)
        else:
            await self._whole(send)

    def _follow(self) -> AsyncIterator:
        return (
            self._turns.follow(self._turn, self._after)
            if self._turn
            else self._log.follow(self._after)
        )

    async def _stream(self, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            # nginx would hold it back.
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # The head is sent with the first bytes, and clients wait for it.
        await send({"type": "http.response.body", "body": b": stream\n\n", "more_body": True})
        async with aclosing(self._follow()) as said:
            following = asyncio.ensure_future(anext(said, None))
            try:
                while True:
                    await asyncio.wait([following], timeout=HEARTBEAT)
                    if not following.done():
                        await send(
                            {
                                "type": "http.response.body",
                                "body": b": alive\n\n",
                                "more_body": True,
                            }
                        )
                        continue
                    event = following.result()
                    if event is None:
                        break
                    body = as_sse(self._log.turn_id, event)
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                    following = asyncio.ensure_future(anext(said, None))
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
        await send({"type": "http.response.body", "body": b""})

    async def _whole(self, send: Send) -> None:
        summary: dict = {}
        async with aclosing(self._follow()) as said:
            async for event in said:
                if event.type == "done":
                    summary = {name: value for name, value in event.data.items() if name != "at"}
        body = json.dumps(summary, ensure_ascii=False).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
