"""The program: reads what is asked from the command line, answers with JSON on what was standard output."""

import contextlib
import json
import os
import sys


def main() -> None:
    # What the module prints while it is imported is no answer.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    folder = os.path.dirname(os.path.abspath(__file__))
    # Of the package alone: its own modules must not stand in the way of those of the app.
    sys.path[:] = [os.path.dirname(folder), *(each for each in sys.path if each != folder)]
    # A file that changes twice in a second can have the bytecode of before.
    sys.dont_write_bytecode = True
    command, *rest = sys.argv[1:]
    if command == "names":
        from amphis_describe.names import describe_names as describe
    elif command == "openapi":
        from amphis_describe.openapi import describe_openapi as describe
    else:
        from amphis_describe.module import describe_types as describe
    del sys.path[0]
    with answer:
        # Escaped: lone surrogates are no UTF-8.
        answer.write(json.dumps(describe(*rest)))
        answer.flush()
    for stream in (sys.stdout, sys.stderr):
        # The module may have put anything in their place.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    # Threads of the module's own would keep the process.
    os._exit(0)


main()
