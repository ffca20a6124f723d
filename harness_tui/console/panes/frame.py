"""The one line of grid a pane has: its rule, with the name at the left and a count at the right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..actions import PANE_NAMES
from ..lines import Line, Span, clip, fit, spread

if TYPE_CHECKING:
    from ..model import Model


def rule(m: Model, pane: int, right: str, width: int) -> Line:
    """`- 2 Runs ------------- 3 run  1 ask -`; bold when the pane has the focus."""
    dash = m.glyphs.rule
    left = (
        Span(f"{dash} ", "rule"),
        Span(f"{pane} {PANE_NAMES[pane]}", "title" if m.focus == pane else "dim"),
        Span(" "),
    )
    tail = (Span(f" {right} ", "dim"), Span(dash, "rule")) if right else ()
    return spread(left, tail, width, Span(dash, "rule"))


def section(m: Model, title: str, right: str, width: int, token: str = "title") -> Line:
    """`-- r17 upvote first story ------ digest 550dcabb ------`, inside a pane."""
    dash = m.glyphs.rule
    tail = (Span(f" {right} ", "dim"), Span(dash * 6, "rule")) if right else ()
    room = width - 6 - sum(len(span.text) for span in tail)
    if room < 16:  # the name matters more than the count
        tail, room = (), max(1, width - 4)
    left = (Span(f"{dash}{dash} ", "rule"), Span(clip(title, room), token), Span(" "))
    return spread(left, tail, width, Span(dash, "rule"))


def note(text: str, width: int) -> Line:
    """A quiet line."""
    return fit((Span(f"  {text}", "dim"),), width)
