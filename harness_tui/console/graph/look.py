"""What a drawing of a graph needs to know beside the graph: where the cursor is, what is critical, what time it is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..glyphs import UNICODE, Glyphs


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a graph.

    Attributes:
        cursor: id of a job or key of a group, "" = nothing is selected.
        x, y: the upper left cell of the drawing that is seen.
        critical: jobs of the critical path, in any order; hand over the same object as long as it holds.
        now_t: us since the run's start. now: us of wall clock, for what waits until then.
        focused: the pane has the keys.
    """

    cursor: str = ""
    x: int = 0
    y: int = 0
    critical: Collection[str] = ()
    glyphs: Glyphs = UNICODE
    now_t: int = 0
    now: int = 0
    focused: bool = True


def keep(top: int, at: int, room: int, count: int) -> int:
    """The first of `count` rows to show in `room`, as near to `top` as it can be with row `at` in sight (-1 = any)."""
    if at >= 0:
        top = min(max(top, at + 1 - room), at)
    return max(0, min(top, count - room))
