"""The harness's orders, which come to a child of Node's over the channel that it has opened: a line of JSON each."""

import json
import os
import socket

# Taken out at once: a Node process that this one starts would take it for its own.
channel = socket.socket(fileno=int(os.environ.pop("NODE_CHANNEL_FD")))


def obey(orders):
    """Carries out orders until the harness is gone: each by the function of its name, which returns the reply."""
    with channel, channel.makefile("rwb", buffering=0) as lines:
        for line in lines:
            order = json.loads(line)
            if "id" not in order:
                continue
            try:
                reply = {"id": order["id"], "reply": orders[order["do"]](order)}
            except Exception as error:
                reply = {"id": order["id"], "error": f"{type(error).__name__}: {error}"}
            lines.write(json.dumps(reply).encode() + b"\n")
