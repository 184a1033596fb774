"""Runs prices.js for a debugger: it waits until one is there, and stops at the first statement.

The argument is the port, 9229 unless there is one.
"""

import sys
from pathlib import Path

from amphis import js

SCRIPT = Path(__file__).with_name("prices.js")
RATES = {"CH": 0.081, "DE": 0.19}


def main():
    inspector = js.InspectorConfig(
        port=int(sys.argv[1]) if len(sys.argv) > 1 else 9229,
        break_on_next_statement=True,
        display_name=SCRIPT.name,
        target_url=SCRIPT.as_uri(),
    )
    # While the debugger holds it, the timeout does not run.
    with js.Runtime(inspector=inspector, timeout=1) as runtime:
        runtime.bind_function("rate", RATES.__getitem__)
        endpoints = runtime.inspector_endpoints()
        print(f"Chrome:  {endpoints.devtools_frontend_url}")
        print(f"VS Code: {endpoints.websocket_url}", flush=True)
        print(runtime.eval(SCRIPT.read_text(), name=SCRIPT.as_uri()))


if __name__ == "__main__":
    sys.exit(main())
