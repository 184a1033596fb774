"""Turns: each is a prompt and what the agent makes of it, from the queue to the last event."""

import asyncio
import logging
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, contextmanager, suppress
from typing import Any

from . import processes
from .agents import AGENTS, Task
from .database import Database, events, sessions, turns
from .errors import ApiError, not_found
from .events import PASSING, Event, Log
from .keys import Key, Keys
from .metrics import Metrics
from .policy import Tools
from .queue import FairQueue
from .settings import Settings
from .turn import Outcome, Turn, outcome_of
from .webhooks import Webhooks

logger = logging.getLogger("agents")

#: Seconds that an ended turn is kept here, with all of its events.
KEPT = 60
#: Seconds until what could not be written is tried again.
AGAIN = 2


class Turns:
    """All turns of a server."""

    PREFIX = "turn-"

    def __init__(self, settings: Settings, database: Database, keys: Keys, host: Any, program: str):
        self._settings = settings
        self._database = database
        self._keys = keys
        self._host = host
        self._program = program
        self._turns: dict[str, Turn] = {}
        self._background: set[asyncio.Task] = set()
        self._stopping = False
        self.queue = FairQueue(settings.max_running, settings.max_queued)
        self.metrics = Metrics()
        self.webhooks = Webhooks(settings)

    @property
    def running(self) -> list[Turn]:
        return [turn for turn in self._turns.values() if not turn.log.ended]

    @property
    def at_work(self) -> int:
        """How many have a place, and with it an agent."""
        return sum(turn.status == "running" for turn in self.running)

    def of_session(self, session_id: str) -> Turn | None:
        """The turn of a session that has not ended."""
        return next((turn for turn in self.running if turn.session["id"] == session_id), None)

    def find(self, turn_id: str, key: Key) -> Turn | None:
        """One that runs or has just ended, of this key."""
        turn = self._turns.get(turn_id)
        return turn if turn and turn.key.id == key.id else None

    async def start(
        self,
        key: Key,
        session: dict,
        prompt: str,
        *,
        sdk: str,
        tools: Tools,
        max_rounds: int,
        detached: bool,
    ) -> Turn:
        """Puts a turn into the queue."""
        if self._stopping:
            raise ApiError(503, "stopping", "the server stops", {"retry-after": "5"})
        if not self._settings.token:
            message = "the server has no token for the Messages API: see docs/AUTHENTICATION.md"
            raise ApiError(503, "no_token", message)
        if self.of_session(session["id"]):
            raise ApiError(
                409,
                "session_busy",
                "a turn of this session is running; wait for it, or interrupt it",
            )
        self.queue.check()
        id = f"{self.PREFIX}{self._settings.instance}-{secrets.token_hex(12)}"
        turn = Turn(
            id, key, session, sdk, prompt, tools, max_rounds, detached, Log(id), time.time()
        )
        # Here before anything is awaited: a second turn of the session finds it.
        self._turns[id] = turn
        try:
            await self._keys.check_limits(key)
            kept = "" if session["one_off"] else prompt
            row = {
                "id": id,
                "session_id": session["id"],
                "key_id": key.id,
                "sdk": sdk,
                "prompt": kept,
            }
            await self._database.add(turns, {**row, "status": "queued", "started": turn.started})
        except BaseException:
            del self._turns[id]
            raise
        turn.log.add("turn", turn_id=id, session_id=session["id"], sdk=sdk)
        turn.runner = self._spawn(self._run(turn))
        shown = prompt if self._settings.log_content else f"{len(prompt)} characters"
        logger.info("turn %s of %s begins by %s: %s", id, session["id"], sdk, shown)
        return turn

    def _spawn(self, work) -> asyncio.Task:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    # A turn from its place in the queue to its end.

    async def _run(self, turn: Turn) -> None:
        try:
            await self.queue.enter(
                turn.key.id, lambda waiting: turn.log.add("queued", position=waiting)
            )
        except asyncio.CancelledError:
            # Stopped while it waited; `stop` has said why.
            await self._end(turn)
            return
        try:
            await self._work(turn)
        except ApiError as error:
            turn.outcome = turn.outcome or Outcome("failed", error.code, error.message)
        except Exception as error:
            logger.debug("turn %s", turn.id, exc_info=True)
            turn.outcome = turn.outcome or Outcome(
                "failed", "agent_failed", f"the agent has failed: {error}"[:1000]
            )
        finally:
            await processes.end(turn.id)
            if turn.admission:
                await turn.admission["release"]()
            self.queue.leave()
        await self._end(turn)

    async def _work(self, turn: Turn) -> None:
        left = await self._keys.check_limits(turn.key)
        turn.status, turn.began = "running", time.time()
        await self._database.change(turns, turn.id, status="running")
        turn.admission = await self._host.admit()
        options = turn.session["options"]
        task = Task(
            turn_id=turn.id,
            prompt=turn.prompt,
            conversation=turn.session["conversation"],
            folder=self.folder(turn.session["id"]),
            model=options.get("model"),
            system_prompt=options.get("system_prompt"),
            tools=turn.tools,
            max_rounds=turn.max_rounds,
            max_usd=left.get("usd"),
            retries=self._settings.retries,
            permission_seconds=self._settings.permission_seconds,
            env=turn.admission["env"],
            program=self._program,
        )
        await asyncio.to_thread(task.prepare)
        turn.agent = AGENTS[turn.sdk](task, lambda tool, asked: self._decide(turn, tool, asked))
        seconds = min(self._settings.turn_seconds, left.get("seconds", float("inf")))
        limit = Outcome("limited", "limit_seconds", f"the turn took more than {seconds:g} seconds")
        timer = asyncio.get_running_loop().call_later(seconds, lambda: self.stop(turn, limit))
        try:
            await self._listen(turn, left.get("tokens"))
        finally:
            timer.cancel()

    async def _listen(self, turn: Turn, most_tokens: float | None) -> None:
        async with aclosing(turn.agent.run()) as said:
            async for type, data in said:
                if type == "result":
                    turn.result = data
                    turn.outcome = turn.outcome or outcome_of(data)
                    continue
                event = turn.log.add(type, **data)
                if type not in PASSING:
                    await self._keep(turn, event)
                if type == "assistant" and most_tokens is not None:
                    usage = data["usage"] or {}
                    turn.tokens += (usage.get("input_tokens") or 0) + (
                        usage.get("output_tokens") or 0
                    )
                    if turn.tokens > most_tokens:
                        message = f"the key may use {most_tokens:g} more tokens in these 24 hours"
                        self.stop(turn, Outcome("limited", "limit_tokens", message))
        if not turn.outcome:
            turn.outcome = Outcome("failed", "agent_failed", "the agent has ended without a result")

    async def _keep(self, turn: Turn, event: Event) -> None:
        """Writes an event down; what cannot be written ends the turn, for its history would have a hole."""
        if turn.session["one_off"]:
            return
        row = {"turn_id": turn.id, "number": event.number, "type": event.type, "data": event.data}
        try:
            await self._database.add(events, row)
        except ApiError as error:
            self.stop(turn, Outcome("failed", error.code, error.message))

    async def _end(self, turn: Turn) -> None:
        turn.outcome = turn.outcome or Outcome("stopped", "stopped", "the turn was stopped")
        turn.status = turn.outcome.status
        for question in turn.pending.values():
            question.cancel()
        summary = turn.summary()
        # Written before anybody knows: whoever has seen the end finds it in the history, and may go on.
        event = turn.log.last("done", **summary)
        if turn.session["one_off"]:
            await asyncio.to_thread(
                shutil.rmtree, self.folder(turn.session["id"]), ignore_errors=True
            )
        try:
            await self._write_end(turn, event)
        except ApiError:
            self._spawn(self._write_later(turn, event))
        turn.log.end()
        self.metrics.ended(summary)
        shown = turn.text if self._settings.log_content else f"{len(turn.text or '')} characters"
        logger.info("turn %s %s in %.1f s: %s", turn.id, turn.status, summary["seconds"], shown)
        if url := turn.session["options"].get("webhook_url"):
            self._spawn(self.webhooks.send(url, "turn.done", summary))
        asyncio.get_running_loop().call_later(KEPT, lambda: self._forget(turn))

    def _forget(self, turn: Turn) -> None:
        """Forgets it, once it is written."""
        if turn.written or self._stopping:
            self._turns.pop(turn.id, None)
        else:
            asyncio.get_running_loop().call_later(KEPT, lambda: self._forget(turn))

    async def _write_end(self, turn: Turn, event: Event) -> None:
        summary = event.data
        used = summary["usage"]
        # What the turn has really used stands in its result; without one it is what was counted.
        tokens = sum(used.values()) or turn.tokens
        one_off = turn.session["one_off"]
        if not one_off:
            row = {
                "turn_id": turn.id,
                "number": event.number,
                "type": event.type,
                "data": event.data,
            }
            await self._database.add(events, row)
        await self._database.change(
            turns,
            turn.id,
            status=turn.status,
            error=summary["error"],
            text=None if one_off else turn.text,
            usage=used,
            tokens=tokens,
            cost_usd=summary["cost_usd"],
            seconds=summary["seconds"],
            ended=time.time(),
        )
        if one_off:
            await self._database.delete_session(turn.session["id"])
        else:
            await self._database.change(sessions, turn.session["id"], updated=time.time())
        turn.written = True

    async def _write_later(self, turn: Turn, event: Event) -> None:
        """The database is locked or full: history gets its end once it is not."""
        while not self._stopping:
            await asyncio.sleep(AGAIN)
            with suppress(ApiError):
                await self._write_end(turn, event)
                return

    # What clients do to a turn that runs.

    @contextmanager
    def listening(self, turn: Turn):
        """While a client listens; when the last one has gone, the turn ends soon, unless it is detached."""
        turn.followers += 1
        try:
            yield
        finally:
            turn.followers -= 1
            if turn.followers == 0 and not turn.detached and not turn.log.ended:
                seconds = self._settings.reconnect_seconds
                asyncio.get_running_loop().call_later(seconds, lambda: self._check_followers(turn))

    def _check_followers(self, turn: Turn) -> None:
        if turn.followers == 0 and not turn.log.ended:
            self.stop(turn, Outcome("stopped", "client_gone", "nobody listened any more"))

    async def follow(self, turn: Turn, after: int = 0) -> AsyncIterator[Event]:
        with self.listening(turn):
            async for event in turn.log.follow(after):
                yield event

    async def _decide(self, turn: Turn, tool: str, asked: dict) -> tuple[bool, str]:
        verdict = turn.tools.verdict(tool)
        if verdict == "allow":
            return True, "allowed by the request"
        if verdict == "deny":
            await self._keep(turn, turn.log.add("tool_denied", tool=tool, by="policy"))
            return False, f"the tool {tool} is not allowed here"
        request_id = secrets.token_urlsafe(18)
        answer: asyncio.Future = asyncio.get_running_loop().create_future()
        turn.pending[request_id] = answer
        seconds = self._settings.permission_seconds
        question = {"request_id": request_id, "tool": tool, "input": asked, "seconds": seconds}
        await self._keep(turn, turn.log.add("permission", **question))
        try:
            allow, message = await asyncio.wait_for(answer, seconds)
            by = "client"
        except asyncio.TimeoutError:
            allow, message, by = False, f"nobody answered within {seconds:g} seconds", "timeout"
        except asyncio.CancelledError:
            if not answer.cancelled():
                raise
            allow, message, by = False, "the turn has ended", "end"
        finally:
            turn.pending.pop(request_id, None)
        decided = {"request_id": request_id, "allow": allow, "by": by}
        if not turn.log.ended:
            await self._keep(turn, turn.log.add("permission_decided", **decided))
        return allow, message

    def answer(self, turn: Turn | None, request_id: str, allow: bool, message: str) -> None:
        """The one answer to a question; a second one finds no question."""
        question = turn.pending.pop(request_id, None) if turn else None
        if question is None or question.done():
            raise not_found("permission request, or it is decided")
        question.set_result((allow, message))

    async def interrupt(self, turn: Turn) -> None:
        """Asks the agent to stop; ends it if it does not."""
        outcome = Outcome("interrupted", "interrupted", "a client has interrupted the turn")
        if turn.agent is None or turn.status == "queued":
            self.stop(turn, outcome)
            return
        turn.outcome = turn.outcome or outcome
        with suppress(Exception):
            await asyncio.wait_for(asyncio.shield(self._spawn(turn.agent.interrupt())), 1)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(turn.runner), 2)
            return
        self.stop(turn, outcome)

    def stop(self, turn: Turn, outcome: Outcome) -> asyncio.Task | None:
        """Ends a turn now, with all of its processes."""
        turn.outcome = turn.outcome or outcome
        if turn.log.ended or turn.runner is None:
            return None
        if turn.status == "queued":
            turn.runner.cancel()
            return turn.runner
        return self._spawn(self._kill(turn))

    async def _kill(self, turn: Turn) -> None:
        for question in turn.pending.values():
            question.cancel()
        if turn.admission:
            await turn.admission["release"]()
        # The program may not have started yet: until the turn is over, what there is of it is ended.
        while not turn.runner.done():
            await processes.end(turn.id)
            if turn.agent:
                await turn.agent.abort()
            await asyncio.wait([turn.runner], timeout=0.1)

    async def stop_all(self) -> None:
        """Ends all turns: the server stops."""
        self._stopping = True
        outcome = Outcome("stopped", "server_stopped", "the server was stopped during this turn")
        runners = [turn.runner for turn in self.running if turn.runner]
        for turn in self.running:
            self.stop(turn, outcome)
        if runners:
            await asyncio.wait(runners, timeout=5)

    def folder(self, session_id: str):
        return self._settings.data / "sessions" / session_id
