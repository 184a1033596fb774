"""A turn by either SDK: the Python one here, the TypeScript one in agent/typescript.mjs. Both give the same events."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amphis import node

from . import processes, tools
from .policy import Tools

LAUNCHER = str(Path(__file__).parent.parent / "agent" / "launch.sh")

#: Says whether the agent may use a tool, and why not.
Decide = Callable[[str, dict], Awaitable[tuple[bool, str]]]
#: The type of an event, and what is in it.
Said = tuple[str, dict]


@dataclass
class Task:
    """What a turn is about."""

    turn_id: str
    prompt: str
    conversation: str
    folder: Path
    model: str | None
    system_prompt: str | None
    tools: Tools
    max_rounds: int
    max_usd: float | None
    retries: int
    permission_seconds: float
    #: What the agent's program needs to reach the Messages API.
    env: dict[str, str]
    program: str

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def known(self) -> bool:
        """Whether the conversation has begun: the agent's program keeps it in a file of its name."""
        return any(self.config.glob(f"projects/*/{self.conversation}.jsonl"))

    def prepare(self) -> None:
        for folder in (self.config, self.work, self.folder / "tmp"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def variables(self) -> dict[str, str]:
        return {
            **self.env,
            processes.VARIABLE: self.turn_id,
            "CLAUDE_PROGRAM": self.program,
            "CLAUDE_CONFIG_DIR": str(self.config),
            "CLAUDE_CODE_MAX_RETRIES": str(self.retries),
            "CLAUDE_AGENT_SDK_CLIENT_APP": "agent-server/1.0",
            "HOME": str(self.work),
            "TMPDIR": str(self.folder / "tmp"),
            "DISABLE_AUTOUPDATER": "1",
        }


class PythonAgent:
    """A turn by `claude-agent-sdk`."""

    def __init__(self, task: Task, decide: Decide):
        self._task = task
        self._decide = decide
        self._client: Any = None

    async def run(self) -> AsyncIterator[Said]:
        import claude_agent_sdk as sdk

        task = self._task

        async def hook(asked, _id, _context):
            allow, reason = await self._decide(asked["tool_name"], asked["tool_input"])
            verdict = "allow" if allow else "deny"
            return {
                "hookSpecificOutput": {
                    "hookEventName": "PreToolUse",
                    "permissionDecision": verdict,
                    "permissionDecisionReason": reason,
                }
            }

        async def deny(*_):
            # What the hook has let through does not come here.
            return sdk.PermissionResultDeny(message="not allowed")

        def own_tool(tool: tools.Tool):
            async def call(arguments):
                try:
                    text = await tool.call(arguments)
                except Exception as error:
                    text = str(error)
                    return {"content": [{"type": "text", "text": text}], "is_error": True}
                return {"content": [{"type": "text", "text": text}]}

            return sdk.tool(tool.name, tool.description, tool.schema)(call)

        own = [own_tool(tools.TOOLS[name]) for name in task.tools.own]
        options = sdk.ClaudeAgentOptions(
            cli_path=LAUNCHER,
            cwd=task.work,
            env=task.variables,
            model=task.model,
            system_prompt=task.system_prompt,
            tools=task.tools.built_in,
            disallowed_tools=task.tools.deny,
            mcp_servers={"custom": sdk.create_sdk_mcp_server("custom", tools=own)} if own else {},
            strict_mcp_config=True,
            setting_sources=[],
            verbatim_prompts=True,
            include_partial_messages=True,
            max_turns=task.max_rounds,
            max_budget_usd=task.max_usd,
            can_use_tool=deny,
            hooks={
                "PreToolUse": [
                    sdk.HookMatcher(
                        hooks=[hook], timeout=task.permission_seconds + 60, on_failure="block"
                    )
                ]
            },
            stderr=lambda _line: None,
            **({"resume": task.conversation} if task.known else {"session_id": task.conversation}),
        )
        self._client = sdk.ClaudeSDKClient(options)
        try:
            await self._client.connect()
            await self._client.query(task.prompt)
            async for message in self._client.receive_response():
                for said in _of_python(message, sdk):
                    yield said
        finally:
            with suppress(Exception):
                await self._client.disconnect()

    async def interrupt(self) -> None:
        await self._client.interrupt()

    async def abort(self) -> None:
        """Nothing to do: its process is ended, and with it the stream of its messages."""


def _of_python(message: Any, sdk: Any) -> list[Said]:
    if isinstance(message, sdk.StreamEvent):
        return _of_delta(message.event)
    if isinstance(message, sdk.AssistantMessage):
        return _of_assistant(
            [_block(block) for block in message.content], message.model, message.usage
        )
    if isinstance(message, sdk.UserMessage):
        content = [] if isinstance(message.content, str) else message.content
        return _of_results([_block(block) for block in content])
    if isinstance(message, sdk.ResultMessage):
        names = ("subtype", "is_error", "result", "num_turns", "total_cost_usd", "usage", "errors")
        more = ("api_error_status", "terminal_reason", "duration_api_ms")
        return _of_result({name: getattr(message, name, None) for name in (*names, *more)})
    if isinstance(message, sdk.SystemMessage):
        return _of_system(message.subtype, message.data)
    return []


def _block(block: Any) -> dict:
    """A block of the Python SDK as the Messages API has it."""
    kinds = {
        "TextBlock": "text",
        "ThinkingBlock": "thinking",
        "ToolUseBlock": "tool_use",
        "ToolResultBlock": "tool_result",
    }
    return {"type": kinds.get(type(block).__name__, "other"), **vars(block)}


class TypeScriptAgent:
    """A turn by `@anthropic-ai/claude-agent-sdk`."""

    def __init__(self, task: Task, decide: Decide):
        self._task = task
        self._decide = decide
        self._turn: Any = None

    async def run(self) -> AsyncIterator[Said]:
        task = self._task
        module = await node.import_module("../agent/typescript.mjs")
        # It replaces the environment; what the launcher keeps of the server's is given here.
        kept = {
            name: os.environ[name] for name in ("PATH", "LANG", "TZ", "SHELL") if name in os.environ
        }
        options = {
            "pathToClaudeCodeExecutable": LAUNCHER,
            "cwd": str(task.work),
            "env": {**kept, **task.variables},
            "tools": task.tools.built_in,
            "disallowedTools": task.tools.deny,
            "strictMcpConfig": True,
            "settingSources": [],
            "verbatimPrompts": True,
            "includePartialMessages": True,
            "maxTurns": task.max_rounds,
            "hookTimeout": task.permission_seconds + 60,
            **({"resume": task.conversation} if task.known else {"sessionId": task.conversation}),
            **({"model": task.model} if task.model else {}),
            **({"maxBudgetUsd": task.max_usd} if task.max_usd else {}),
        }
        # Without one, as with the Python SDK: not the long one of Claude Code.
        options["systemPrompt"] = task.system_prompt or ""
        offered = [tools.TOOLS[name].described for name in task.tools.own]

        async def decide(tool, asked):
            allow, reason = await self._decide(tool, asked)
            return {"allow": allow, "reason": reason}

        self._turn = await module.Turn(task.prompt, options, offered, decide, tools.call)
        try:
            async for message in self._turn.messages():
                for type, data in _of_typescript(message):
                    # Not when it was here, but when the SDK gave it.
                    yield type, {**data, "at": round(message["received"], 1)}
        finally:
            await self._turn.abort()

    async def interrupt(self) -> None:
        await self._turn.interrupt()

    async def abort(self) -> None:
        if self._turn is not None:
            await self._turn.abort()


def _of_typescript(message: dict) -> list[Said]:
    match message["type"]:
        case "stream_event":
            return _of_delta(message["event"])
        case "assistant":
            inner = message["message"]
            return _of_assistant(inner["content"], inner["model"], inner.get("usage"))
        case "user":
            content = message["message"]["content"]
            return _of_results([] if isinstance(content, str) else content)
        case "result":
            return _of_result(message)
        case "system":
            return _of_system(message["subtype"], message)
    return []


def _of_delta(event: dict) -> list[Said]:
    delta = event.get("delta") or {}
    if delta.get("type") == "text_delta":
        return [("text", {"text": delta["text"]})]
    if delta.get("type") == "thinking_delta":
        return [("thinking", {"text": delta["thinking"]})]
    return []


def _of_assistant(content: list[dict], model: str, usage: dict | None) -> list[Said]:
    said: list[Said] = []
    for block in content:
        match block["type"]:
            case "text":
                said.append(("assistant", {"text": block["text"], "model": model, "usage": usage}))
            case "tool_use":
                said.append(("tool_use", {name: block[name] for name in ("id", "name", "input")}))
    return said


def _of_results(content: list[dict]) -> list[Said]:
    return [
        (
            "tool_result",
            {
                "id": block["tool_use_id"],
                "content": _text_of(block.get("content")),
                "is_error": bool(block.get("is_error")),
            },
        )
        for block in content
        if block["type"] == "tool_result"
    ]


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(part.get("text", f"[{part.get('type')}]") for part in content)
    return content or ""


def _of_result(message: dict) -> list[Said]:
    return [("result", message)]


def _of_system(subtype: str, data: dict) -> list[Said]:
    if subtype != "api_retry":
        return []
    names = ("attempt", "max_retries", "retry_delay_ms", "error_status")
    return [("retry", {name: data.get(name) for name in names})]


AGENTS = {"python": PythonAgent, "typescript": TypeScriptAgent}
