"""What is asked, and what is answered."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

#: Made by the server only; a key of the bucket is made of nothing else.
SESSION_ID = r"^session-[0-9a-f]{32}$"
#: Characters. What is longer is answered by a 413.
LONGEST_PROMPT = 200_000


class Ask(BaseModel):
    """A turn: of a new session, or of one that is there."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1, max_length=LONGEST_PROMPT)
    session_id: str | None = Field(default=None, pattern=SESSION_ID)

    @field_validator("prompt")
    @classmethod
    def says_something(cls, prompt: str) -> str:
        if not prompt.strip():
            raise ValueError("it is empty")
        return prompt


class Done(BaseModel):
    """A turn that is over, and kept."""

    success: Literal[True] = True
    session_id: str
    messages: list[dict[str, Any]] = Field(description="the agent's messages of this turn")
    s3_url: str = Field(description="where the session is kept")


class Failed(BaseModel):
    """One that is not: the session is as it was before."""

    success: Literal[False] = False
    error: str
    session_id: str | None = None
