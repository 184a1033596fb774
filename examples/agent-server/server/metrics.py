"""Numbers for Prometheus, in its text format."""

from collections import Counter


class Metrics:
    """What has happened since the start."""

    def __init__(self) -> None:
        self._turns: Counter[tuple[str, str]] = Counter()
        self._sums: Counter[str] = Counter()

    def ended(self, summary: dict) -> None:
        self._turns[summary["sdk"], summary["status"]] += 1
        usage = summary["usage"]
        self._sums["input_tokens"] += usage["input_tokens"]
        self._sums["output_tokens"] += usage["output_tokens"]
        self._sums["cost_usd"] += summary["cost_usd"]
        self._sums["turn_seconds"] += summary["seconds"]

    def text(self, running: int, waiting: int) -> str:
        """`running` and `waiting` turns are those of this moment."""
        lines = ["# TYPE agents_turns_total counter"]
        for (sdk, status), count in sorted(self._turns.items()):
            lines.append(f'agents_turns_total{{sdk="{sdk}",status="{status}"}} {count}')
        for name in ("input_tokens", "output_tokens", "cost_usd", "turn_seconds"):
            lines += [
                f"# TYPE agents_{name}_total counter",
                f"agents_{name}_total {self._sums[name]:g}",
            ]
        for name, number in (("running", running), ("waiting", waiting)):
            lines += [f"# TYPE agents_turns_{name} gauge", f"agents_turns_{name} {number}"]
        return "\n".join(lines) + "\n"
