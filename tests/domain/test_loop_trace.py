"""Every event of a loop that tells a person something has a line, whatever is in it."""

from __future__ import annotations

import inspect

import pytest

from harness_tui.domain import events as ev
from harness_tui.domain.events import Envelope
from harness_tui.domain.events import loop as of_loops
from harness_tui.domain.events.base import Event
from harness_tui.domain.loop.trace import draw
from harness_tui.domain.trace import line

KINDS = [
    kind for _, kind in inspect.getmembers(of_loops, inspect.isclass) if issubclass(kind, Event) and kind is not Event
]
SILENT = {ev.SlotFired}
"""The round that it starts says so."""
CHANGE = ev.Change("b" * 40, "main", "loops/x-1", "c" * 40, "t" * 40, "d" * 64, ("a.py",), 3, 1)
SAMPLES: list[ev.Event] = [
    ev.RoundStarted(7, "push_back", "L2", "d"),
    ev.ChangeTaken(CHANGE, flags=("ci.yml is run by a CI service.",)),
    ev.ChangeTaken(None),
    ev.VerdictGiven("concerns", ("the \x1b[31mtext\x1b[0m is odd",)),
    ev.VerdictGiven("", (), "prose only"),
    ev.AcceptanceRun(("make", "test"), 2),
    ev.RoundFinished("exhausted", "the maker stopped"),
    ev.LevelSet("L2", "harness", "a denial"),
    ev.SlotMissed((1, 2), "the engine was not running", 4),
    ev.SourceSeen("changed"),
]


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_a_line_says_it_safely(event: ev.Event) -> None:
    drawn = line(Envelope(1, "l3/7", 1, 1, event))
    assert drawn is not None
    assert drawn.kind == "loop"
    assert drawn.text
    assert "\x1b" not in drawn.text


def test_no_kind_is_forgotten() -> None:
    source = inspect.getsource(inspect.getmodule(draw))  # type: ignore[arg-type]
    missing = [kind.__name__ for kind in KINDS if kind not in SILENT and f"ev.{kind.__name__}(" not in source]
    assert missing == []
