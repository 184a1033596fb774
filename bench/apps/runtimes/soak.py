"""What ten thousand streams each way and a hundred thousand promises leave in one isolated runtime, as JSON.

By hand: node bin/amphis.js run --python .venv/bin/python bench/apps/runtimes/soak.py
"""

import asyncio
import gc
import json

from amphis import js
from resident import resident

STREAMS, PROMISES = 10_000, 100_000


async def streams(runtime, count):
    async def three(begin):
        for number in range(begin, begin + 3):
            yield number

    total = runtime.eval("async (s) => { let n = 0; for await (const x of s) n += x; return n }")
    numbers = runtime.eval("(begin) => ReadableStream.from([begin, begin + 1, begin + 2])")
    for begin in range(count):
        assert (
            await total.call_async(runtime.stream_from_async_iterable(three(begin)))
            == 3 * begin + 3
        )
        if begin % 2:
            assert [number async for number in numbers(begin)] == [begin, begin + 1, begin + 2]
        else:
            # Left half-way.
            async for _ in numbers(begin):
                break


async def promises(runtime, count):
    async def same(value):
        await asyncio.sleep(0)
        return value

    runtime.bind_function("same", same)
    runtime.eval("globalThis.twice = async (x) => 2 * await same(x)")
    for begin in range(0, count, 1000):
        calls = [runtime.eval_async(f"twice({begin + number})") for number in range(1000)]
        assert await asyncio.gather(*calls) == [2 * (begin + number) for number in range(1000)]


def left(runtime):
    gc.collect()
    stats = runtime.get_stats()
    return {
        "heap, MB": round(stats.heap_used_bytes / 1e6, 1),
        "resident, MB": round(resident() / 1e6, 1),
        "streams": stats.active_js_streams + stats.active_py_streams,
        "under way": stats.active_async_ops,
        "objects of Python": len(gc.get_objects()),
    }


async def main():
    with js.Runtime(max_heap_size=64 << 20) as runtime:
        for work, count in ((streams, STREAMS), (promises, PROMISES)):
            await work(runtime, count // 10)
            before = left(runtime)
            await work(runtime, count)
            print(json.dumps({work.__name__: count, "before": before, "after": left(runtime)}))


asyncio.run(main())
