import asyncio

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

app = FastAPI(title="PROJECT_NAME")


@app.get("/hello/{name}")
async def hello(name: str, request: Request):
    # Without Lambda there is none.
    context = request.scope.get("aws.context")
    return {"message": f"Hello, {name}", "left": context and context.get_remaining_time_in_millis()}


@app.get("/tokens")
async def tokens():
    async def events():
        for word in ("one", "two", "three"):
            yield f"data: {word}\n\n"
            await asyncio.sleep(0.5)

    return StreamingResponse(events(), media_type="text/event-stream")
