"""Sessions: conversations that are kept, each of one API key."""

import asyncio
import secrets
import shutil
import time
import uuid

from sqlalchemy import and_, or_, select

from .database import events, sessions, turns
from .errors import ApiError, not_found
from .events import Event, Log, event_id, parse_event_id
from .keys import Key
from .lifecycle import Server
from .models import NewMessage, NewSession, Query
from .policy import Tools
from .turns import Outcome, Turn

PAGE = 50


async def create(server: Server, key: Key, asked: NewSession | Query) -> dict:
    asked.tools.checked(server.settings.allowed_tools)
    options = {
        "model": asked.model,
        "system_prompt": asked.system_prompt,
        "tools": asked.tools.model_dump(),
        "webhook_url": getattr(asked, "webhook_url", None),
    }
    if options["webhook_url"]:
        server.turns.webhooks.check(options["webhook_url"])
    now = time.time()
    row = {
        "id": f"session-{secrets.token_hex(16)}",
        "key_id": key.id,
        "sdk": asked.sdk,
        "conversation": str(uuid.uuid4()),
        "options": options,
        "title": getattr(asked, "title", ""),
        "one_off": int(isinstance(asked, Query)),
        "created": now,
        "updated": now,
    }
    await server.database.add(sessions, row)
    return row


async def find(server: Server, key: Key, id: str) -> dict:
    """Only of this key: those of others are not there."""
    mine = and_(sessions.c.id == id, sessions.c.key_id == key.id, sessions.c.one_off == 0)
    row = await server.database.first(select(sessions).where(mine))
    if row is None:
        raise not_found("session")
    return row


def shown(server: Server, row: dict) -> dict:
    names = ("id", "sdk", "title", "created", "updated")
    running = server.turns.of_session(row["id"]) is not None
    return {**{name: row[name] for name in names}, **row["options"], "running": running}


async def listed(server: Server, key: Key, before: str | None) -> dict:
    mine = select(sessions).where(sessions.c.key_id == key.id, sessions.c.one_off == 0)
    if before:
        at = await find(server, key, before)
        older = sessions.c.updated < at["updated"]
        same = and_(sessions.c.updated == at["updated"], sessions.c.id < at["id"])
        mine = mine.where(or_(older, same))
    order = mine.order_by(sessions.c.updated.desc(), sessions.c.id.desc()).limit(PAGE + 1)
    rows = await server.database.all(order)
    page = [shown(server, row) for row in rows[:PAGE]]
    return {"sessions": page, "next": page[-1]["id"] if len(rows) > PAGE else None}


async def history(server: Server, key: Key, id: str) -> dict:
    row = await find(server, key, id)
    of_it = await server.database.all(
        select(turns).where(turns.c.session_id == id).order_by(turns.c.started)
    )
    ids = [turn["id"] for turn in of_it]
    said = (
        select(events).where(events.c.turn_id.in_(ids)).order_by(events.c.turn_id, events.c.number)
    )
    by_turn: dict[str, list[dict]] = {}
    for event in await server.database.all(said):
        name = event_id(event["turn_id"], event["number"])
        by_turn.setdefault(event["turn_id"], []).append({**event, "id": name})
    return {
        **shown(server, row),
        "turns": [{**turn, "events": by_turn.get(turn["id"], [])} for turn in of_it],
    }


async def remove(server: Server, key: Key, id: str) -> None:
    row = await find(server, key, id)
    if turn := server.turns.of_session(id):
        server.turns.stop(turn, Outcome("stopped", "session_deleted", "the session was deleted"))
        await asyncio.wait([turn.runner], timeout=5)
    await server.database.delete_session(row["id"])
    await asyncio.to_thread(shutil.rmtree, server.turns.folder(id), ignore_errors=True)


async def message(server: Server, key: Key, id: str, asked: NewMessage) -> Turn:
    row = await find(server, key, id)
    tools = (asked.tools or Tools(**row["options"]["tools"])).checked(server.settings.allowed_tools)
    return await server.turns.start(
        key,
        row,
        asked.prompt,
        sdk=asked.sdk or row["sdk"],
        tools=tools,
        max_rounds=min(asked.max_rounds, server.settings.turn_rounds),
        detached=asked.detached,
    )


async def query(server: Server, key: Key, asked: Query) -> Turn:
    server.turns.queue.check()
    row = await create(server, key, asked)
    try:
        return await server.turns.start(
            key,
            row,
            asked.prompt,
            sdk=asked.sdk,
            tools=asked.tools,
            max_rounds=min(asked.max_rounds, server.settings.turn_rounds),
            detached=False,
        )
    except ApiError:
        await server.database.delete_session(row["id"])
        raise


async def resumed(
    server: Server, key: Key, session_id: str | None, last: str
) -> tuple[Turn | None, Log, int]:
    """The turn of a `Last-Event-ID`, and the number after which to go on: from the database once it is over."""
    parsed = parse_event_id(last)
    if parsed is None:
        raise ApiError(400, "event_id", "Last-Event-ID is none of this server's")
    turn_id, number = parsed
    turn = server.turns.find(turn_id, key)
    if turn and (session_id is None or turn.session["id"] == session_id):
        return turn, turn.log, number
    if session_id is None:
        raise not_found("turn, or it has been over for a while")
    kept = select(turns).where(
        turns.c.id == turn_id, turns.c.session_id == session_id, turns.c.key_id == key.id
    )
    if await server.database.first(kept) is None:
        raise not_found("turn")
    said = select(events).where(events.c.turn_id == turn_id).order_by(events.c.number)
    rows = await server.database.all(said)
    log = Log(turn_id, [Event(row["number"], row["type"], row["data"]) for row in rows], ended=True)
    return None, log, number
