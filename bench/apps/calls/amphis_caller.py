"""Calls JavaScript by amphis: asked by `servers/calls-amphis.js`, which the harness asks."""

import json
from statistics import median
from time import perf_counter

import numpy
import timing
from amphis import node

kept = None
array = numpy.arange(8 * 1024 * 1024, dtype=numpy.float64)


async def awaited(name, at_a_time, milliseconds):
    functions = await node.import_module("./functions.cjs")
    call = getattr(functions, name)
    if at_a_time == 1:
        return await timing.one_at_a_time(call, milliseconds)
    return await timing.many_at_a_time(call, at_a_time, milliseconds)


def blocked(name, milliseconds):
    functions = node.sync.import_module("./functions.cjs")
    return timing.blocking(getattr(functions, name), milliseconds)


def keep(document):
    """What is to be given to JavaScript."""
    global kept
    kept = document


async def give(what, milliseconds):
    """How long it takes to give JavaScript the number 1, or what is kept, as it is or by way of JSON."""
    functions = await node.import_module("./functions.cjs")
    take, take_json = functions.take, functions.takeJson
    ways = {
        "nothing": lambda: take(1),
        "value": lambda: take(kept),
        "json": lambda: take_json(json.dumps(kept)),
    }
    give_it = ways[what]
    times = []
    end = perf_counter() + milliseconds / 1000
    while (begun := perf_counter()) < end:
        await give_it()
        times.append(perf_counter() - begun)
    return median(times) * 1e6


def numbers():
    """64 MiB of numpy's."""
    return array


async def many(name, count):
    """Calls a function so many times, 100 at a time."""
    import asyncio

    functions = await node.import_module("./functions.cjs")
    call = getattr(functions, name)

    async def lane():
        for _ in range(count // 100):
            await call(1)

    await asyncio.gather(*(lane() for _ in range(100)))


def many_blocked(name, count):
    functions = node.sync.import_module("./functions.cjs")
    call = getattr(functions, name)
    for _ in range(count):
        call(1)


def blocks():
    """Blocks of memory that Python has in use, once the garbage is gone."""
    import gc
    import sys

    gc.collect()
    return sys.getallocatedblocks()
