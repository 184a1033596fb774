"""A playground: JavaScript that anybody types, in an isolated runtime, within limits; what comes of it streams back."""

import asyncio
import contextvars
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from reprlib import Repr

from amphis import js
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field

MIB = 1 << 20
# Of one run, so that a script can fill neither this process nor the page.
MOST_LINES = 1000
MOST_VALUES = 1000
LONGEST_LINE = 2000
# As many as there are processors to give: the others wait for their turn.
turns = asyncio.Semaphore(4)

shown = Repr()
shown.maxstring = shown.maxother = LONGEST_LINE
shown.maxlist = shown.maxdict = shown.maxtuple = shown.maxset = 100
shown.maxlevel = 8


class Script(BaseModel):
    source: str = Field(max_length=64 << 10)
    # Seconds, and MiB.
    timeout: float = Field(1, gt=0, le=10)
    memory: int = Field(64, ge=16, le=256)


class Run:
    """What one script says. Its lines may come from the thread of its runtime."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.events = asyncio.Queue()
        self.lines = 0

    def tell(self, kind, **data):
        self.events.put_nowait((kind, data))

    def line(self, level, text):
        self.lines += 1
        if self.lines < MOST_LINES:
            line = {"level": level, "text": text[:LONGEST_LINE]}
        elif self.lines == MOST_LINES:
            line = {"level": "warning", "text": "There were more lines than are shown."}
        else:
            return
        # The loop may be gone by now.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(lambda: self.tell("console", **line))


current: contextvars.ContextVar[Run] = contextvars.ContextVar("run")


class ToRun(logging.Handler):
    """Gives what JavaScript writes by `console` to its run: a call has the context of its caller."""

    def emit(self, record):
        run = current.get(None)
        if run is not None:
            run.line(record.levelname.lower(), record.getMessage())


console = logging.getLogger("amphis.js.console")
console.setLevel(logging.DEBUG)
console.propagate = False
console.addHandler(ToRun())


def sha256(text: str) -> str:
    """What scripts may call besides the language itself."""
    return hashlib.sha256(text.encode()).hexdigest()


async def perform(script: Script, run: Run) -> None:
    current.set(run)
    async with turns:
        began = time.perf_counter()
        config = js.RuntimeConfig(
            timeout=script.timeout, max_heap_size=script.memory * MIB, enable_console=True
        )
        with js.Runtime(config) as runtime:
            runtime.bind_function("sha256", sha256)
            try:
                await asyncio.wait_for(outcome(runtime, script, run), script.timeout)
            except js.JavaScriptError as error:
                run.tell("error", name=error.name, message=error.message, stack=error.stack)
            except (js.JavaScriptTimeout, asyncio.TimeoutError):
                run.tell(
                    "error", name="Timeout", message=f"It ran for more than {script.timeout:g} s."
                )
            except (js.RuntimeTerminated, js.ConversionError) as error:
                run.tell("error", name=type(error).__name__, message=str(error))
            used = 0 if runtime.is_closed() else runtime.get_stats().heap_used_bytes
        run.tell("end", milliseconds=round((time.perf_counter() - began) * 1000, 2), heap=used)


async def outcome(runtime: js.Runtime, script: Script, run: Run) -> None:
    value = await runtime.eval_async(script.source, name="playground.js")
    if not hasattr(value, "__aiter__"):
        run.tell("result", type=type(value).__name__, text=shown.repr(value))
        return
    # It gives its values bit by bit.
    count = 0
    async for each in value:
        count += 1
        if count > MOST_VALUES:
            run.line("warning", "There were more values than are shown.")
            break
        run.tell("value", type=type(each).__name__, text=shown.repr(each))


async def events(script: Script) -> AsyncIterator[str]:
    run = Run()
    task = asyncio.create_task(perform(script, run))
    # Whatever becomes of it, there is a last event.
    task.add_done_callback(lambda _: run.tell("over"))
    try:
        while True:
            kind, data = await run.events.get()
            if kind == "over":
                break
            yield f"event: {kind}\ndata: {json.dumps(data)}\n\n"
    finally:
        # Whoever looked at it has left: so does the script.
        task.cancel()
        await asyncio.wait([task])


app = FastAPI(title="Playground")


@app.post("/runs")
async def start(script: Script) -> StreamingResponse:
    """Runs a script, and streams what it writes, what comes of it, and what it took."""
    return StreamingResponse(events(script), media_type="text/event-stream")


app.mount("/", StaticFiles(directory=Path(__file__).parent / "public", html=True))
