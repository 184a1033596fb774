"""Isolated JavaScript runtimes, by the engine that the argument names: what each call costs, in microseconds."""

import gc
import json
import os
import sys
import threading
from functools import cache
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

from asynchronous import asynchronous
from engines import ENGINES, MiniRacer
from resident import resident

sys.path.append(str(Path(__file__).parents[1] / "calls"))

if "BENCH_CHANNEL_FD" in os.environ:
    # amphis' own Node has been kept from taking the channel for its own.
    os.environ["NODE_CHANNEL_FD"] = os.environ.pop("BENCH_CHANNEL_FD")

ITEMS = [
    {
        "id": 1000 + index,
        "name": f"lamp {index}",
        "price": 19.5 + index / 4,
        "isNew": index % 3 == 0,
        "tags": ["light", "desk" if index % 2 else "wall", "büro"],
        "size": {"width": 10 + index, "height": 20, "depth": 7.5},
        "note": None if index % 5 == 0 else "übersetzt",
    }
    for index in range(64)
]
LIBRARY = Path(__file__).parents[2] / "node_modules/vega/build/vega.min.js"
DOCUMENT = {"page": 1, "total": len(ITEMS), "items": ITEMS}


engine = ENGINES[sys.argv[1]]()


def blocking(call, milliseconds, check=None):
    times = []
    end = perf_counter() + milliseconds / 1000
    while (begun := perf_counter()) < end:
        result = call()
        times.append(perf_counter() - begun)
        if check is not None and result != check:
            raise ValueError(f"it gave {result!r}")
    return median(times) * 1e6


def create(milliseconds):
    def once():
        runtime = engine.make()
        result = runtime.eval("1 + 1")
        runtime.close()
        return result

    # The first one opens the engine.
    once()
    return blocking(once, milliseconds, 2)


def spare(milliseconds):
    """What it takes to have a runtime where there was time to make it ready."""
    times = []
    for _ in range(max(3, milliseconds // 50)):
        sleep(0.05)
        began = perf_counter()
        runtime = engine.make()
        times.append(perf_counter() - began)
        runtime.close()
    return median(times) * 1e6


def evaluate(milliseconds):
    runtime = engine.make()
    try:
        return blocking(lambda: runtime.eval("1 + 1"), milliseconds, 2)
    finally:
        runtime.close()


def callback(milliseconds):
    runtime = engine.make()
    try:
        engine.bind(runtime, "same", lambda value: value)
        code = "n = 0; for (let i = 0; i < 1000; i++) n += same(1); n"
        return blocking(lambda: runtime.eval(code), milliseconds, 1000) / 1000
    finally:
        runtime.close()


def result(milliseconds):
    runtime = engine.make()
    try:
        runtime.eval(f"const document_ = JSON.parse({json.dumps(json.dumps(DOCUMENT))}); 0")
        return blocking(
            lambda: runtime.eval("document_"),
            milliseconds,
            None if engine.__class__ is MiniRacer else DOCUMENT,
        )
    finally:
        runtime.close()


def argument(milliseconds):
    runtime = engine.make()
    try:
        take = engine.function(runtime, "value => value.total")
        return blocking(lambda: take(DOCUMENT), milliseconds, 64)
    finally:
        runtime.close()


def threads(milliseconds):
    """What each of the calls of eight threads costs, with a runtime each."""
    counts = [0] * 8
    barrier = threading.Barrier(9)

    def work(number):
        runtime = engine.make()
        runtime.eval("1 + 1")
        barrier.wait()
        end = perf_counter() + milliseconds / 1000
        while perf_counter() < end:
            runtime.eval("1 + 1")
            counts[number] += 1
        barrier.wait()
        runtime.close()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    barrier.wait()
    begun = perf_counter()
    barrier.wait()
    took = perf_counter() - begun
    for worker in workers:
        worker.join()
    return took / sum(counts) * 1e6


def library(milliseconds):
    """To have a runtime with a library of half a MB."""
    source = LIBRARY.read_text()

    def once():
        runtime = engine.make()
        runtime.eval(f"{source}; 0")
        return ready(runtime)

    return blocking(once, milliseconds, "function")


def snapshot(milliseconds):
    """The same from a snapshot."""
    taken = engine.snapshot("vega.js", LIBRARY.read_text())
    return blocking(lambda: ready(engine.restore(taken)), milliseconds, "function")


def ready(runtime):
    found = runtime.eval("typeof vega.parse")
    runtime.close()
    return found


@cache
def memory(_):
    """MB that each of fifty has of its own; of the first fifty, for later ones get memory that was used before."""
    gc.collect()
    before = resident()
    runtimes = [engine.make() for _ in range(50)]
    for runtime in runtimes:
        runtime.eval("1 + 1")
    used = resident() - before
    for runtime in runtimes:
        runtime.close()
    return used / 50 / 1e6


WAYS = {
    "create": create,
    "spare": spare,
    "eval": evaluate,
    "callback": callback,
    "result": result,
    "argument": argument,
    "threads": threads,
    "library": library,
    "snapshot": snapshot,
    "memory": memory,
    **asynchronous(engine),
}

if len(sys.argv) > 2:
    # By hand: all of them, once.
    for name in sys.argv[2:]:
        print(name, round(WAYS[name](500), 3))
else:
    import orders

    orders.obey({"measure": lambda order: WAYS[order["what"]](order["milliseconds"])})
