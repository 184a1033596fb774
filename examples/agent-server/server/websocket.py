"""The same over a WebSocket, for clients that keep one connection: JSON messages, the key in the first of them or in a
header, never in the address."""

import asyncio
import json
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from . import lifecycle, sessions
from .errors import ApiError, not_found
from .events import event_id
from .keys import Key
from .models import Answer, NewMessage, Query

#: Seconds for the key to come.
PATIENCE = 5
POLICY_VIOLATION = 1008


def _origin_fits(websocket: WebSocket, allowed: frozenset[str]) -> bool:
    """Browsers name the page that connects; it has to be this server's, or one of ALLOWED_ORIGINS."""
    origin = websocket.headers.get("origin")
    return (
        origin is None
        or origin in allowed
        or urlsplit(origin).netloc == websocket.headers.get("host")
    )


class Connection:
    """One client."""

    def __init__(self, websocket: WebSocket):
        self._websocket = websocket
        self._server = lifecycle.server()
        self._text = ""
        self._key: Key | None = None
        self._following: set[asyncio.Task] = set()

    async def serve(self) -> None:
        await self._websocket.accept()
        try:
            if not await self._authenticated():
                await self._websocket.close(POLICY_VIOLATION, "no key")
                return
            await self._send({"type": "ready"})
            while True:
                await self._take(await self._websocket.receive_text())
        except WebSocketDisconnect:
            pass
        finally:
            for task in self._following:
                task.cancel()
            await asyncio.gather(*self._following, return_exceptions=True)

    async def _authenticated(self) -> bool:
        headers = self._websocket.headers
        text = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if not text:
            try:
                first = json.loads(await asyncio.wait_for(self._websocket.receive_text(), PATIENCE))
                text = first["key"] if first["type"] == "auth" else ""
            except (asyncio.TimeoutError, ValueError, KeyError, TypeError):
                return False
        try:
            self._text = str(text)
            self._key = await self._server.keys.find(self._text)
        except ApiError as error:
            await self._send({"type": "error", **error.body})
        return self._key is not None

    async def _send(self, message: dict) -> None:
        await self._websocket.send_text(json.dumps(message, ensure_ascii=False))

    async def _take(self, text: str) -> None:
        id = None
        try:
            message = json.loads(text)
            if not isinstance(message, dict):
                raise ValueError("an object is needed")
            id = message.pop("id", None)
            # Counted as a request; and a key that was revoked in the meantime is none any more.
            self._key = await self._server.keys.find(self._text)
            await self._do(id, message.pop("type", None), message)
        except ApiError as error:
            await self._send({"type": "error", "id": id, **error.body})
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, at['loc']))}: {at['msg']}" for at in error.errors()
            )
            await self._send(
                {"type": "error", "id": id, **ApiError(422, "wrong_request", wrong).body}
            )
        except ValueError as error:
            wrong = f"no JSON that is known here: {error}"
            await self._send(
                {"type": "error", "id": id, **ApiError(422, "wrong_request", wrong).body}
            )

    async def _do(self, id: Any, kind: Any, message: dict) -> None:
        server = self._server
        session_id = str(message.pop("session_id", ""))
        match kind:
            case "query":
                self._follow(id, await sessions.query(server, self._key, Query(**message)))
            case "message":
                asked = NewMessage(**message)
                self._follow(id, await sessions.message(server, self._key, session_id, asked))
            case "resume":
                last = str(message.get("last_event_id", ""))
                turn, log, after = await sessions.resumed(
                    server, self._key, session_id or None, last
                )
                self._follow(id, turn, log, after)
            case "interrupt":
                await server.turns.interrupt(await self._turn(session_id))
                await self._send({"type": "ok", "id": id})
            case "permission":
                request_id = str(message.pop("request_id", ""))
                answer = Answer(**message)
                turn = await self._turn(session_id)
                server.turns.answer(turn, request_id, answer.decision == "allow", answer.message)
                await self._send({"type": "ok", "id": id})
            case _:
                known = "query, message, resume, interrupt, permission"
                raise ApiError(422, "wrong_request", f"type is one of {known}")

    async def _turn(self, session_id: str):
        await sessions.find(self._server, self._key, session_id)
        turn = self._server.turns.of_session(session_id)
        if turn is None:
            raise not_found("turn that runs")
        return turn

    def _follow(self, id: Any, turn, log=None, after: int = 0) -> None:
        log = log or turn.log

        async def follow():
            said = self._server.turns.follow(turn, after) if turn else log.follow(after)
            async with aclosing(said):
                async for event in said:
                    name = event_id(log.turn_id, event.number)
                    await self._send(
                        {
                            "type": "event",
                            "id": id,
                            "event_id": name,
                            "event": event.type,
                            "data": event.data,
                        }
                    )

        task = asyncio.ensure_future(follow())
        self._following.add(task)
        task.add_done_callback(self._following.discard)


async def endpoint(websocket: WebSocket) -> None:
    if not _origin_fits(websocket, lifecycle.server().settings.allowed_origins):
        # Before it is accepted: the answer is a 403.
        await websocket.close(POLICY_VIOLATION)
        return
    await Connection(websocket).serve()
