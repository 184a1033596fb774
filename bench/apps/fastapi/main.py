"""FastAPI as it is used: typed parameters, a validated body, a validated answer."""

import asyncio
import os
from pathlib import Path

from fastapi import FastAPI, Query, WebSocket
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field

app = FastAPI()
# Not from __file__, which is not whole in every server.
FILE = Path(os.environ.get("BENCH_CACHE", ".")) / "100-mib.bin"


class Item(BaseModel):
    name: str = Field(min_length=1, max_length=100)
    price: float = Field(gt=0)
    quantity: int = Field(default=1, ge=1)
    tags: list[str] = []


class PricedItem(Item):
    id: int
    total: float


@app.post("/items/{item_id}")
async def price_item(item_id: int, item: Item) -> PricedItem:
    return PricedItem(
        id=item_id,
        name=item.name,
        price=item.price,
        quantity=item.quantity,
        tags=item.tags,
        total=item.price * item.quantity,
    )


@app.get("/items/{item_id}")
async def read_item(item_id: int, quantity: int = Query(ge=1)) -> PricedItem:
    return PricedItem(id=item_id, name="lamp", price=20.5, quantity=quantity, total=20.5 * quantity)


@app.get("/await/{item_id}")
async def read_item_later(item_id: int, quantity: int = Query(ge=1)) -> PricedItem:
    await asyncio.sleep(0.01)
    return await read_item(item_id, quantity)


@app.get("/sync/{item_id}")
def read_in_thread(item_id: int) -> dict[str, int]:
    return {"id": item_id}


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def chunks():
        yield b"open"
        await asyncio.Event().wait()

    return StreamingResponse(chunks(), media_type="text/plain")


@app.get("/file")
async def file() -> FileResponse:
    return FileResponse(FILE)


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)
