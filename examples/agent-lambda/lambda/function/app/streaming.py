"""A turn as Server-Sent Events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import anyio

from .errors import ApiError
from .models import Failed
from .turns import Event

#: Seconds without an event after which a comment shows that the turn is alive.
PAUSE = 15


def event_text(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


async def first_of(events: AsyncIterator[Event]) -> tuple[Event, AsyncIterator[Event]]:
    """Waits for the first event: what goes wrong before it has a status of its own."""
    first = await anext(events)
    return first, events


async def as_text(first: Event, events: AsyncIterator[Event]) -> AsyncIterator[str]:
    """All of them. The turn is a task of its own: it cleans up at leisure when whoever listens has gone."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    async def run() -> None:
        try:
            async for name, data in events:
                # Sent before, one by one.
                told = {**data, "messages": []} if name == "done" else data
                queue.put_nowait(event_text(name, told))
        except ApiError as error:
            failed = Failed(error=error.error, session_id=error.session_id)
            queue.put_nowait(event_text("error", failed.model_dump(exclude_none=True)))
        except Exception:
            queue.put_nowait(
                event_text(
                    "error", Failed(error="something has gone wrong").model_dump(exclude_none=True)
                )
            )
            raise
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(run())
    try:
        yield event_text(*first)
        while True:
            try:
                text = await asyncio.wait_for(queue.get(), PAUSE)
            except (TimeoutError, asyncio.TimeoutError):
                yield ": the agent works\n\n"
                continue
            if text is None:
                break
            yield text
        await task
    finally:
        if not task.done():
            with anyio.CancelScope(shield=True), suppress(asyncio.CancelledError):
                task.cancel()
                await task
