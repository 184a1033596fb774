"""The HTTP side: FastAPI, with one endpoint."""

import logging
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, StreamingResponse

from . import host, settings
from .access import owner_of
from .errors import ApiError
from .models import LONGEST_PROMPT, Ask, Done, Failed
from .streaming import as_text, first_of
from .turns import Turns

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")

#: Seconds of a call that knows of no invocation.
SECONDS = 300
#: What browsers may be told, read before they start: middleware cannot be added later.
_origins = settings.allowed_origins()


@asynccontextmanager
async def lifespan(app: FastAPI):
    settings.hide_memory()
    half = await host.load()
    app.state.settings = settings.read(await half.settings())
    app.state.turns = Turns(half, app.state.settings)
    yield


app = FastAPI(title="Claude Code", lifespan=lifespan)
app.add_middleware(
    CORSMiddleware,
    allow_origins=_origins,
    allow_methods=["POST"],
    allow_headers=["authorization", "content-type", "x-api-key"],
)


def owner(request: Request) -> str:
    return owner_of(request.scope, request.headers, request.app.state.settings)


def _seconds_of(request: Request) -> float:
    context = request.scope.get("aws.context")
    return context.get_remaining_time_in_millis() / 1000 if context else SECONDS


_FAILED: dict[int | str, dict[str, Any]] = {
    status: {"model": Failed} for status in (400, 401, 404, 409, 413, 422, 502, 503, 504)
}


@app.post("/claude-code", response_model=Done, responses=_FAILED)
async def claude_code(ask: Ask, owner: Annotated[str, Depends(owner)], request: Request) -> Any:
    """A turn of the agent. `Accept: text/event-stream` has its messages as they come."""
    turns: Turns = request.app.state.turns
    streams = "text/event-stream" in request.headers.get("accept", "")
    events = turns.run(ask, owner, _seconds_of(request), partial=streams)
    if streams:
        text = as_text(*await first_of(events))
        return StreamingResponse(
            text, media_type="text/event-stream", headers={"cache-control": "no-store"}
        )
    done: dict[str, Any] = {}
    async for _, done in events:  # noqa: B007
        pass
    return JSONResponse(done)


@app.get("/health")
async def health() -> dict[str, bool]:
    return {"success": True}


def _answer(status: int, error: str, session_id: str | None = None) -> JSONResponse:
    failed = Failed(error=error, session_id=session_id)
    return JSONResponse(failed.model_dump(exclude_none=True), status)


@app.exception_handler(ApiError)
async def answer_api_error(_request: Request, error: ApiError) -> JSONResponse:
    return _answer(error.status, error.error, error.session_id)


@app.exception_handler(RequestValidationError)
async def answer_invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    if first["type"] == "string_too_long":
        return _answer(413, f"the prompt has more than {LONGEST_PROMPT} characters")
    where = ".".join(str(part) for part in first["loc"][1:] if isinstance(part, str))
    return _answer(400, f"{where or 'the body'}: {first['msg']}")


@app.exception_handler(404)
@app.exception_handler(405)
async def answer_unknown(request: Request, error: Any) -> JSONResponse:
    return _answer(
        error.status_code,
        f"there is no {request.method} {request.url.path}: POST /claude-code is what there is",
    )


@app.exception_handler(Exception)
async def answer_unexpected(_request: Request, _error: Exception) -> JSONResponse:
    return _answer(500, "something has gone wrong; the function's log has more")
