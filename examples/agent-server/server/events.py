"""What happens in a turn, as events: numbered, kept, followed by any number of clients."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

#: Too small and too many to be kept once the turn is over: what they bring is in `assistant` as well.
PASSING = frozenset(("text", "thinking", "queued", "retry"))


@dataclass(frozen=True)
class Event:
    number: int
    type: str
    data: dict


@dataclass
class Log:
    """The events of a turn, so far."""

    turn_id: str
    events: list[Event] = field(default_factory=list)
    ended: bool = False
    _last: Event | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def _make(self, type: str, data: dict) -> Event:
        last = self.events[-1].number if self.events else 0
        return Event(last + 1, type, {"at": round(time.time() * 1000, 1), **data})

    def add(self, type: str, **data) -> Event:
        event = self._make(type, data)
        # What comes after the last event was made has come too late.
        if self._last is None:
            self.events.append(event)
            self._wake()
        return event

    def last(self, type: str, **data) -> Event:
        """Makes the last event, which nobody sees before `end`."""
        self._last = self._make(type, data)
        return self._last

    def end(self) -> None:
        if self._last is not None:
            self.events.append(self._last)
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def follow(self, after: int = 0) -> AsyncIterator[Event]:
        """Those after a number, as they come, until the turn is over."""
        index = next(
            (i for i, event in enumerate(self.events) if event.number > after), len(self.events)
        )
        while True:
            while index < len(self.events):
                yield self.events[index]
                index += 1
            if self.ended:
                return
            await self._news.wait()


def event_id(turn_id: str, number: int) -> str:
    return f"{turn_id}.{number}"


def parse_event_id(text: str) -> tuple[str, int] | None:
    """The turn and the number of a `Last-Event-ID`."""
    turn_id, _, number = text.rpartition(".")
    return (turn_id, int(number)) if turn_id and number.isdecimal() and len(number) < 10 else None


def as_sse(turn_id: str, event: Event) -> bytes:
    """An event of a stream of Server-Sent Events; JSON has no line breaks."""
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event_id(turn_id, event.number)}\nevent: {event.type}\ndata: {data}\n\n".encode()
