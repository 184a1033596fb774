"""Rules that users write in JavaScript, over rows that the program has.

A rule is a function of a row. It reaches nothing but the row and the functions that are bound below; it may take
a tenth of a second for each row, and as much memory as its runtime is given. One that fails says so, and the others go on.
"""

import csv
import sys
from pathlib import Path

from amphis import js

HERE = Path(__file__).parent

# As users have saved them.
RULES = {
    "discount": "row => row.total > 100 ? round(row.total * 0.9) : row.total",
    "express": "row => ['CH', 'AT'].includes(row.country) && row.items < 10",
    "label": "row => `${row.customer} (${country(row.country)})`",
    "typo": "row => row.custmer.toUpperCase()",
    "endless": "row => { while (row.items > 0); }",
    "greedy": "row => { const rows = []; for (;;) rows.push({ ...row }) }",
}

COUNTRIES = {"CH": "Switzerland", "AT": "Austria", "DE": "Germany"}


def rows():
    with (HERE / "orders.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield {**row, "total": float(row["total"]), "items": int(row["items"])}


def apply(rule, table):
    """What a rule gives for each row; the first error ends it."""
    with js.Runtime(timeout=0.1, max_heap_size=32 << 20) as runtime:
        runtime.bind_function("round", lambda number: round(number, 2))
        runtime.bind_function("country", COUNTRIES.__getitem__)
        function = runtime.eval(f"({rule})", name="rule.js")
        return [function(row, timeout=0.1) for row in table]


def main():
    table = list(rows())
    for name, rule in RULES.items():
        try:
            print(f"{name}: {apply(rule, table)}")
        except js.JavaScriptTimeout:
            print(f"{name}: took too long")
        except js.RuntimeTerminated:
            print(f"{name}: used too much memory")
        except js.JavaScriptError as error:
            print(f"{name}: {error.name}: {error.message}")


if __name__ == "__main__":
    sys.exit(main())
