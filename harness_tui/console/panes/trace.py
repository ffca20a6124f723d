"""Pane 1: what happened, newest last."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

from ...domain.events import BudgetWarned, ModelAnswered
from ...domain.safetext import clip as safe_clip
from ...domain.trace import WIDTH
from ..lines import Line, Span, blank, fit, spread
from ..stores.ring import Row
from ..stores.selection import window
from . import empty
from .table import pointed

if TYPE_CHECKING:
    from ..model import Model


class TraceView:
    """Where the operator is in the trace.

    Attributes:
        follow: the newest row is shown; any upward move holds still.
        held: newest row shown while holding still.
        cursor: number of the row under the cursor.
    """

    def __init__(self) -> None:
        self.follow = True
        self.held = 0
        self.cursor = -1

    def last(self, m: Model) -> int:
        """How many of the matching rows are shown: all, or those up to where it was held."""
        matched = m.world.matched
        return len(matched) if self.follow else bisect.bisect_right(matched, self.held)

    def index(self, m: Model) -> int:
        """Index of the cursor's row among those shown."""
        last = self.last(m)
        if self.follow:
            return last - 1
        return max(0, min(last - 1, bisect.bisect_left(m.world.matched, self.cursor)))

    def move(self, m: Model, by: int) -> None:
        last, at = self.last(m), self.index(m)
        if last <= 0:
            return
        if self.follow:
            if by >= 0:
                return
            self.held, self.follow = m.world.matched[last - 1], False
        self.cursor = m.world.matched[max(0, min(last - 1, at + by))]

    def row(self, m: Model) -> Row | None:
        at = self.index(m)
        return m.world.ring.get(m.world.matched[at]) if at >= 0 and m.world.matched else None


def right(m: Model) -> str:
    count = f"{len(m.world.matched):,}"
    return f"{count} follow" if m.trace.follow else f"{count} held"


def body(m: Model, width: int, height: int) -> list[Line]:
    if not m.world.matched and not m.world.filter:
        return empty.lines(m, 1, width, height)
    foot = _foot(m, width)
    height -= len(foot)
    last = m.trace.last(m)
    at = m.trace.index(m)
    top = window(last, at, height)
    out: list[Line] = []
    for i in range(top, min(last, top + max(0, height))):
        row = m.world.ring.get(m.world.matched[i])
        if row is None:
            continue
        line = draw(m, row, width, with_run=True)
        out.append(_under(line, m.focus == 1) if i == at and not m.trace.follow else line)
    out += [blank(width)] * (height - len(out))
    return [*out, *foot]


def _under(line: Line, focused: bool) -> Line:
    bar = (Span(line[0].text[:1], line[0].token), Span(line[0].text[1:], line[0].token), *line[1:])
    return pointed(bar, bar[0].text, focused) if focused else line


def _foot(m: Model, width: int) -> list[Line]:
    """The filter, and how far behind a held view is."""
    if not m.world.filter and m.trace.follow:
        return []
    left = [Span(" /", "key"), Span(m.shown_filter, "match")] if m.world.filter else [Span("")]
    tail: list[Span] = []
    if not m.trace.follow:
        held = m.world.ring.get(m.trace.held)
        fresh = len(m.world.matched) - m.trace.last(m)
        tail = [Span(f"held at {m.clock(held.at)}" if held else "held", "dim"), Span(f"   +{fresh} new  ", "base")]
        tail.append(Span("f ", "key"))
    return [spread(left, tail, width)]


def draw(m: Model, row: Row, width: int, *, with_run: bool) -> Line:
    """One row: time, state, (run,) kind, text."""
    text = safe_clip(row.text, WIDTH) if row.flow else row.text
    warned = row.envelope is not None and isinstance(row.envelope.event, BudgetWarned)
    plain = "warn_text" if warned else "dim" if row.state == "note" else "base"
    spans = [Span(f"{m.clock(row.at)} ", "dim"), Span(f"{m.glyphs.state(row.state)} ", row.state)]
    if with_run:
        whose = "" if row.kind == "engine" else row.stream if width >= 64 else row.run
        spans.append(Span(f"{whose:<6.6s} ", plain))
    spans += [Span(f"{row.kind:<6s} ", "dim"), *(_noted(text, plain) if _has_notes(row) else _badged(text, plain))]
    if row.alike and row.flow != "model":
        spans.append(Span(f"   (+{row.alike} alike)", "dim"))
    return fit(spans, width)


def _has_notes(row: Row) -> bool:
    return row.envelope is not None and isinstance(row.envelope.event, ModelAnswered) and bool(row.envelope.event.notes)


def _noted(text: str, token: str) -> list[Span]:
    """An answer with notes: the first word NOTE is ours, since what the model said comes after."""
    before, word, after = text.partition("NOTE:")
    return [Span(before, token), Span(word, "warn_text"), Span(after, token)]


def _badged(text: str, token: str) -> list[Span]:
    """The text with HIGH and IN DOUBT standing out when it opens with them, after an id."""
    first, _, rest = text.partition(" ")
    for word, badge in (("HIGH ", "high"), ("IN DOUBT ", "doubt_badge")):
        if first.startswith("A-") and rest.startswith(word):
            return [Span(f"{first} ", token), Span(word[:-1], badge), Span(f" {rest[len(word) :]}", token)]
    return [Span(text, token)]
