"""The processes of an agent: its program and whatever that has started, wherever it has put it.

They are known by a variable that each inherits. Where there is no /proc (macOS) nothing is found, and the SDKs end
their child alone.
"""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

VARIABLE = "AGENT_TURN"


def find(turn_id: str) -> list[int]:
    """Those of a turn; of all turns of a server, where `turn_id` is what their ids begin with."""
    marker = f"{VARIABLE}={turn_id}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            variables = (entry / "environ").read_bytes().split(b"\0")
            if any(variable.startswith(marker) for variable in variables):
                found.append(int(entry.name))
    return found


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


async def end(turn_id: str, patience: float = 0.4) -> None:
    """Ends them: by SIGTERM, and by SIGKILL what is still there after some seconds."""
    pids = await asyncio.to_thread(find, turn_id)
    _send(pids, signal.SIGTERM)
    deadline = asyncio.get_running_loop().time() + patience
    while pids and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
        pids = await asyncio.to_thread(find, turn_id)
    while pids:
        _send(pids, signal.SIGKILL)
        await asyncio.sleep(0.05)
        pids = await asyncio.to_thread(find, turn_id)
