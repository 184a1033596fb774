"""The API: FastAPI, mounted in Node.js by main.mjs."""

import difflib
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse

from . import health, lifecycle, sessions, websocket
from .errors import ApiError, not_found
from .keys import Key
from .lifecycle import Server
from .limits import LimitedBody
from .models import (
    Answer,
    Done,
    History,
    NewMessage,
    NewSession,
    Query,
    Session,
    SessionList,
    TurnDone,
)
from .streaming import TurnResponse, wants_events


@asynccontextmanager
async def lifespan(_app: FastAPI):
    await lifecycle.start()
    try:
        yield
    finally:
        await lifecycle.end()


app = FastAPI(
    title="Agent server",
    version="1.0",
    description="Coding agents behind HTTP: the agent SDKs of Python and TypeScript in one process.",
    lifespan=lifespan,
    # Their pages load scripts from elsewhere.
    docs_url=None,
    redoc_url=None,
)
app.add_middleware(LimitedBody)


async def the_server() -> Server:
    return lifecycle.server()


def bearer(authorization: str | None, x_api_key: str | None) -> str | None:
    """The key of the two headers that may carry it."""
    if authorization and authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    return x_api_key


async def the_key(
    server: Annotated[Server, Depends(the_server)],
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
    x_api_key: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Key:
    return await server.keys.find(bearer(authorization, x_api_key))


TheServer = Annotated[Server, Depends(the_server)]
TheKey = Annotated[Key, Depends(the_key)]
LastEventId = Annotated[
    str | None,
    Header(
        description="goes on with a turn after this event, instead of beginning one", max_length=100
    ),
]
STREAM = {
    200: {
        "description": "How the turn has ended; its events as they come, for `Accept: text/event-stream`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@app.exception_handler(ApiError)
async def on_api_error(_request: Request, error: ApiError) -> JSONResponse:
    return JSONResponse(error.body, error.status, error.headers)


@app.exception_handler(RequestValidationError)
async def on_wrong_request(request: Request, error: RequestValidationError) -> JSONResponse:
    """Names what is wrong, without what was sent: prompts are in no log and no answer to others."""
    found = [_explained(problem) for problem in error.errors()]
    return JSONResponse(ApiError(422, "wrong_request", "; ".join(found)).body, 422)


FIELDS = {
    name
    for model in (Query, NewSession, NewMessage, Answer, *(Query.model_fields["tools"].annotation,))
    for name in model.model_fields
}


def _explained(problem: dict) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(problem["loc"][-1]), FIELDS, 1)
        return f"{where} is not known" + (f"; did you mean {near[0]}?" if near else "")
    return f"{where}: {problem['msg']}"


async def _follow(request: Request, server: Server, turn) -> TurnResponse:
    return TurnResponse(server.turns, turn, turn.log, 0, events=wants_events(request))


async def _resume(
    request: Request, server: Server, key: Key, session_id: str | None, last: str
) -> TurnResponse:
    turn, log, after = await sessions.resumed(server, key, session_id, last)
    return TurnResponse(server.turns, turn, log, after, events=wants_events(request))


@app.post("/query", response_model=TurnDone, responses=STREAM)
async def query(
    request: Request,
    server: TheServer,
    key: TheKey,
    asked: Query,
    last_event_id: LastEventId = None,
):
    """Asks an agent once, without a session."""
    if last_event_id:
        return await _resume(request, server, key, None, last_event_id)
    return await _follow(request, server, await sessions.query(server, key, asked))


@app.post("/sessions", response_model=Session, status_code=201)
async def create_session(server: TheServer, key: TheKey, asked: NewSession):
    """Begins a conversation."""
    return sessions.shown(server, await sessions.create(server, key, asked))


@app.get("/sessions", response_model=SessionList)
async def list_sessions(server: TheServer, key: TheKey, before: str | None = None):
    """The key's sessions, last used first, fifty at a time."""
    return await sessions.listed(server, key, before)


@app.get("/sessions/{session_id}", response_model=History)
async def get_session(server: TheServer, key: TheKey, session_id: str):
    """A session with all of its turns and what happened in them."""
    return await sessions.history(server, key, session_id)


@app.delete("/sessions/{session_id}", response_model=Done)
async def delete_session(server: TheServer, key: TheKey, session_id: str):
    """Ends its turn, if one runs, and removes all that was said and every file of its agent."""
    await sessions.remove(server, key, session_id)
    return Done()


@app.post("/sessions/{session_id}/messages", response_model=TurnDone, responses=STREAM)
async def send_message(
    request: Request,
    server: TheServer,
    key: TheKey,
    session_id: str,
    asked: NewMessage,
    last_event_id: LastEventId = None,
):
    """Begins a turn; it ends when the client has gone, unless it is `detached`."""
    if last_event_id:
        return await _resume(request, server, key, session_id, last_event_id)
    return await _follow(request, server, await sessions.message(server, key, session_id, asked))


@app.get("/sessions/{session_id}/events", responses=STREAM)
async def follow_session(
    request: Request,
    server: TheServer,
    key: TheKey,
    session_id: str,
    last_event_id: LastEventId = None,
):
    """Listens to the turn that runs, or goes on after an event; begins nothing."""
    if last_event_id:
        return await _resume(request, server, key, session_id, last_event_id)
    await sessions.find(server, key, session_id)
    turn = server.turns.of_session(session_id)
    if turn is None:
        raise not_found("turn that runs")
    return await _follow(request, server, turn)


@app.post("/sessions/{session_id}/interrupt", response_model=Done)
async def interrupt(server: TheServer, key: TheKey, session_id: str):
    """Asks the agent to stop, and ends it if it does not within two seconds."""
    await sessions.find(server, key, session_id)
    turn = server.turns.of_session(session_id)
    if turn is None:
        raise not_found("turn that runs")
    await server.turns.interrupt(turn)
    return Done()


@app.post("/sessions/{session_id}/permissions/{request_id}", response_model=Done)
async def answer_permission(
    server: TheServer, key: TheKey, session_id: str, request_id: str, asked: Answer
):
    """Answers a `permission` event, once."""
    await sessions.find(server, key, session_id)
    turn = server.turns.of_session(session_id)
    server.turns.answer(turn, request_id, asked.decision == "allow", asked.message)
    return Done()


@app.get("/health")
async def get_health(server: TheServer):
    """200 only when turns can run; says what is missing otherwise. Needs no key."""
    well, report = await health.check(server)
    return JSONResponse(report, 200 if well else 503)


@app.get("/metrics", response_class=PlainTextResponse)
async def metrics(server: TheServer, key: TheKey):
    """Numbers for Prometheus; needs a key that is an admin's."""
    if not key.admin:
        raise ApiError(403, "not_admin", "the key is none of an admin's")
    turns = server.turns
    return PlainTextResponse(turns.metrics.text(turns.at_work, turns.queue.waiting))


app.router.add_websocket_route("/ws", websocket.endpoint)
