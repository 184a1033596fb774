"""Calls JavaScript by PythonMonkey, and is called by it: a second engine, SpiderMonkey, on Python's own thread."""

import asyncio

import pythonmonkey
import timing
from functions import same
from orders import obey

functions = pythonmonkey.require("./functions.cjs")

timed = pythonmonkey.eval("""(function timed(call, milliseconds) {
  const start = Date.now()
  let calls = 0
  do {
    for (let i = 0; i < 1000; i++) if (call(1) !== 1) throw new Error('a call of 1 gave something else')
    calls += 1000
  } while (Date.now() < start + milliseconds)
  return ((Date.now() - start) * 1000) / calls
})""")


async def awaited(order):
    call = functions[order["what"]]
    if order["atATime"] == 1:
        return await timing.one_at_a_time(call, order["milliseconds"])
    return await timing.many_at_a_time(call, order["atATime"], order["milliseconds"])


def measure(order):
    if order["what"] == "called":
        return timed(same, order["milliseconds"])
    if order["what"] == "sameLater":
        return asyncio.run(awaited(order))
    return timing.blocking(functions[order["what"]], order["milliseconds"])


obey({"measure": measure})
