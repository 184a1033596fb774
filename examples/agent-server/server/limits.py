"""A limit to what clients send, whatever they say of its length."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import ApiError

#: A prompt of a million characters, each of four bytes, and what is around it.
MOST = 4_200_000


class _TooLong(Exception):
    pass


class LimitedBody:
    """Answers longer bodies by 413."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = ApiError(413, "too_long", f"the body is longer than {MOST} bytes")
        answer = JSONResponse(refusal.body, refusal.status)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > MOST:
            await answer(scope, receive, send)
            return
        seen = 0

        async def limited():
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MOST:
                raise _TooLong
            return message

        try:
            await self._app(scope, limited, send)
        except _TooLong:
            await answer(scope, receive, send)
