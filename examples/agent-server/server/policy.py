"""Which tools an agent may use: those that the request names, and of these what the server's settings let through."""

from pydantic import BaseModel, ConfigDict, Field

from .errors import ApiError
from .tools import PREFIX, TOOLS

#: The server's own tools, which are harmless; everything else is named in ALLOWED_TOOLS.
OWN = frozenset(PREFIX + name for name in TOOLS)


class Tools(BaseModel):
    """Names of tools: `Read`, `Bash`, `mcp__custom__word_count`. What is in no list, the agent does not have."""

    model_config = ConfigDict(extra="forbid")

    allow: list[str] = Field(
        default_factory=list, max_length=50, description="used without a question"
    )
    ask: list[str] = Field(
        default_factory=list, max_length=50, description="used if a client says so"
    )
    deny: list[str] = Field(
        default_factory=list, max_length=50, description="never; stronger than the others"
    )

    def checked(self, ceiling: frozenset[str]) -> "Tools":
        """Refuses what the server's settings do not allow."""
        for name in (*self.allow, *self.ask):
            if name.startswith(PREFIX) and name not in OWN:
                known = ", ".join(sorted(OWN))
                raise ApiError(422, "unknown_tool", f"there is no tool {name}; there are {known}")
            if "*" not in ceiling and name not in ceiling and name not in OWN:
                message = f"the tool {name} is not allowed here: the server's ALLOWED_TOOLS has to name it"
                raise ApiError(403, "tool_not_allowed", message)
        return self

    def verdict(self, tool: str) -> str:
        """'allow', 'ask' or 'deny'."""
        if tool in self.deny:
            return "deny"
        if tool in self.ask:
            return "ask"
        return "allow" if tool in self.allow else "deny"

    @property
    def offered(self) -> list[str]:
        return [name for name in (*self.allow, *self.ask) if name not in self.deny]

    @property
    def built_in(self) -> list[str]:
        """Those of the agent's program that it is to have."""
        return [name for name in self.offered if not name.startswith("mcp__")]

    @property
    def own(self) -> list[str]:
        return [name.removeprefix(PREFIX) for name in self.offered if name in OWN]
