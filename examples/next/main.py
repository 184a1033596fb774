import asyncio
import hashlib
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

app = FastAPI()
streams = 0


def host_user(request: Request) -> str:
    """The user that Next.js knows."""
    context = request.scope.get("extensions", {}).get("amphis.context", {})
    if user := context.get("user"):
        return user
    raise HTTPException(401, "nobody is logged in")


@app.get("/hello")
async def hello():
    return {"message": "hello from Python"}


@app.get("/me")
async def me(user: Annotated[str, Depends(host_user)]):
    return {"user": user}


@app.post("/upload")
async def upload(request: Request):
    sha256 = hashlib.sha256()
    size = 0
    async for piece in request.stream():
        sha256.update(piece)
        size += len(piece)
    return {"size": size, "sha256": sha256.hexdigest()}


@app.get("/events")
async def events():
    async def tick():
        global streams
        streams += 1
        try:
            for n in range(1_000_000):
                yield f"data: {n}\n\n"
                await asyncio.sleep(0.05)
        finally:
            streams -= 1

    return StreamingResponse(tick(), media_type="text/event-stream")


@app.get("/streams")
async def open_streams():
    return {"open": streams}


@app.get("/cookie")
async def cookie(response: Response):
    response.set_cookie("python", "1")
    return {}


@app.get("/boom")
async def boom():
    raise RuntimeError("broken in Python")
