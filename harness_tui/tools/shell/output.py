"""What a model reads of a child that ended: how, then what it wrote."""

from __future__ import annotations

from ...domain.seams import ToolOutcome
from ...sandbox.base import FLOOD, Finished

_LEFT = "nothing it started is left"


def outcome(finished: Finished, deadline: float) -> ToolOutcome:
    """ok exactly if it ended by itself with exit code 0."""
    ok = finished.ended == "exit" and finished.code == 0
    head = ending(finished, deadline)
    if finished.dropped:
        head = f"{head}; {finished.dropped} bytes dropped between head and tail"
    return ToolOutcome(ok, f"{head}\n{finished.output}" if finished.output else f"{head}, no output")


def ending(finished: Finished, deadline: float) -> str:
    match finished.ended:
        case "exit":
            return f"exit {finished.code}"
        case "deadline":
            return f"stopped after {deadline:g} s; {_LEFT}"
        case "flood":
            return f"stopped after {FLOOD // 1024**2} MiB of output; {_LEFT}"
        case "killed":
            return f"killed by a signal; {_LEFT}"
