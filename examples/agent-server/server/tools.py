"""The server's own tools: functions of Python and of JavaScript, which an agent of either SDK may be offered.

In a request they are named `mcp__custom__NAME`. To add one, write a function and put it into the list.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from amphis import node

PREFIX = "mcp__custom__"


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    #: JSON Schema of the arguments.
    schema: dict
    #: Takes the arguments; what it returns is shown to the agent, what it raises as well.
    call: Callable[[dict], Awaitable[str]]

    @property
    def described(self) -> dict:
        return {"name": self.name, "description": self.description, "schema": self.schema}


async def word_count(arguments: dict) -> str:
    """A function of Python."""
    return str(len(arguments["text"].split()))


async def slug(arguments: dict) -> str:
    """A function of JavaScript: agent/slug.mjs."""
    module = await node.import_module("../agent/slug.mjs")
    return await module.slug(arguments["text"])


_TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}

TOOLS = {
    tool.name: tool
    for tool in (
        Tool("word_count", "Counts the words of a text.", _TEXT, word_count),
        Tool("slug", "Makes a slug for an address of a title.", _TEXT, slug),
    )
}


async def call(name: str, arguments: dict) -> str:
    """Calls one of them by name."""
    return await TOOLS[name].call(arguments)
