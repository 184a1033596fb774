"""What JavaScript calls, by amphis and by its peers."""

import json
import time


def same(value):
    return value


async def same_async(value):
    return value


async def take(value):
    """Is given a value, which is not looked at: what is measured is its way here."""


async def take_json(text):
    json.loads(text)


def compute(seconds):
    """Keeps a thread of Python's busy, and its interpreter with it."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    return True
