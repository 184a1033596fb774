"""API keys: made once, shown once, kept as a hash, each with limits of its own.

As a program: `npx amphis run -m server.keys add NAME [--usd 5 …]`, `list`, `revoke ID`.
"""

import hashlib
import secrets
import time
from dataclasses import dataclass, field

from sqlalchemy import func, select

from .database import Database, keys
from .errors import ApiError
from .settings import Settings

PREFIX = "agent-"
LIMITS = ("turns", "seconds", "tokens", "usd")


@dataclass
class Key:
    id: str
    name: str
    admin: bool
    #: What it may use in 24 hours.
    limits: dict[str, float]
    #: Requests that it may make at once, and when that was counted.
    allowance: float = field(default=0, compare=False)
    counted: float = field(default=0, compare=False)


def digest(key: str) -> str:
    """A key has 256 bits of chance: a plain hash is enough, there is nothing to guess."""
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    """The keys of a server."""

    def __init__(self, database: Database, settings: Settings):
        self._database = database
        self._settings = settings
        self._known: dict[str, Key] = {}
        #: The key that the first start has made, until it is shown.
        self.first: str | None = None

    async def open(self) -> None:
        """Takes those of API_KEYS; where there is none at all, makes one."""
        for number, text in enumerate(self._settings.api_keys):
            if len(text) < 16:
                raise SystemExit("a key of API_KEYS is shorter than 16 characters")
            if not await self._database.first(select(keys).where(keys.c.hash == digest(text))):
                await self._insert(text, f"API_KEYS {number + 1}", {}, admin=True)
        active = await self.count()
        if active == 0:
            self.first = await self.add("first", admin=True)
        self._check_token(active)

    def _check_token(self, count: int) -> None:
        if count > 1 and self._settings.token == "oauth":
            raise SystemExit(
                f"there are {count} API keys and CLAUDE_CODE_OAUTH_TOKEN, which is for its owner's own use: "
                "set ANTHROPIC_API_KEY, or revoke all keys but one"
            )

    async def count(self) -> int:
        query = select(func.count().label("count")).where(keys.c.revoked.is_(None))
        return (await self._database.all(query))[0]["count"]

    async def _insert(self, text: str, name: str, limits: dict, *, admin: bool) -> None:
        row = {"id": secrets.token_hex(8), "name": name, "hash": digest(text), "admin": int(admin)}
        await self._database.add(keys, {**row, "limits": limits, "created": time.time()})

    async def add(self, name: str, limits: dict | None = None, *, admin: bool = False) -> str:
        """Makes a key; what it returns is nowhere else."""
        self._check_token(await self.count() + 1)
        text = PREFIX + secrets.token_urlsafe(32)
        await self._insert(text, name, limits or {}, admin=admin)
        return text

    async def list(self) -> list[dict]:
        named = (
            keys.c.id,
            keys.c.name,
            keys.c.admin,
            keys.c.limits,
            keys.c.created,
            keys.c.revoked,
        )
        return await self._database.all(select(*named).order_by(keys.c.created))

    async def revoke(self, id: str) -> None:
        await self._database.change(keys, id, revoked=time.time())

    async def find(self, text: str | None) -> Key:
        """The key of a request; counts the request."""
        if not text:
            message = "an API key is needed: Authorization: Bearer agent-…"
            raise ApiError(401, "no_key", message, {"www-authenticate": "Bearer"})
        hashed = digest(text)
        row = await self._database.first(
            select(keys).where(keys.c.hash == hashed, keys.c.revoked.is_(None))
        )
        if row is None:
            raise ApiError(
                401, "wrong_key", "the API key is not known", {"www-authenticate": "Bearer"}
            )
        key = self._known.setdefault(hashed, Key(row["id"], row["name"], bool(row["admin"]), {}))
        settings = self._settings
        defaults = {name: getattr(settings, f"day_{name}") for name in LIMITS}
        key.limits = {**defaults, **row["limits"]}
        self._count(key)
        return key

    def _count(self, key: Key) -> None:
        """A bucket of tokens: a minute's worth at once, filled again as time goes by."""
        now, most = time.monotonic(), self._settings.rate_limit
        filled = (now - key.counted) * most / 60
        key.allowance = most if key.counted == 0 else min(most, key.allowance + filled)
        key.counted = now
        if key.allowance < 1:
            wait = max(1, round((1 - key.allowance) * 60 / most))
            message = f"more than {most:g} requests a minute"
            raise ApiError(429, "rate_limit", message, {"retry-after": str(wait)})
        key.allowance -= 1

    async def check_limits(self, key: Key) -> dict[str, float]:
        """What is left to a key today, by what is limited; refuses where nothing is."""
        used = await self._database.used(key.id, time.time() - 86_400)
        left = {}
        for name in LIMITS:
            most = key.limits.get(name) or 0
            if most <= 0:
                continue
            left[name] = most - used[name]
            if left[name] <= 0:
                message = f"the key has used {used[name]:g} {name} in 24 hours; it may use {most:g}"
                raise ApiError(429, f"limit_{name}", message, {"retry-after": "3600"})
        return left


async def _main(arguments: list[str]) -> None:
    import argparse

    from . import settings as settings_module

    parser = argparse.ArgumentParser(prog="server.keys")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="make a key; it is printed once")
    add.add_argument("name")
    add.add_argument("--admin", action="store_true", help="may read /metrics")
    for name in LIMITS:
        add.add_argument(f"--{name}", type=float, help=f"{name} in 24 hours")
    commands.add_parser("list")
    commands.add_parser("revoke").add_argument("id")
    asked = parser.parse_args(arguments)
    settings = await settings_module.read()
    database = Database(settings.database_url)
    await database.open()
    store = Keys(database, settings)
    if asked.command == "add":
        limits = {name: getattr(asked, name) for name in LIMITS if getattr(asked, name)}
        print(await store.add(asked.name, limits, admin=asked.admin))
    elif asked.command == "list":
        for row in await store.list():
            print(row["id"], row["name"], row["limits"], "revoked" if row["revoked"] else "")
    else:
        await store.revoke(asked.id)
    await database.close()


if __name__ == "__main__":
    import asyncio
    import sys

    asyncio.run(_main(sys.argv[1:]))
