"""Calls a function of Python's with what the runtime has: JSON in, JSON out, so that numbers stay what they are."""

import importlib
import inspect
import json
import sys
import time


class Context:
    """What a handler is told of its invocation; the names are those of AWS Lambda."""

    def __init__(self, told):
        self.request_id = self.aws_request_id = told["requestId"]
        self.function_name = told["functionName"]
        self.memory_limit_in_mb = int(told["memory"])
        self.deadline = told["deadline"]

    def get_remaining_time_in_millis(self):
        return max(0, int(self.deadline - time.time() * 1000))


class HandlerNotFound(Exception):
    pass


handler = None


def load(module, name):
    """Imports the handler; says whether it is `async def`."""
    global handler
    try:
        handler = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise HandlerNotFound(f"{module}.{name}: there is no {module}.py") from None
    except AttributeError:
        raise HandlerNotFound(f"{module}.{name}: {module} has no function {name}") from None
    return inspect.iscoroutinefunction(handler)


def flush():
    sys.stdout.flush()
    sys.stderr.flush()


def call(payload, told):
    try:
        return json.dumps(handler(json.loads(payload), Context(told)), allow_nan=False)
    finally:
        flush()


async def call_async(payload, told):
    try:
        return json.dumps(await handler(json.loads(payload), Context(told)), allow_nan=False)
    finally:
        flush()
