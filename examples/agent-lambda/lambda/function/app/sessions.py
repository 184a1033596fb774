"""Sessions: whose they are, where they are kept, and that no two turns write one."""

import asyncio
import logging
import secrets
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amphis import JavaScriptError

from . import archive
from .errors import ApiError
from .settings import Settings

#: Longer than Lambda's longest invocation: whoever had a lease for so long is gone.
LEASE_SECONDS = 16 * 60

log = logging.getLogger("agent-lambda")


@dataclass
class Session:
    """One, while a turn works on it."""

    id: str
    owner: str
    folder: Path
    #: Of the zip that was read; `None` for a new session.
    etag: str | None = None

    @property
    def key(self) -> str:
        return f"{self.id}.zip"

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def conversation(self) -> str:
        """Its name with the agent, which takes UUIDs only."""
        return str(uuid.UUID(hex=self.id.removeprefix("session-"), version=4))

    def make_folders(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("config", "work", "tmp"):
            (self.folder / name).mkdir(parents=True, mode=0o700)


class Sessions:
    """Those in the bucket."""

    def __init__(self, host: Any, settings: Settings):
        self._host = host
        self._settings = settings

    @asynccontextmanager
    async def open(self, session_id: str | None, owner: str) -> AsyncIterator[Session]:
        """A session with its files in its folder, for one turn.

        Raises:
            ApiError: 404 it is unknown or somebody else's, 409 another turn is under way, 413 it is too large,
                422 what is kept is no session, 503 the bucket does not answer
        """
        if session_id is None:
            session_id = f"session-{secrets.token_hex(16)}"
            session = Session(session_id, owner, self._settings.root / session_id)
            await asyncio.to_thread(session.make_folders)
            try:
                yield session
            finally:
                await asyncio.to_thread(shutil.rmtree, session.folder, True)
            return
        await self._find(session_id, owner)
        lease = await self._ask(self._host.claim(session_id, LEASE_SECONDS))
        if lease is None:
            raise ApiError(409, "another turn of this session is under way", session_id)
        session = Session(session_id, owner, self._settings.root / session_id)
        try:
            await self._restore(session)
            yield session
        finally:
            await asyncio.to_thread(shutil.rmtree, session.folder, True)
            await self._release(session_id, lease)

    async def _find(self, session_id: str, owner: str) -> None:
        seen = await self._ask(self._host.look(f"{session_id}.zip"))
        # Whoever guesses does not learn that a session is there.
        if seen is None or seen["metadata"].get("owner") != owner:
            raise ApiError(404, "there is no such session", session_id)
        most = self._settings.session_bytes
        if seen["size"] > most:
            message = f"the session has {seen['size']} bytes, of {most} at most"
            raise ApiError(413, message, session_id)

    async def _restore(self, session: Session) -> None:
        kept = await self._ask(self._host.read(session.key))
        if kept is None or kept["metadata"].get("owner") != session.owner:
            raise ApiError(404, "there is no such session", session.id)
        session.etag = kept["etag"]
        await asyncio.to_thread(session.make_folders)
        try:
            await asyncio.to_thread(archive.unpack, kept["bytes"], session.config)
        except archive.ArchiveError as error:
            message = f"what is kept of the session is refused, and left as it is: {error}"
            raise ApiError(422, message, session.id) from error

    async def keep(self, session: Session) -> str:
        """Writes what the turn has made of a session.

        Returns:
            Where it is.

        Raises:
            ApiError: the session is as it was before the turn, and the answer says so
        """
        known = session.id if session.etag else None
        try:
            packed, said = await asyncio.to_thread(archive.pack, session.config)
        except archive.TooLarge as error:
            raise ApiError(413, f"this turn was not kept: {error}", known) from error
        if len(packed) > self._settings.session_bytes:
            most = self._settings.session_bytes
            message = (
                f"this turn was not kept: the session has {len(packed)} bytes, of {most} at most"
            )
            raise ApiError(413, message, known)
        metadata = {**said, "owner": session.owner}
        try:
            tag = await self._host.write(session.key, packed, session.etag, metadata)
        except JavaScriptError as error:
            raise ApiError(
                503, f"the agent has answered, but the session was not kept: {error.message}", known
            ) from error
        if tag is None:
            raise ApiError(
                409, "this turn was not kept: another one has written the session", known
            )
        return await self._host.urlOf(session.key)

    async def _release(self, session_id: str, lease: str) -> None:
        try:
            await self._host.release(session_id, lease)
        except JavaScriptError as error:
            log.error(
                "%s cannot be gone on with for %s s: %s", session_id, LEASE_SECONDS, error.message
            )

    async def _ask(self, call: Any) -> Any:
        try:
            return await call
        except JavaScriptError as error:
            raise ApiError(503, f"the sessions cannot be reached: {error.message}") from error
