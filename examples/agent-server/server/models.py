"""What clients send and get, as pydantic checks and describes it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from .policy import Tools

#: Characters of a prompt at most.
PROMPT = 1_000_000

Sdk = Literal["python", "typescript"]
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=PROMPT, pattern=r"\S")]
Model = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@\[\]-]{0,99}$")]
SystemPrompt = Annotated[str, StringConstraints(max_length=100_000)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Query(Strict):
    """A prompt without a session: nothing of it is kept but what it used."""

    prompt: Prompt
    sdk: Sdk = Field("python", description="which SDK runs the agent")
    model: Model | None = Field(None, description="default: the SDK's own")
    system_prompt: SystemPrompt | None = None
    tools: Tools = Field(default_factory=Tools)
    max_rounds: int = Field(20, ge=1, description="answers of the model at most, tools in between")


class NewSession(Strict):
    """A conversation that is kept."""

    sdk: Sdk = "python"
    model: Model | None = None
    system_prompt: SystemPrompt | None = None
    tools: Tools = Field(default_factory=Tools)
    title: Annotated[str, StringConstraints(max_length=200)] = ""
    webhook_url: Annotated[str, StringConstraints(max_length=2000)] | None = Field(
        None, description="told when a turn has ended"
    )


class NewMessage(Strict):
    """The next prompt of a session."""

    prompt: Prompt
    sdk: Sdk | None = Field(None, description="for this turn; default: the session's")
    tools: Tools | None = Field(None, description="for this turn; default: the session's")
    max_rounds: int = Field(20, ge=1)
    detached: bool = Field(False, description="goes on when the client has gone")


class Answer(Strict):
    """Whether the agent may use the tool that it asked for."""

    decision: Literal["allow", "deny"]
    message: Annotated[str, StringConstraints(max_length=2000)] = Field(
        "", description="told to the agent"
    )


class Usage(BaseModel):
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int


class Problem(BaseModel):
    code: str
    message: str


class TurnDone(BaseModel):
    """How a turn has ended."""

    turn_id: str
    session_id: str | None = Field(description="null for a query")
    sdk: Sdk
    status: Literal["completed", "interrupted", "limited", "failed", "stopped"]
    text: str | None = Field(description="the agent's last answer")
    error: Problem | None
    usage: Usage
    cost_usd: float
    rounds: int
    seconds: float


class Session(BaseModel):
    id: str
    sdk: Sdk
    model: str | None
    system_prompt: str | None
    tools: Tools
    title: str
    webhook_url: str | None
    created: float = Field(description="seconds since 1970")
    updated: float
    running: bool


class HistoryEvent(BaseModel):
    id: str
    type: str
    data: dict


class HistoryTurn(BaseModel):
    id: str
    sdk: Sdk
    prompt: str
    status: str
    text: str | None
    error: Problem | None
    usage: Usage | None
    cost_usd: float
    started: float
    ended: float | None
    events: list[HistoryEvent]


class History(Session):
    turns: list[HistoryTurn]


class SessionList(BaseModel):
    sessions: list[Session]
    next: str | None = Field(description="what `before` is for the page after this one")


class Done(BaseModel):
    ok: Literal[True] = True
