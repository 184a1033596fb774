"""What outlives the server, in SQLite or PostgreSQL: keys, sessions, their turns, and what happened in these."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from .errors import ApiError

metadata = MetaData()

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("admin", Integer, nullable=False, default=0),
    Column("limits", JSON, nullable=False),
    Column("created", Float, nullable=False),
    Column("revoked", Float),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("key_id", String(32), nullable=False, index=True),
    Column("sdk", String(16), nullable=False),
    #: The conversation's name for the agent's program.
    Column("conversation", String(36), nullable=False),
    Column("options", JSON, nullable=False),
    Column("title", String(200), nullable=False),
    Column("one_off", Integer, nullable=False, default=0),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
)

turns = Table(
    "turns",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("session_id", String(48), nullable=False, index=True),
    Column("key_id", String(32), nullable=False, index=True),
    Column("sdk", String(16), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("error", JSON),
    Column("text", Text),
    Column("usage", JSON),
    Column("tokens", Integer, nullable=False, default=0),
    Column("cost_usd", Float, nullable=False, default=0),
    Column("seconds", Float, nullable=False, default=0),
    Column("started", Float, nullable=False, index=True),
    Column("ended", Float),
)

events = Table(
    "events",
    metadata,
    Column("turn_id", String(48), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("type", String(32), nullable=False),
    Column("data", JSON, nullable=False),
)


def _storage_error(error: DBAPIError) -> ApiError:
    text = str(error.orig).lower()
    if "locked" in text or "busy" in text:
        message = "the database is locked by another program; try again"
        return ApiError(503, "database_locked", message, {"retry-after": "1"})
    if "full" in text or "no space" in text or "disk i/o" in text:
        return ApiError(507, "disk_full", "the disk of the database is full")
    return _unavailable()


def _unavailable() -> ApiError:
    message = "the database cannot be reached; try again"
    return ApiError(503, "database_unavailable", message, {"retry-after": "5"})


def _refusals(*, sqlite: bool) -> tuple[type[Exception], ...]:
    """What PostgreSQL says instead of a connection, while it starts or has too many: SQLAlchemy leaves it as it is."""
    if sqlite:
        return ()
    import asyncpg

    return (asyncpg.PostgresError, asyncpg.InterfaceError)


class Database:
    """Reads and writes; what the database refuses is an ApiError."""

    def __init__(self, url: str):
        sqlite = url.startswith("sqlite")
        # SQLite has one writer at a time: ours wait for each other here, and for other programs by its own time-out.
        self._writing = asyncio.Lock() if sqlite else nullcontext()
        self._refusals = _refusals(sqlite=sqlite)
        options: dict[str, Any] = {} if sqlite else {"pool_pre_ping": True}
        # The statement's parameters are prompts and answers: they are in no message of an error.
        self._engine = create_async_engine(url, hide_parameters=True, **options)
        if sqlite:

            @event.listens_for(self._engine.sync_engine, "connect")
            def prepare(connection, _record):
                cursor = connection.cursor()
                for pragma in ("busy_timeout=2000", "journal_mode=WAL", "synchronous=NORMAL"):
                    cursor.execute(f"PRAGMA {pragma}")
                cursor.close()

    @asynccontextmanager
    async def _begin(self, *, write: bool = True) -> AsyncIterator[AsyncConnection]:
        try:
            async with (
                self._writing if write else nullcontext(),
                self._engine.begin() as connection,
            ):
                yield connection
        except DBAPIError as error:
            raise _storage_error(error) from error
        except (OSError, *self._refusals) as error:
            raise _unavailable() from error

    async def open(self, seconds: float = 0) -> None:
        """Makes the tables where they are not there; so long it waits for a database that does not answer yet."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                async with self._begin() as connection:
                    await connection.run_sync(metadata.create_all)
                return
            except ApiError as error:
                if error.code != "database_unavailable" or time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(0.25)

    async def mark_cut_off(self) -> int:
        """Marks turns that ended with a server that was killed; says how many."""
        cut = {"code": "server_stopped", "message": "the server ended during this turn"}
        async with self._begin() as connection:
            running = turns.c.status.in_(("queued", "running"))
            marked = await connection.execute(
                update(turns).where(running).values(status="stopped", error=cut, ended=time.time())
            )
            return marked.rowcount

    async def close(self) -> None:
        await self._engine.dispose()

    async def ping(self) -> None:
        async with self._begin(write=False) as connection:
            await connection.execute(select(1))

    async def add(self, table: Table, *rows: dict) -> None:
        async with self._begin() as connection:
            await connection.execute(insert(table), list(rows))

    async def all(self, query) -> list[dict]:
        async with self._begin(write=False) as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def first(self, query) -> dict | None:
        rows = await self.all(query)
        return rows[0] if rows else None

    async def change(self, table: Table, id: str, **values) -> None:
        async with self._begin() as connection:
            await connection.execute(update(table).where(table.c.id == id).values(**values))

    async def delete_session(self, id: str) -> None:
        """Turns stay, without what was said, for what the key has used."""
        ids = select(turns.c.id).where(turns.c.session_id == id)
        async with self._begin() as connection:
            await connection.execute(delete(events).where(events.c.turn_id.in_(ids)))
            wiped = update(turns).where(turns.c.session_id == id)
            await connection.execute(wiped.values(prompt="", text=None, session_id=""))
            await connection.execute(delete(sessions).where(sessions.c.id == id))

    async def used(self, key_id: str, since: float) -> dict:
        """What a key has used since a time: turns, seconds, tokens, US dollars."""
        sums = (
            func.coalesce(func.sum(turns.c[name]), 0) for name in ("seconds", "tokens", "cost_usd")
        )
        row = (
            await self.all(
                select(func.count(), *sums).where(
                    turns.c.key_id == key_id, turns.c.started >= since
                )
            )
        )[0]
        counted = list(row.values())
        return dict(zip(("turns", "seconds", "tokens", "usd"), counted, strict=True))
