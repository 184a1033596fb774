import asyncio
import hashlib
import os
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import StreamingResponse
from helpers import greeting
from pydantic import BaseModel

# Where a test wants to know whether this was imported.
if "IMPORTED" in os.environ:
    Path(os.environ["IMPORTED"]).touch()

served = 0
left = asyncio.Event()


@asynccontextmanager
async def lifespan(_: FastAPI):
    yield
    print("the lifespan is over", flush=True)


app = FastAPI(lifespan=lifespan)


@app.get("/items")
async def items(request: Request):
    global served
    served += 1
    return {
        "greeting": greeting(),
        "served": served,
        "root_path": request.scope["root_path"],
        "url": str(request.url_for("items")),
        "client": request.scope["client"],
    }


@app.post("/digest")
async def digest(request: Request):
    body = await request.body()
    return {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}


class Text(BaseModel):
    text: str


@app.post("/words")
async def words(body: Text):
    return {"words": len(body.text.split())}


@app.get("/me")
async def me(request: Request):
    """What the host knows of the request."""
    return request.scope.get("extensions", {}).get("amphis.context")


@app.get("/cookies")
async def cookies(request: Request, response: Response):
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    return request.cookies


@app.get("/events")
async def events():
    async def pieces():
        try:
            for number in range(1_000_000):
                yield f"data: {number}\n\n"
                await asyncio.sleep(0.01)
        finally:
            left.set()

    return StreamingResponse(pieces(), media_type="text/event-stream")


@app.get("/left")
async def whether_left():
    """Answers as soon as the client of the events has left."""
    await asyncio.wait_for(left.wait(), 30)
    return {"left": True}


@app.get("/error")
async def error():
    raise ValueError("broken on purpose")


@app.websocket("/chat")
async def chat(websocket: WebSocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"Python heard: {text}")
