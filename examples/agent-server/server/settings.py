"""The server's settings, from the environment; what is secret in them comes over a pipe (scripts/start.sh)."""

import ctypes
import hashlib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from amphis import node

MEGABYTE = 1024 * 1024
#: What a running query takes, the agent's program in it: measured, see README.md.
QUERY_MEMORY = 190 * MEGABYTE
SERVER_MEMORY = 200 * MEGABYTE


def _words(name: str) -> list[str]:
    return os.environ.get(name, "").replace(",", " ").split()


def _number(name: str, default: float) -> float:
    text = os.environ.get(name, "")
    try:
        return float(text) if text else default
    except ValueError:
        raise SystemExit(f"{name} is {text!r}, which is no number") from None


@dataclass(frozen=True)
class Settings:
    """All of them; docs/DEPLOYMENT.md has the table."""

    data: Path
    database_url: str = field(repr=False)
    #: Seconds for the database to answer at the start.
    database_seconds: float
    #: 'api_key', 'oauth', or '' where there is none.
    token: str
    api_keys: tuple[str, ...] = field(repr=False)
    webhook_secret: str = field(repr=False)
    #: Tells turns of this folder of data from those of other servers on the machine.
    instance: str
    #: Tools that clients may name; '*' is all.
    allowed_tools: frozenset[str]
    allowed_origins: frozenset[str]
    webhook_private_hosts: frozenset[str]
    max_running: int
    max_queued: int
    turn_seconds: float
    turn_rounds: int
    permission_seconds: float
    reconnect_seconds: float
    retries: int
    #: Requests a minute and key.
    rate_limit: float
    log_content: bool
    #: What a key may use in 24 hours where it has no limits of its own; 0 is no limit.
    day_turns: float
    day_seconds: float
    day_tokens: float
    day_usd: float


def _memory() -> int:
    """Bytes that this process may use: those of its control group, if that has a limit."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            return min(total, int(text))
    return total


def running_at_most(memory: int) -> int:
    """How many queries fit into so many bytes, with a fifth to spare."""
    return max(1, min(64, int((memory * 0.8 - SERVER_MEMORY) // QUERY_MEMORY)))


def hide_memory() -> None:
    """Keeps processes of the same user, the agents' commands among them, from this one's memory and environment."""
    if sys.platform == "linux":
        pr_set_dumpable = 4
        ctypes.CDLL(None).prctl(pr_set_dumpable, 0, 0, 0, 0)


def _data_folder() -> Path:
    folder = Path(os.environ.get("DATA_DIR") or Path(__file__).parent.parent / "data").absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


async def read() -> Settings:
    """Reads them; a wrong one ends the start with a line that names it."""
    host = await node.import_module("../agent/host.mjs")
    secrets = await host.takeSecrets()
    data = _data_folder()
    return Settings(
        data=data,
        database_url=secrets.get("DATABASE_URL")
        or os.environ.get("DATABASE_URL")
        or f"sqlite+aiosqlite:///{data / 'agents.db'}",
        database_seconds=_number("DATABASE_SECONDS", 30),
        token=secrets.get("token", ""),
        api_keys=tuple(secrets.get("API_KEYS", "").replace(",", " ").split()),
        webhook_secret=secrets.get("WEBHOOK_SECRET", ""),
        instance=hashlib.sha256(str(data).encode()).hexdigest()[:8],
        allowed_tools=frozenset(_words("ALLOWED_TOOLS")),
        allowed_origins=frozenset(_words("ALLOWED_ORIGINS")),
        webhook_private_hosts=frozenset(_words("WEBHOOK_PRIVATE_HOSTS")),
        max_running=int(_number("MAX_RUNNING", running_at_most(_memory()))),
        max_queued=int(_number("MAX_QUEUED", 1000)),
        turn_seconds=_number("TURN_SECONDS", 600),
        turn_rounds=int(_number("TURN_ROUNDS", 50)),
        permission_seconds=_number("PERMISSION_SECONDS", 120),
        reconnect_seconds=_number("RECONNECT_SECONDS", 0.8),
        retries=int(_number("RETRIES", 5)),
        rate_limit=_number("RATE_LIMIT", 300),
        log_content=os.environ.get("LOG_CONTENT") == "1",
        day_turns=_number("DAY_TURNS", 0),
        day_seconds=_number("DAY_SECONDS", 0),
        day_tokens=_number("DAY_TOKENS", 0),
        day_usd=_number("DAY_USD", 0),
    )
