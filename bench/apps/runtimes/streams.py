"""A stream of a GiB, or as many MiB as the argument says, each way between Python and an isolated runtime.

By hand: node bin/amphis.js run --python .venv/bin/python bench/apps/runtimes/streams.py
"""

import asyncio
import json
import sys
from time import perf_counter

from amphis import js
from resident import resident

CHUNK = 64 << 10
CHUNKS = (int(sys.argv[1]) if len(sys.argv) > 1 else 1024) * 16


class Growth:
    """How much more memory the process has had at most than at the beginning, in MB."""

    def __init__(self):
        self.before = self.most = resident()

    def look(self):
        self.most = max(self.most, resident())

    def told(self, began):
        took = perf_counter() - began
        return {
            "megabytes a second": round(CHUNK * CHUNKS / 1e6 / took),
            "grown by": round((self.most - self.before) / 1e6, 1),
        }


async def to_python(runtime):
    stream = runtime.eval(f"""
        let left = {CHUNKS}
        new ReadableStream({{ pull(c) {{ left-- > 0 ? c.enqueue(new Uint8Array({CHUNK}).fill(left)) : c.close() }} }})
    """)
    growth, began, count = Growth(), perf_counter(), 0
    async for chunk in stream:
        count += len(chunk)
        if count % (CHUNK * 64) == 0:
            growth.look()
    assert count == CHUNK * CHUNKS
    return growth.told(began)


async def to_javascript(runtime):
    growth = Growth()

    async def chunks():
        for number in range(CHUNKS):
            if number % 64 == 0:
                growth.look()
            yield bytes([number % 256]) * CHUNK

    total = runtime.eval(
        "async (s) => { let n = 0; for await (const x of s) n += x.length; return n }"
    )
    began = perf_counter()
    assert await total.call_async(runtime.stream_from_async_iterable(chunks())) == CHUNK * CHUNKS
    return growth.told(began)


async def main():
    with js.Runtime() as runtime:
        print(
            json.dumps(
                {
                    "to Python": await to_python(runtime),
                    "to JavaScript": await to_javascript(runtime),
                }
            )
        )


asyncio.run(main())
