"""A tool for an agent: it runs the JavaScript that a model has written, with the functions that it was granted.

Each run gets a process of its own, so that nothing that a model may write, or was made to write, outlives its time or
takes this process with it. What went wrong goes back to the model as text, for it to try again.
"""

import json
from dataclasses import dataclass

from amphis import js

TIMEOUT = 2
MEMORY = 64 << 20
# A model reads what it gets; it need not read everything.
MOST_TEXT = 4000


@dataclass(frozen=True)
class Outcome:
    """What the model is told."""

    ok: bool
    text: str


class CodeTool:
    """Runs code with some functions, and nothing else.

    Args:
        functions: what the code may call, by the name that it has there; their docstrings tell the model what they do.
    """

    def __init__(self, **functions):
        self.functions = functions

    def schema(self):
        """The tool as models are told of it."""
        lines = [f"{name}: {function.__doc__}" for name, function in self.functions.items()]
        return {
            "name": "run_javascript",
            "description": "Runs a script; its last expression is the result. It can call:\n"
            + "\n".join(lines),
            "input_schema": {
                "type": "object",
                "properties": {"code": {"type": "string"}},
                "required": ["code"],
            },
        }

    def run(self, code):
        """Runs it once. It raises nothing for what the code does."""
        with js.Runtime(process=True, timeout=TIMEOUT, max_heap_size=MEMORY) as runtime:
            for name, function in self.functions.items():
                runtime.bind_function(name, function)
            try:
                result = runtime.eval(code, name="tool.js")
                return Outcome(True, json.dumps(result, default=str)[:MOST_TEXT])
            except js.JavaScriptTimeout:
                return Outcome(False, f"It took longer than {TIMEOUT} seconds.")
            except js.RuntimeTerminated as error:
                return Outcome(False, str(error))
            except (js.JavaScriptError, RuntimeError, TypeError, ValueError) as error:
                return Outcome(False, str(error)[:MOST_TEXT])


ORDERS = [
    {"customer": "Ada", "total": 120.5},
    {"customer": "Grace", "total": 80},
    {"customer": "Ada", "total": 9.5},
]


def orders(customer):
    """orders(customer): the orders of a customer, as [{ customer, total }]."""
    return [order for order in ORDERS if order["customer"] == customer]


# What models have written.
SCRIPTS = [
    "orders('Ada').reduce((sum, order) => sum + order.total, 0)",
    "orders('Ada').map((order) => order.amount.toFixed(2))",
    "require('node:fs').readFileSync('/etc/passwd', 'utf8')",
    "orders.constructor('return process')().env",
    "new Array(1e8).fill(orders)",
]


def main():
    tool = CodeTool(orders=orders)
    print(tool.schema()["description"])
    for code in SCRIPTS:
        outcome = tool.run(code)
        print(f"\n{code}\n{'ok' if outcome.ok else 'failed'}: {outcome.text}")


if __name__ == "__main__":
    main()
