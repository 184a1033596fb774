"""The parts of a running server, and what the Node.js half (main.mjs) asks at its start and its end."""

import asyncio
import importlib
import logging
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from amphis import node
from sqlalchemy import select

from . import processes
from . import settings as settings_module
from .database import Database, sessions
from .errors import ApiError
from .keys import Keys
from .settings import Settings
from .turns import Turns

logger = logging.getLogger("agents")


@dataclass
class Server:
    settings: Settings
    database: Database
    keys: Keys
    turns: Turns
    host: Any


_server: Server | None = None


def server() -> Server:
    if _server is None:
        raise RuntimeError("the server has not started")
    return _server


async def start() -> None:
    global _server
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stdout
    )
    for noisy in ("httpx", "httpcore", "claude_agent_sdk", "mcp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    settings_module.hide_memory()
    settings = await settings_module.read()
    host = await node.import_module("../agent/host.mjs")
    database = Database(settings.database_url)
    try:
        await database.open(settings.database_seconds)
    except ApiError as error:
        raise SystemExit(f"DATABASE_URL: {error.message} ({error.__cause__})") from None
    cut_off = await database.mark_cut_off()
    if cut_off:
        logger.warning("%d turns were cut off when the server ended last", cut_off)
    keys = Keys(database, settings)
    await keys.open()
    # It takes a second, in which nothing else would go on.
    with suppress(ImportError):
        await asyncio.to_thread(importlib.import_module, "claude_agent_sdk")
    # Reported by /health; without it no turn is begun, but everything else is there.
    try:
        program = await host.program()
    except Exception as error:
        logger.error("%s", error)
        program = ""
    _server = Server(settings, database, keys, Turns(settings, database, keys, host, program), host)
    # Left by a server that was killed.
    await processes.end(f"{Turns.PREFIX}{settings.instance}-")
    await _remove_orphans()


async def _remove_orphans() -> None:
    """Folders of sessions that are not in the database: of one-off queries that were cut off."""
    there = server().settings.data / "sessions"
    if not there.is_dir():
        return
    for row in await server().database.all(select(sessions.c.id).where(sessions.c.one_off == 1)):
        await server().database.delete_session(row["id"])
    known = {row["id"] for row in await server().database.all(select(sessions.c.id))}
    for folder in there.iterdir():
        if folder.name not in known:
            shutil.rmtree(folder, ignore_errors=True)


async def end() -> None:
    global _server
    if _server is None:
        return
    await _server.turns.stop_all()
    await _server.database.close()
    _server = None


async def stop_turns() -> None:
    """Ends what runs, so that streams and requests end."""
    if _server is not None:
        await _server.turns.stop_all()


async def announce(url: str) -> str:
    """What is printed at the start; a key that was just made is in it, this once."""
    settings, keys = server().settings, server().keys
    lines = ["", f"  Agent server ready: {url}", ""]
    if not settings.token:
        lines.append("  No token: set ANTHROPIC_API_KEY (docs/AUTHENTICATION.md).")
    if keys.first:
        lines.append(f"  API key, shown this once: {keys.first}")
        lines.append(f"  Page: {url}/#key={keys.first}")
        keys.first = None
    lines.append(f"  {settings.max_running} turns at a time; data in {settings.data}")
    return "\n".join([*lines, ""])
