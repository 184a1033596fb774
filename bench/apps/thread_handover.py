"""What a sync endpoint costs without any server: anyio's hand-over to a thread and back, 32 at a time."""

import time

import anyio
import anyio.to_thread
import uvloop


def work():
    return {"id": 7}


async def main():
    count = 0
    end = time.perf_counter() + 1

    async def lane():
        nonlocal count
        while time.perf_counter() < end:
            await anyio.to_thread.run_sync(work)
            count += 1

    start = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(32):
            group.start_soon(lane)
    print(count / (time.perf_counter() - start))


uvloop.run(main())
