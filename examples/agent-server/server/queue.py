"""Turns take memory: so many run at a time, the others wait, and keys take turns, however much each has waiting."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

from .errors import ApiError


class FairQueue:
    """Places for turns, given round-robin to the keys that wait."""

    def __init__(self, places: int, most_waiting: int):
        self._free = places
        self._most_waiting = most_waiting
        #: The turns that wait, by key; the key whose turn it is comes first.
        self._waiting: OrderedDict[str, deque[asyncio.Future]] = OrderedDict()

    @property
    def waiting(self) -> int:
        return sum(len(line) for line in self._waiting.values())

    def check(self) -> None:
        if self.waiting >= self._most_waiting:
            message = f"{self.waiting} turns are waiting"
            raise ApiError(503, "queue_full", message, {"retry-after": "10"})

    async def enter(self, key: str, queued: Callable[[int], None]) -> None:
        """Waits for a place; `queued` is told how many are before, if any."""
        if self._free > 0 and not self._waiting:
            self._free -= 1
            return
        place: asyncio.Future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(place)
        queued(self.waiting)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()
            else:
                self._forget(key, place)
            raise

    def _forget(self, key: str, place: asyncio.Future) -> None:
        line = self._waiting.get(key)
        if line and place in line:
            line.remove(place)
            if not line:
                del self._waiting[key]

    def leave(self) -> None:
        """Gives a place back: to the next key that waits."""
        while self._waiting:
            key, line = self._waiting.popitem(last=False)
            place = line.popleft()
            if line:
                self._waiting[key] = line
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
