"""The FastAPI app of the demo: a small tea shop.

It is an ordinary ASGI app: nothing here knows about Express, and `uvicorn main:app` serves it too, all but the menu,
which has JavaScript of the process that it runs in.
"""

import asyncio
import hashlib
import itertools
import os
import platform
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import Annotated, Any, Literal
from uuid import uuid4

import fastapi
from fastapi import (
    BackgroundTasks,
    FastAPI,
    HTTPException,
    Path,
    Query,
    Request,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, Field, ValidationError, computed_field

# Old jobs are forgotten, so that a demo left running does not grow.
JOBS_KEPT = 100


class Item(BaseModel):
    id: int
    name: str
    price_cents: int


MENU = {
    item.id: item
    for item in (
        Item(id=1, name="Sencha", price_cents=650),
        Item(id=2, name="Darjeeling", price_cents=720),
        Item(id=3, name="Lapsang Souchong", price_cents=680),
        Item(id=4, name="Rooibos", price_cents=490),
    )
}


class Streams(BaseModel):
    """How many event streams were started, and how many ran their clean-up."""

    started: int = 0
    cleaned_up: int = 0

    @computed_field
    @property
    def open(self) -> int:
        return self.started - self.cleaned_up


class Remark(BaseModel):
    """What a guest at the counter sends."""

    text: str = Field(min_length=1, max_length=140)


class News(BaseModel):
    """What every guest is sent; `text` and `code` of one who left are those of the close frame."""

    event: Literal["joined", "said", "left"]
    guest: str
    text: str = ""
    code: int | None = None
    guests: int


class Hub:
    def __init__(self) -> None:
        self.guests: dict[WebSocket, str] = {}
        self.numbers = itertools.count(1)

    async def tell(self, **news: Any) -> None:
        text = News(guests=len(self.guests), **news).model_dump_json()
        # Who has just left is no reason not to tell the others.
        await asyncio.gather(
            *(guest.send_text(text) for guest in self.guests),
            return_exceptions=True,
        )


class Job(BaseModel):
    id: str
    status: Literal["waiting", "running", "done"] = "waiting"
    worked_ms: int = 0


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    print("FastAPI: lifespan startup", flush=True)
    yield {
        "started_at": datetime.now(timezone.utc),
        "menu": MENU,
        "streams": Streams(),
        "hub": Hub(),
        "jobs": {},
    }
    print("FastAPI: lifespan shutdown", flush=True)


app = FastAPI(title="Tea shop", lifespan=lifespan)


class About(BaseModel):
    pid: int
    python: str
    fastapi: str
    event_loop: str


@app.get("/about")
async def about() -> About:
    loop = type(asyncio.get_running_loop())
    return About(
        pid=os.getpid(),
        python=platform.python_version(),
        fastapi=fastapi.__version__,
        event_loop=loop.__module__.partition(".")[0],
    )


@app.get("/items/")
async def list_items(request: Request) -> list[Item]:
    return list(request.state.menu.values())


@app.get("/menu", response_class=HTMLResponse)
async def menu(
    request: Request,
    title: Annotated[str, Query(max_length=60)] = "Menu",
) -> str:
    from amphis import node

    react = await node.import_module("./menu.mjs")
    items = list(request.state.menu.values())
    return await react.render({"title": title, "items": items})


class Quote(BaseModel):
    item: Item
    quantity: int
    total_cents: int


@app.get("/items/{item_id}")
async def quote(
    request: Request,
    item_id: Annotated[int, Path(ge=1)],
    quantity: Annotated[int, Query(ge=1, le=99)] = 1,
) -> Quote:
    item = request.state.menu.get(item_id)
    if item is None:
        raise HTTPException(404, f"There is no item {item_id}")
    total = item.price_cents * quantity
    return Quote(item=item, quantity=quantity, total_cents=total)


class OrderLine(BaseModel):
    item_id: int = Field(ge=1)
    quantity: int = Field(ge=1, le=99)


class Order(BaseModel):
    customer: str = Field(min_length=1, max_length=80)
    lines: list[OrderLine] = Field(min_length=1)


class Receipt(BaseModel):
    order_id: str
    customer: str
    pieces: int
    total_cents: int


@app.post("/orders", status_code=201)
async def create_order(order: Order, request: Request) -> Receipt:
    pieces = total = 0
    for line in order.lines:
        item = request.state.menu.get(line.item_id)
        if item is None:
            raise HTTPException(404, f"There is no item {line.item_id}")
        pieces += line.quantity
        total += line.quantity * item.price_cents
    return Receipt(
        order_id=uuid4().hex[:8],
        customer=order.customer,
        pieces=pieces,
        total_cents=total,
    )


class Uploaded(BaseModel):
    filename: str | None
    size: int
    sha256: str


@app.post("/uploads")
async def upload(file: UploadFile) -> Uploaded:
    digest, size = hashlib.sha256(), 0
    while chunk := await file.read(1024 * 1024):
        digest.update(chunk)
        size += len(chunk)
    return Uploaded(
        filename=file.filename,
        size=size,
        sha256=digest.hexdigest(),
    )


class Tick(BaseModel):
    number: int
    at: datetime


@app.get("/ticks", response_class=EventSourceResponse)
async def ticks(
    request: Request,
    every_ms: Annotated[int, Query(ge=10, le=60_000)] = 400,
) -> AsyncIterable[Tick]:
    streams = request.state.streams
    streams.started += 1
    try:
        number = 0
        while True:
            number += 1
            yield Tick(number=number, at=datetime.now(timezone.utc))
            await asyncio.sleep(every_ms / 1000)
    finally:  # the browser left
        streams.cleaned_up += 1


@app.get("/streams")
async def read_streams(request: Request) -> Streams:
    return request.state.streams


@app.websocket("/counter")
async def counter(websocket: WebSocket) -> None:
    hub = websocket.state.hub
    guest = f"Guest {next(hub.numbers)}"
    await websocket.accept()
    hub.guests[websocket] = guest
    try:
        await hub.tell(event="joined", guest=guest)
        while True:
            message = await websocket.receive_text()
            remark = Remark.model_validate_json(message)
            await hub.tell(event="said", guest=guest, text=remark.text)
    except WebSocketDisconnect as end:  # the browser left
        code, reason = end.code, end.reason
    except ValidationError as mistakes:
        code, reason = 1007, mistakes.errors()[0]["msg"]
        await websocket.close(code, reason)
    finally:
        del hub.guests[websocket]
    await hub.tell(event="left", guest=guest, code=code, text=reason)


class Work(BaseModel):
    thread: str
    thread_id: int
    started: float
    finished: float


@app.get("/blocking")
def blocking() -> Work:
    started = time.time()
    time.sleep(0.3)  # blocks this thread, not the event loop
    return Work(
        thread=threading.current_thread().name,
        thread_id=threading.get_native_id(),
        started=started,
        finished=time.time(),
    )


def remember(jobs: dict[str, Job], job: Job) -> None:
    if len(jobs) >= JOBS_KEPT:
        del jobs[next(iter(jobs))]
    jobs[job.id] = job


async def brew(job: Job) -> None:
    job.status = "running"
    started = time.perf_counter()
    await asyncio.sleep(0.8)
    worked = time.perf_counter() - started
    job.worked_ms = round(worked * 1000)
    job.status = "done"


@app.post("/jobs", status_code=202)
async def start_job(
    request: Request,
    background: BackgroundTasks,
) -> Job:
    job = Job(id=uuid4().hex[:8])
    remember(request.state.jobs, job)
    background.add_task(brew, job)  # runs after the response
    return job


@app.get("/jobs/{job_id}")
async def read_job(job_id: str, request: Request) -> Job:
    job = request.state.jobs.get(job_id)
    if job is None:
        raise HTTPException(404, f"There is no job {job_id}")
    return job


class Uptime(BaseModel):
    started_at: datetime
    uptime_seconds: float
    state: list[str]


@app.get("/uptime")
async def uptime(request: Request) -> Uptime:
    started_at = request.state.started_at
    running = datetime.now(timezone.utc) - started_at
    return Uptime(
        started_at=started_at,
        uptime_seconds=round(running.total_seconds(), 3),
        state=sorted(request.scope["state"]),
    )
