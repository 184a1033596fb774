"""docs/SERVER.md, from what FastAPI knows of the API: `npx amphis run -m server.openapi > docs/SERVER.md`."""

from pathlib import Path

from .api import app

#: Written by measure.mjs; the image has no pages.
MEASURED = Path(__file__).parent.parent / "docs" / "measured.md"

HEAD = """# The API

Made from the sources by `npx amphis run -m server.openapi`; `GET /openapi.json` has it for programs.

Every request but `/health` has a key: `Authorization: Bearer agent-…` or `X-API-Key: agent-…`, never in the
address. What is refused is `{"error": {"code": "…", "message": "…"}}`: 401 without a key, 404 for what is not
there or belongs to another key, 409 `session_busy`, 413, 422 with the name of what is wrong, 429 `rate_limit`
and `limit_turns`, `limit_seconds`, `limit_tokens`, `limit_usd`, 503 `queue_full`, `no_token`, `stopping`,
`database_locked`, `database_unavailable`, 507 `disk_full`.
"""

EVENTS = """## Events

With `Accept: text/event-stream` a turn is answered by its events as they come. Each has an id; `Last-Event-
ID` on the same `POST`, or on `GET /sessions/{session_id}/events`, goes on after it and begins no turn. A turn
ends when its last client has been away for a second (`RECONNECT_SECONDS`), unless it is `detached`.

| Event | Data |
| --- | --- |
| `turn` | `turn_id`, `session_id`, `sdk`: the first |
| `queued` | `position`: turns that wait |
| `text`, `thinking` | `text`: a piece of the answer as it is made; not kept |
| `assistant` | `text`, `model`, `usage`: a part of the answer, whole |
| `tool_use` | `id`, `name`, `input` |
| `tool_result` | `id`, `content`, `is_error` |
| `tool_denied` | `tool`, `by` |
| `permission` | `request_id`, `tool`, `input`, `seconds`: to be answered |
| `permission_decided` | `request_id`, `allow`, `by`: `client`, `timeout` or `end` |
| `retry` | `attempt`, `max_retries`, `retry_delay_ms`, `error_status`: the Messages API was busy |
| `done` | the last: see TurnDone |

All have `at`, milliseconds since 1970.

## WebSocket

`/ws` does the same over one connection. The first message is `{"type": "auth", "key": "agent-…"}`, unless a
header has the key; the answer is `{"type": "ready"}`. Then:

| Message | What follows |
| --- | --- |
| `{"type": "query", "id": 1, …}` with the fields of Query | its events |
| `{"type": "message", "id": 1, "session_id": "…", …}` with those of NewMessage | its events |
| `{"type": "resume", "id": 1, "session_id": "…", "last_event_id": "…"}` | the events after that |
| `{"type": "interrupt", "id": 1, "session_id": "…"}` | `{"type": "ok", "id": 1}` |
| `{"type": "permission", "id": 1, "session_id": "…", "request_id": "…", "decision": "deny"}` | `{"type": "ok", …}` |

An event is `{"type": "event", "id": 1, "event_id": "…", "event": "text", "data": {…}}`, a refusal `{"type":
"error", "id": 1, "error": {…}}`. Browsers connect from the server's own page or from one of
`ALLOWED_ORIGINS`.

## Webhooks

A session with a `webhook_url` tells it of the end of each turn: `POST` of `{"type": "turn.done", "data":
TurnDone}` with the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`, which is `sha256=` and
the HMAC-SHA256 of `timestamp.body` with `WEBHOOK_SECRET`, in hexadecimal. Three more tries follow where the
receiver does not answer by 2xx.
"""


def _type(schema: dict) -> str:
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{str(schema['const']).lower()}`"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return schema.get("type", "anything")


def _default(schema: dict) -> str:
    value = schema.get("default")
    if value is None or value == "":
        return ""
    return f"default `{value}`".lower() if isinstance(value, bool) else f"default `{value}`"


def _model(name: str, schema: dict) -> str:
    lines = [
        f"### {name}",
        "",
        schema.get("description", ""),
        "",
        "| Field | Type | |",
        "| --- | --- | --- |",
    ]
    needed = schema.get("required", [])
    for field, about in schema["properties"].items():
        remarks = [about.get("description", ""), _default(about)]
        if (
            field in needed
            and "default" not in about
            and not name.startswith(("Turn", "Hist", "Sess", "Us", "Prob"))
        ):
            remarks.insert(0, "needed")
        lines.append(f"| `{field}` | {_type(about)} | {'; '.join(filter(None, remarks))} |")
    return "\n".join([*lines, ""])


def markdown() -> str:
    described = app.openapi()
    parts = [HEAD, "## Requests\n", "| Request | Body | Answer | |", "| --- | --- | --- | --- |"]
    for path, methods in described["paths"].items():
        for method, about in methods.items():
            body = about.get("requestBody", {}).get("content", {}).get("application/json", {})
            status, answer = next(iter(about["responses"].items()))
            content = answer.get("content", {}).get("application/json", {}).get("schema", {})
            result = f"{status} {_type(content) if content else ''}".strip()
            what = about["description"].replace("\n", " ")
            parts.append(
                f"| `{method.upper()} {path}` | {_type(body['schema']) if body else ''} | {result} | {what} |"
            )
    parts += ["", EVENTS, "## Models\n"]
    for name, schema in described["components"]["schemas"].items():
        if "properties" in schema and "ValidationError" not in name:
            parts.append(_model(name, schema))
    if MEASURED.exists():
        parts += ["## Measured\n", MEASURED.read_text()]
    return "\n".join(parts)


if __name__ == "__main__":
    print(markdown())
