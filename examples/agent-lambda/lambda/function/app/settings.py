"""The settings, from the environment and, what is secret in them, from the Node.js half."""

import ctypes
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """All of them; README.md has the table."""

    #: 'api-key' or 'iam'.
    access: str
    api_keys: tuple[str, ...] = field(repr=False)
    #: Whether there is a key of the Messages API. The key itself never comes here.
    has_key: bool
    #: For code of your own.
    supabase_url: str | None
    supabase_service_role_key: str | None = field(repr=False)
    #: Tools that the agent has.
    tools: tuple[str, ...]
    model: str | None
    rounds: int
    #: Where turns work. The same everywhere: the agent finds a conversation by its folder.
    root: Path
    #: Bytes of a session's zip.
    session_bytes: int
    #: Seconds before the end of an invocation at which the agent is stopped.
    margin: float


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _number(name: str, default: float) -> float:
    text = os.environ.get(name, "")
    try:
        return float(text) if text else default
    except ValueError:
        raise SystemExit(f"{name} is {text!r}, which is no number") from None


def allowed_origins() -> tuple[str, ...]:
    """Pages that browsers may ask from."""
    return _words(os.environ.get("ALLOWED_ORIGINS", ""))


def read(secret: dict[str, Any]) -> Settings:
    """Reads them; a wrong one ends the start with a line that names it."""
    access = os.environ.get("ACCESS") or "api-key"
    if access not in ("api-key", "iam"):
        raise SystemExit(f"ACCESS is {access!r}: it has to be 'api-key' or 'iam'")
    return Settings(
        access=access,
        api_keys=tuple(secret["apiKeys"]),
        has_key=secret["hasKey"],
        supabase_url=secret["supabaseUrl"],
        supabase_service_role_key=secret["supabaseServiceRoleKey"],
        tools=_words(os.environ.get("AGENT_TOOLS", "")),
        model=os.environ.get("AGENT_MODEL") or None,
        rounds=int(_number("AGENT_ROUNDS", 30)),
        root=Path(os.environ.get("AGENT_ROOT") or "/tmp/agent-lambda"),
        session_bytes=int(_number("SESSION_MEGABYTES", 32) * MEGABYTE),
        margin=_number("MARGIN_SECONDS", 10),
    )


def hide_memory() -> None:
    """Keeps the agent's commands, which have the same user, from the memory and the environment of this process."""
    if sys.platform == "linux":
        pr_set_dumpable = 4
        ctypes.CDLL(None).prctl(pr_set_dumpable, 0, 0, 0, 0)
