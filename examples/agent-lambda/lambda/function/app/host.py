"""The Node.js half: ../src/host.ts, built to ../dist."""

from typing import Any

from amphis import node


async def load() -> Any:
    return await node.import_module("../dist/host.js")
