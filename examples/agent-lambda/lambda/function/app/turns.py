"""A turn: its session restored, the agent run, the session kept."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

from amphis import JavaScriptError

from .errors import ApiError
from .models import Ask, Done
from .sessions import Session, Sessions
from .settings import Settings

#: What of the agent's messages is answered; `stream_event` comes where pieces are wanted.
TOLD = frozenset(["assistant", "user", "result", "stream_event"])

log = logging.getLogger("agent-lambda")

#: The name of an event, and what is in it.
Event = tuple[str, dict[str, Any]]


class Turns:
    """Runs them."""

    def __init__(self, host: Any, settings: Settings):
        self._host = host
        self._settings = settings
        self._sessions = Sessions(host, settings)

    async def run(
        self, ask: Ask, owner: str, seconds: float, partial: bool = False
    ) -> AsyncIterator[Event]:
        """Gives `session` once it is restored, a `message` for each of the agent's, `done` when it is kept.

        Args:
            seconds: that are left of the invocation

        Raises:
            ApiError: whatever keeps the turn from being done
        """
        if not self._settings.has_key:
            raise ApiError(503, "ANTHROPIC_API_KEY is not set: see README.md, Configure")
        deadline = time.monotonic() + max(1.0, seconds - self._settings.margin)
        async with self._sessions.open(ask.session_id, owner) as session:
            yield "session", {"session_id": session.id}
            messages = []
            async for message in self._messages(ask, session, deadline, partial):
                if message["type"] != "stream_event":
                    messages.append(message)
                yield "message", message
            url = await self._sessions.keep(session)
            yield "done", Done(session_id=session.id, messages=messages, s3_url=url).model_dump()

    async def _messages(
        self, ask: Ask, session: Session, deadline: float, partial: bool
    ) -> AsyncIterator[dict]:
        known = session.id if session.etag else None
        task = {
            "prompt": ask.prompt,
            "conversation": session.conversation,
            "isKnown": session.etag is not None,
            "folder": str(session.folder),
            "tools": list(self._settings.tools),
            "model": self._settings.model,
            "rounds": self._settings.rounds,
            "partial": partial,
        }
        turn = await self._host.Turn(task)
        messages = aiter(turn.messages())
        result = None
        step = None
        try:
            while True:
                # Not cancelled when time is up: the agent has to end first, which ends the step as well.
                step = asyncio.ensure_future(anext(messages))
                done, _ = await asyncio.wait({step}, timeout=max(0, deadline - time.monotonic()))
                if not done:
                    message = "the agent was not done in time, and this turn was not kept"
                    raise ApiError(504, message, known)
                message = step.result()
                if message["type"] in TOLD:
                    yield message
                if message["type"] == "result":
                    result = message
        except StopAsyncIteration:
            pass
        except JavaScriptError as error:
            # A result that tells of an error is followed by the end of the program.
            if result is None:
                log.error("the agent has failed: %s", error.message)
                why = f"the agent has failed, and this turn was not kept: {error.message}"
                raise ApiError(502, why, known) from error
        finally:
            await turn.end()
            if step is not None and not step.done():
                await asyncio.wait({step}, timeout=5)
                step.cancel()
        if result is None or result.get("is_error") or result.get("subtype") != "success":
            why = (
                (result or {}).get("result") or (result or {}).get("subtype") or "it gave no result"
            )
            raise ApiError(502, f"the agent has failed, and this turn was not kept: {why}", known)
