"""A turn that runs, waits, or has just ended, and how it has."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from .events import Log
from .keys import Key
from .policy import Tools


@dataclass
class Outcome:
    #: 'completed', 'interrupted', 'limited', 'failed', 'stopped'
    status: str
    code: str = ""
    message: str = ""

    @property
    def error(self) -> dict | None:
        return {"code": self.code, "message": self.message} if self.code else None


@dataclass(eq=False)
class Turn:
    """A turn that runs, waits, or has just ended."""

    id: str
    key: Key
    session: dict
    sdk: str
    prompt: str
    tools: Tools
    max_rounds: int
    #: Goes on when nobody listens.
    detached: bool
    log: Log
    started: float
    status: str = "queued"
    began: float = 0
    followers: int = 0
    tokens: int = 0
    #: Its end stands in the database.
    written: bool = False
    outcome: Outcome | None = None
    result: dict = field(default_factory=dict)
    #: Questions about tools that no client has answered.
    pending: dict[str, asyncio.Future] = field(default_factory=dict)
    agent: Any = None
    admission: Any = None
    runner: asyncio.Task | None = None

    @property
    def text(self) -> str | None:
        return self.result.get("result")

    def summary(self) -> dict:
        """Its last event, and what a client gets that did not ask for a stream."""
        usage = self.result.get("usage") or {}
        return {
            "turn_id": self.id,
            "session_id": None if self.session["one_off"] else self.session["id"],
            "sdk": self.sdk,
            "status": self.status,
            "text": self.text,
            "error": self.outcome.error if self.outcome else None,
            "usage": {
                "input_tokens": usage.get("input_tokens", 0),
                "output_tokens": usage.get("output_tokens", 0),
                "cache_read_input_tokens": usage.get("cache_read_input_tokens", 0),
                "cache_creation_input_tokens": usage.get("cache_creation_input_tokens", 0),
            },
            "cost_usd": self.result.get("total_cost_usd") or 0,
            "rounds": self.result.get("num_turns", 0),
            "seconds": round(time.time() - self.began, 3) if self.began else 0,
        }


def outcome_of(result: dict) -> Outcome:
    """How the agent's program says that it went."""
    subtype = result.get("subtype")
    if subtype == "error_max_turns":
        return Outcome("limited", "limit_rounds", "the agent has used up its rounds")
    if subtype == "error_max_budget_usd":
        return Outcome("limited", "limit_usd", "the key's money for these 24 hours is used up")
    if not result.get("is_error"):
        return Outcome("completed")
    status = result.get("api_error_status")
    codes = {401: "token_refused", 403: "token_refused", 429: "rate_limited", 529: "overloaded"}
    code = codes.get(status, "api_error" if status else "agent_failed")
    text = result.get("result") or "; ".join(result.get("errors") or []) or "the agent has failed"
    return Outcome("failed", code, text[:1000])
