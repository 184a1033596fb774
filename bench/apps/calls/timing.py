"""How long calls of JavaScript take, in microseconds, as Python sees it."""

import asyncio
from statistics import median
from time import perf_counter


def check(value):
    if value != 1:
        raise ValueError(f"a call of 1 gave {value!r}")


async def one_at_a_time(call, milliseconds):
    """The median."""
    times = []
    end = perf_counter() + milliseconds / 1000
    while (begun := perf_counter()) < end:
        result = await call(1)
        times.append(perf_counter() - begun)
        check(result)
    return median(times) * 1e6


async def many_at_a_time(call, count, milliseconds):
    """What each costs while so many are under way."""
    calls = 0
    begun = perf_counter()
    end = begun + milliseconds / 1000

    async def lane():
        nonlocal calls
        while perf_counter() < end:
            check(await call(1))
            calls += 1

    await asyncio.gather(*(lane() for _ in range(count)))
    return (perf_counter() - begun) / calls * 1e6


def blocking(call, milliseconds):
    """The median, of a thread that waits for each."""
    times = []
    end = perf_counter() + milliseconds / 1000
    while (begun := perf_counter()) < end:
        result = call(1)
        times.append(perf_counter() - begun)
        check(result)
    return median(times) * 1e6
