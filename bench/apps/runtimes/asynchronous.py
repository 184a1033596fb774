"""What the asynchronous calls of an isolated JavaScript runtime cost, in microseconds."""

import asyncio
from statistics import median
from time import perf_counter

FETCHES = """(async () => {
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => same(i)))
    return all.length
})()"""


def asynchronous(engine):
    """The ways to measure, by name: each takes how many milliseconds it may have."""

    def way(code, check):
        return lambda milliseconds: asyncio.run(repeated(engine, code, check, milliseconds))

    return {
        "eval_async": way("1 + 1", 2),
        "coroutine": way("same(2)", 2),
        "coroutines": way(FETCHES, 20),
        "timer": way("new Promise((resolve) => setTimeout(() => resolve(2), 0))", 2),
    }


async def repeated(engine, code, check, milliseconds):
    """The median of calls one at a time, on a loop of asyncio's."""

    async def same(value):
        return value

    runtime = engine.make()
    try:
        engine.bind(runtime, "same", same)
        times = []
        end = perf_counter() + milliseconds / 1000
        while (begun := perf_counter()) < end:
            result = await runtime.eval_async(code)
            times.append(perf_counter() - begun)
            if result != check:
                raise ValueError(f"it gave {result!r}")
        return median(times) * 1e6
    finally:
        runtime.close()
