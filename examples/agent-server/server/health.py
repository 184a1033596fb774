"""Whether the server can do its work: a token is there, both SDKs load, the database answers."""

from .errors import ApiError
from .lifecycle import Server


async def check(server: Server) -> tuple[bool, dict]:
    missing = []
    report: dict = {"token": server.settings.token or None}
    if not server.settings.token:
        missing.append("token: set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN")
    try:
        import claude_agent_sdk

        report["python_sdk"] = claude_agent_sdk.__version__
    except Exception as error:
        report["python_sdk"] = None
        missing.append(f"Python SDK: {error}")
    try:
        report["typescript_sdk"] = (await server.host.inspect())["sdk"]
    except Exception as error:
        report["typescript_sdk"] = None
        missing.append(f"TypeScript SDK: {error}")
    try:
        await server.database.ping()
        report["database"] = "ok"
    except ApiError as error:
        report["database"] = None
        missing.append(f"database: {error.message}")
    report["missing"] = missing
    report["running"] = server.turns.at_work
    report["waiting"] = server.turns.queue.waiting
    return not missing, {"status": "ok" if not missing else "unavailable", **report}
