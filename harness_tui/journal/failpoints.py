"""Named points at which a test can kill the process: `HARNESS_TUI_FAILPOINT="journal.after_commit:3"` (third time)."""

from __future__ import annotations

import os
import signal

FAILPOINTS = frozenset(
    {
        "approve.after_commit",
        "approve.before_commit",
        "attempt.launched",
        "engine.recovering",
        "journal.after_commit",
        "journal.before_commit",
        "model.after_request",
        "run.before_finish",
        "service.started",
        "tool.after_effect",
        "tool.after_intent",
        "verify.before",
    }
)
"""Those a run passes; a point is added here and hit where it happens."""
OF_ROUNDS = frozenset(
    {
        "action.performed",
        "action.started",
        "change.kept",
        "change.taken",
        "round.committed",
        "round.tidied",
        "round.tidying",
    }
)
"""Those a round of a loop passes besides: `round.committed` after each of its appends."""


OF_DAGS = frozenset({"dag.committed"})
"""Those the run of a graph passes besides: after each of its appends."""
ALL = FAILPOINTS | OF_ROUNDS | OF_DAGS


def parse(text: str) -> dict[str, int]:
    """`name` or `name:3` -> {name: times still to pass}. Raises ValueError for a name nobody hits."""
    name, _, count = text.partition(":")
    if not name:
        return {}
    if name not in ALL:
        there = ", ".join(sorted(ALL))
        raise ValueError(f"HARNESS_TUI_FAILPOINT names {name!r}; there are {there}.")
    return {name: int(count or 1)}


_armed = parse(os.environ.get("HARNESS_TUI_FAILPOINT", ""))


def hit(name: str) -> None:
    """Pass the point, or end here as SIGKILL ends a process: nothing is flushed, closed or caught."""
    left = _armed.get(name)
    if left is None:
        return
    _armed[name] = left - 1
    if left <= 1:
        os.kill(os.getpid(), signal.SIGKILL)
