"""Asks a running agent server what it is there for, and says what it has answered. Needs Python alone:

URL=http://127.0.0.1:3000 KEY=agent-… python3 test_server.py
"""

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

URL = os.environ.get("URL", "http://127.0.0.1:3000")
KEY = os.environ.get("KEY", "")


def request(method: str, path: str, body: dict | None = None, **headers: str):
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(URL + path, data, method=method)
    asked.add_header("Authorization", f"Bearer {KEY}")
    asked.add_header("Content-Type", "application/json")
    for name, value in headers.items():
        asked.add_header(name.replace("_", "-"), value)
    return urllib.request.urlopen(asked, timeout=300)


def call(method: str, path: str, body: dict | None = None) -> dict:
    with request(method, path, body) as answer:
        return json.load(answer)


def events(path: str, body: dict) -> Iterator[tuple[str, dict]]:
    """The events of a turn as they come."""
    with request("POST", path, body, Accept="text/event-stream") as answer:
        event = ""
        for line in answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                event = value
            elif name == "data":
                yield event, json.loads(value)


def main() -> int:
    health = call("GET", "/health")
    print(f"health: {health['status']}, token by {health['token']}")
    for sdk in ("python", "typescript"):
        done = call("POST", "/query", {"prompt": "Say hello in one word.", "sdk": sdk})
        print(f"{sdk}: {done['status']}: {done['text']}")
        if done["status"] != "completed":
            return 1
    session = call("POST", "/sessions", {"title": "test_server.py"})
    path = f"/sessions/{session['id']}"
    for event, data in events(f"{path}/messages", {"prompt": "Count to three."}):
        if event == "text":
            print(data["text"], end="", flush=True)
        elif event == "done":
            print(f"\nsession: {data['status']}, {data['usage']['output_tokens']} tokens")
    print(f"history: {len(call('GET', path)['turns'])} turn")
    call("DELETE", path)
    try:
        call("GET", path)
    except urllib.error.HTTPError as error:
        print(f"deleted: {error.code}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
